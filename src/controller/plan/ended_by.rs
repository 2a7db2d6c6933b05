//! Who ends a mirror or a preview at its time: the proxies, or bluegreen.

use std::collections::BTreeMap;

use super::draft::{Draft, Ground};
use crate::{
    controller::named::named,
    fleet::ProxyView,
    model::{EndedBy, TypeUrl},
    release::{Notice, Temporary},
};

/// Who ends what the command starts: the proxies, where each that is connected asks for the runtime layer that the key
/// comes by. Where one does not, the routes have to say it to all of them, and that is told.
pub(super) fn ended_by(draft: &mut Draft, ground: &Ground<'_>, what: Temporary) -> EndedBy {
    let asks = |proxy: &ProxyView, type_url| proxy.types.iter().any(|t| t.type_url == type_url);
    let without: Vec<String> = ground
        .ledger
        .proxies(&BTreeMap::new())
        .iter()
        // One that has just connected asks for its layers before it asks for clusters.
        .filter(|proxy| proxy.connected && asks(proxy, TypeUrl::Cluster))
        .filter(|proxy| !asks(proxy, TypeUrl::Runtime))
        .map(|proxy| proxy.info.id.to_string())
        .collect();
    if without.is_empty() {
        return EndedBy::Proxies;
    }
    draft.notices.push(Notice {
        kind: "ended-by-server",
        text: format!(
            "{} have no runtime layer `bluegreen` in their bootstrap, so no proxy can end the {} by itself: \
             bluegreen ends it at its time. That is weaker: while the server is down it goes on",
            named(&without),
            what.as_str()
        ),
    });
    EndedBy::Server
}
