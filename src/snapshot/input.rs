//! What a snapshot is built from: declarations, resolved addresses, and the split of each service.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use crate::model::{Colour, EndedBy, Name, ResourceSet, ServiceSpec, Split, Sticky};

/// Everything that decides the resources of a fleet. Two equal inputs build equal resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Input {
    /// The services of the fleet.
    pub services: BTreeMap<Name, Arc<ServiceInput>>,
    /// The user's own Envoy resources.
    pub resources: BTreeMap<Name, Arc<ResourceSet>>,
}

/// One service, as the builder needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceInput {
    /// As declared; `environments` and `live` in it don't count here.
    pub spec: Arc<ServiceSpec>,
    /// Resolved addresses of blue, in the order of its endpoints.
    pub blue: Vec<SocketAddr>,
    /// Resolved addresses of green.
    pub green: Vec<SocketAddr>,
    /// Where the traffic goes.
    pub split: Split,
    /// What keeps a client in one environment while the split is between the two.
    pub sticky: Option<Sticky>,
    /// A share of the requests goes to another environment too.
    pub shadow: Option<Shadow>,
    /// Requests with a certain header go to another environment.
    pub preview: Option<Preview>,
}

/// A share of the requests goes to an environment too, and its answers are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Which environment.
    pub to: Colour,
    /// The share, 1 to 100.
    pub percent: u32,
    /// Who ends it if the control plane can't.
    pub ended_by: EndedBy,
    /// False: the routes have it no more, and only its runtime key is left. A switch changes routes only, so the key
    /// goes with the revision after it.
    pub on_routes: bool,
}

/// Requests with this header go to an environment, whatever the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Which environment.
    pub to: Colour,
    /// The header's name.
    pub header: String,
    /// Its whole value.
    pub value: String,
    /// Who ends it if the control plane can't.
    pub ended_by: EndedBy,
    /// As in [`Shadow::on_routes`].
    pub on_routes: bool,
}

impl ServiceInput {
    /// A service whose traffic is divided by its split alone.
    pub fn new(
        spec: Arc<ServiceSpec>,
        blue: Vec<SocketAddr>,
        green: Vec<SocketAddr>,
        split: Split,
    ) -> Self {
        Self {
            spec,
            blue,
            green,
            split,
            sticky: None,
            shadow: None,
            preview: None,
        }
    }

    /// The resolved addresses of one environment.
    pub fn addresses(&self, colour: Colour) -> &[SocketAddr] {
        match colour {
            Colour::Blue => &self.blue,
            Colour::Green => &self.green,
        }
    }
}
