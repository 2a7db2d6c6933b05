//! What a snapshot is built from: declarations, resolved addresses, and the split of each service.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use crate::model::{Colour, Name, ResourceSet, ServiceSpec, Split};

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
}

impl ServiceInput {
    /// The resolved addresses of one environment.
    pub fn addresses(&self, colour: Colour) -> &[SocketAddr] {
        match colour {
            Colour::Blue => &self.blue,
            Colour::Green => &self.green,
        }
    }
}
