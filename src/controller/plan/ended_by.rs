//! Who ends a mirror or a preview at its time: the proxies, or bluegreen.

use std::collections::BTreeMap;

use super::draft::{Draft, Ground};
use crate::{
    controller::named::named,
    fleet::{Ledger, ProxyView, is_grpc},
    model::{EndedBy, TypeUrl},
    release::{Notice, Temporary},
};

/// Who ends what the command starts: the proxies, where each that is connected asks for the runtime layer that the key
/// comes by. Where one does not, the routes have to say it to all of them, and that is told.
pub(super) fn ended_by(draft: &mut Draft, ground: &Ground<'_>, what: Temporary) -> EndedBy {
    let without = unable(ground.ledger, what);
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

/// Those that can't end it, as they ask for no runtime layer. gRPC clients have none, and mirror nothing: what they are told of
/// a mirror need not end.
fn unable(ledger: &Ledger, what: Temporary) -> Vec<String> {
    let asks = |proxy: &ProxyView, type_url| proxy.types.iter().any(|t| t.type_url == type_url);
    let takes_part = |proxy: &ProxyView| match what {
        Temporary::Shadow => !is_grpc(&proxy.info.software),
        Temporary::Preview => true,
    };
    ledger
        .proxies(&BTreeMap::new())
        .iter()
        // One that has just connected asks for its layers before it asks for clusters.
        .filter(|proxy| proxy.connected && asks(proxy, TypeUrl::Cluster))
        .filter(|proxy| takes_part(proxy) && !asks(proxy, TypeUrl::Runtime))
        .map(|proxy| proxy.info.id.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::fleet::{ProxyInfo, Record, StreamId};

    #[test]
    fn a_grpc_client_has_a_say_in_previews_and_none_in_mirrors() {
        let ledger = Ledger::new(|| ());
        let proxies = [
            ("edge", "envoy 1.40.0", true),
            ("bare", "envoy 1.40.0", false),
            ("scoring", "gRPC C-core linux C-core 1.76.0", false),
        ];
        for (stream, (id, software, layer)) in (1..).map(StreamId).zip(proxies) {
            let info = ProxyInfo {
                id: id.into(),
                address: "127.0.0.1:1".into(),
                software: software.into(),
            };
            ledger.connect(stream, info, Timestamp::UNIX_EPOCH);
            let types = [TypeUrl::Cluster, TypeUrl::Runtime];
            for type_url in types.into_iter().take(1 + usize::from(layer)) {
                ledger.record(stream, Record::Subscribed(type_url), Timestamp::UNIX_EPOCH);
            }
        }
        assert_eq!(unable(&ledger, Temporary::Shadow), ["bare"]);
        assert_eq!(unable(&ledger, Temporary::Preview), ["bare", "scoring"]);
    }
}
