//! The runtime layer that every fleet has.

use std::sync::Arc;

use envoy_types::pb::{envoy::service::runtime::v3::Runtime, google::protobuf::Struct};

use super::envoy::resource;
use crate::{
    model::TypeUrl,
    snapshot::{References, Resource},
};

/// The name of the layer, as in the `rtds_layer` of the bootstrap.
pub(super) const NAME: &str = "bluegreen";

/// The layer without anything in it. An Envoy whose bootstrap names it waits for it at its start, up to 15 s: so
/// there is an answer from the first revision on.
pub(super) fn runtime() -> Arc<Resource> {
    let runtime = Runtime {
        name: NAME.to_owned(),
        layer: Some(Struct::default()),
    };
    resource(TypeUrl::Runtime, NAME, &runtime, References::default())
}
