//! What a service's routes have for a while only: clients kept in one environment, mirrors, previews.
//!
//! None of it is there while it is not used: a route without it costs a request nothing. Mirrors and previews are off by
//! default and switched on by a runtime key with a time to live (see `runtime`), so that they end by themselves.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::{
        core::v3::RuntimeFractionalPercent,
        route::v3::{
            HeaderMatcher, Route,
            header_matcher::HeaderMatchSpecifier,
            route::Action,
            route_action::{
                ClusterSpecifier, HashPolicy, RequestMirrorPolicy,
                hash_policy::{Cookie, Header, PolicySpecifier},
            },
        },
    },
    r#type::{
        matcher::v3::{StringMatcher, string_matcher::MatchPattern},
        v3::{FractionalPercent, fractional_percent::DenominatorType},
    },
};

use crate::{
    model::{EndedBy, Name, Sticky},
    snapshot::{ServiceInput, cluster_name},
};

/// Whether the routes of two services say the same about where requests go.
pub(super) fn same_action(a: &ServiceInput, b: &ServiceInput) -> bool {
    let shadow = |input: &ServiceInput| input.shadow.clone().filter(|shadow| shadow.on_routes);
    let preview = |input: &ServiceInput| input.preview.clone().filter(|preview| preview.on_routes);
    a.split == b.split
        && sticky(a) == sticky(b)
        && shadow(a) == shadow(b)
        && preview(a) == preview(b)
}

/// A client is kept in one environment only while there are two to choose from.
fn sticky(input: &ServiceInput) -> Option<&Sticky> {
    let divided = input.split.blue > 0 && input.split.green > 0;
    input.sticky.as_ref().filter(|_| divided)
}

/// The environment is chosen by the hash of [`hash_policy`]; without a hash by chance.
///
/// The weights are cut off from the same end of the same range at every step, so a growing share keeps whom it has.
pub(super) fn is_sticky(input: &ServiceInput) -> bool {
    sticky(input).is_some()
}

/// What is hashed: the header or cookie that the client is known by.
pub(in crate::snapshot) fn hash_policy(input: &ServiceInput) -> Vec<HashPolicy> {
    let specifier = sticky(input).map(|sticky| match sticky {
        Sticky::Header(name) => PolicySpecifier::Header(Header {
            header_name: name.clone(),
            ..Default::default()
        }),
        Sticky::Cookie(name) => PolicySpecifier::Cookie(Cookie {
            name: name.clone(),
            ..Default::default()
        }),
    });
    let policy = |specifier| HashPolicy {
        policy_specifier: Some(specifier),
        ..Default::default()
    };
    specifier.map(policy).into_iter().collect()
}

/// Where copies of the requests go.
pub(in crate::snapshot) fn mirrors(
    service: &Name,
    input: &ServiceInput,
) -> Vec<RequestMirrorPolicy> {
    let shadow = input.shadow.iter().filter(|shadow| shadow.on_routes);
    shadow
        .map(|shadow| RequestMirrorPolicy {
            cluster: cluster_name(service, shadow.to).to_string(),
            runtime_fraction: Some(fraction(
                shadow.ended_by,
                shadow.percent,
                shadow_key(service),
            )),
            ..Default::default()
        })
        .collect()
}

/// The route of the preview: as `route`, for requests with the header, to the one environment.
pub(in crate::snapshot) fn preview(
    service: &Name,
    input: &ServiceInput,
    route: &Route,
) -> Option<Route> {
    let preview = input.preview.as_ref().filter(|preview| preview.on_routes)?;
    let mut route = route.clone();
    route.name = format!("{service}/preview");
    let condition = route.r#match.get_or_insert_default();
    condition.headers.push(HeaderMatcher {
        name: preview.header.clone(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(preview.value.clone())),
            ..Default::default()
        })),
        ..Default::default()
    });
    condition.runtime_fraction = Some(fraction(preview.ended_by, 100, preview_key(service)));
    if let Some(Action::Route(action)) = &mut route.action {
        let cluster = cluster_name(service, preview.to).to_string();
        action.cluster_specifier = Some(ClusterSpecifier::Cluster(cluster));
        action.hash_policy.clear();
        // Ours alone: a mirror that the user wrote is for these requests too.
        let shadow = mirrors(service, input);
        action
            .request_mirror_policies
            .retain(|mirror| !shadow.contains(mirror));
    }
    Some(route)
}

/// The runtime keys of a service that are on, and their values in percent.
pub(super) fn keys<'a>(
    service: &'a Name,
    input: &'a ServiceInput,
) -> impl Iterator<Item = (Arc<str>, u32)> + use<'a> {
    let by_proxies = |ended_by| ended_by == EndedBy::Proxies;
    let shadow = input.shadow.as_ref();
    let shadow = shadow
        .filter(move |shadow| by_proxies(shadow.ended_by))
        .map(|shadow| (shadow_key(service).into(), shadow.percent));
    let preview = input.preview.as_ref();
    let preview = preview
        .filter(move |preview| by_proxies(preview.ended_by))
        .map(|_| (preview_key(service).into(), 100));
    preview.into_iter().chain(shadow)
}

fn shadow_key(service: &Name) -> String {
    format!("bluegreen.shadow.{service}")
}

fn preview_key(service: &Name) -> String {
    format!("bluegreen.preview.{service}")
}

/// Off but for the runtime key, where every proxy has the layer that the key comes by; else on, by itself.
fn fraction(ended_by: EndedBy, percent: u32, key: String) -> RuntimeFractionalPercent {
    let (numerator, runtime_key) = match ended_by {
        EndedBy::Proxies => (0, key),
        EndedBy::Server => (percent, String::new()),
    };
    RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator,
            denominator: DenominatorType::Hundred.into(),
        }),
        runtime_key,
    }
}
