//! Endpoints are taken away after the traffic: where one revision does both, as a fleet that goes back can, the routes go first.
//!
//! Load assignments go out before routes, so that what is new is there before anything is sent to it. One that loses all of its
//! endpoints is the other way round: until the client has the routes that send nothing there any more, its requests would fail.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::{channel::Channel, state::Session};
use crate::{
    model::TypeUrl,
    snapshot::{Item, Items, Resource, Snapshot, View},
};

/// What routes stand in.
const ROUTES: [TypeUrl; 2] = [TypeUrl::RouteConfiguration, TypeUrl::VirtualHost];

impl Session {
    /// Load assignments that are empty now, as the client keeps them until it has the newest routes: by those it sends nothing
    /// there any more, by those that it has it may.
    pub(super) fn emptied_too_soon(
        &self,
        channel: &Channel,
        newest: &View,
        snapshot: &Snapshot,
    ) -> Vec<(Arc<str>, Item)> {
        let is_news = newest.digest != channel.told.digest;
        if channel.type_url != TypeUrl::ClusterLoadAssignment || !is_news {
            return Vec::new();
        }
        let Some(clusters) = self.channels.get(TypeUrl::Cluster) else {
            return Vec::new();
        };
        let since = newest.since(&channel.told);
        let emptied = since.changed.iter().filter_map(|item| {
            let name = &item.resource.name;
            let before = channel.told.get(name).filter(|before| before.is_known())?;
            let loses_all = is_empty(&item.resource) && !is_empty(&before.resource);
            (loses_all && self.leaves(&clusters.told, name, snapshot))
                .then(|| (name.clone(), before.resource.clone().into()))
        });
        let kept: Items = emptied.collect();
        if kept.is_empty() {
            return Vec::new();
        }
        // A cluster that is sent again waits for it all the same.
        let kept = Arc::new(View::new(channel.type_url, kept)).awaited_by(&clusters.told);
        let items = kept.items().iter();
        items
            .map(|(name, item)| (name.clone(), item.clone()))
            .collect()
    }

    /// Whether the traffic of the clusters with these endpoints is on its way to others.
    fn leaves(&self, clusters: &View, endpoints: &str, snapshot: &Snapshot) -> bool {
        let with_them = |cluster: &Arc<str>| {
            let cluster = clusters.get(cluster).map(|item| &item.resource.references);
            cluster.is_some_and(|references| references.endpoints.contains(endpoints))
        };
        let used = |view: &View| {
            let mut choices = view.choices().iter();
            choices.any(|choice| choice.weighted.iter().any(with_them))
        };
        let routes = ROUTES.map(|type_url| self.channels.get(type_url));
        let mut routes = routes.into_iter().flatten().peekable();
        routes.peek().is_some()
            && routes
                .clone()
                .any(|of| of.possible().any(|view| used(view)))
            && !routes.any(|of| used(&self.newest(of, snapshot)))
    }
}

/// Whether an assignment has no endpoint at all. Looked at in each that changes, for each client: nothing of an endpoint is read.
fn is_empty(assignment: &Resource) -> bool {
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`, as far as it matters.
    #[derive(Clone, PartialEq, Message)]
    struct Assignment {
        #[prost(message, repeated, tag = "2")]
        localities: Vec<Locality>,
    }
    /// `LocalityLbEndpoints`: the endpoints as they stand there.
    #[derive(Clone, PartialEq, Message)]
    struct Locality {
        #[prost(bytes = "bytes", repeated, tag = "2")]
        endpoints: Vec<Bytes>,
    }
    Assignment::decode(assignment.bytes.clone()).is_ok_and(|assignment| {
        let mut localities = assignment.localities.iter();
        localities.all(|locality| locality.endpoints.is_empty())
    })
}
