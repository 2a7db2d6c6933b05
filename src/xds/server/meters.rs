//! What the streams of the server count, for `/metrics`.

use std::collections::BTreeMap;

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use tonic::Code;

use crate::model::TypeUrl;

/// grpc-go refuses larger messages unless it was told otherwise.
pub(super) const LARGE_RESPONSE: usize = 4 * 1024 * 1024;

type ByType = Family<[(&'static str, &'static str); 1], Counter>;

/// By the name of the gRPC status.
type ByCode = Family<[(&'static str, &'static str); 1], Counter>;

/// Counters since the server started.
#[derive(Debug)]
pub struct Meters {
    responses: ByType,
    bytes: ByType,
    large: ByType,
    types: BTreeMap<TypeUrl, OfType>,
    load_reports: Counter,
    refused: ByCode,
}

/// Looked up once, so that a push takes no lock that other streams want too.
#[derive(Debug)]
struct OfType {
    responses: Counter,
    bytes: Counter,
    large: Counter,
}

impl Default for Meters {
    fn default() -> Self {
        let (responses, bytes, large) = <(ByType, ByType, ByType)>::default();
        let types = TypeUrl::ALL.map(|type_url| {
            let label = [("type", type_url.short())];
            let of_type = OfType {
                responses: responses.get_or_create_owned(&label),
                bytes: bytes.get_or_create_owned(&label),
                large: large.get_or_create_owned(&label),
            };
            (type_url, of_type)
        });
        Self {
            responses,
            bytes,
            large,
            types: types.into(),
            load_reports: Counter::default(),
            refused: Family::default(),
        }
    }
}

impl Meters {
    /// A response of so many bytes goes out; true if it is larger than some clients take.
    pub(super) fn response(&self, type_url: TypeUrl, bytes: usize) -> bool {
        let large = bytes > LARGE_RESPONSE;
        if let Some(of_type) = self.types.get(&type_url) {
            of_type.responses.inc();
            of_type.bytes.inc_by(bytes as u64);
            of_type.large.inc_by(u64::from(large));
        }
        large
    }

    /// A client was not taken as a proxy.
    pub(super) fn refused(&self, code: Code) {
        let code = match code {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::NotFound => "NOT_FOUND",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            _ => "OTHER",
        };
        self.refused.get_or_create_owned(&[("code", code)]).inc();
    }

    pub(super) fn load_report(&self) {
        self.load_reports.inc();
    }

    /// Makes the counters part of what is shown.
    pub fn register(&self, registry: &mut Registry) {
        let xds = registry.sub_registry_with_prefix("bluegreen_xds");
        xds.register(
            "load_reports",
            "Load reports that came",
            self.load_reports.clone(),
        );
        xds.register(
            "streams_refused",
            "Discovery streams whose first request was refused",
            self.refused.clone(),
        );
        xds.register("responses", "Responses to proxies", self.responses.clone());
        xds.register(
            "response_bytes",
            "Bytes of those responses",
            self.bytes.clone(),
        );
        xds.register(
            "large_responses",
            "Responses over 4 MiB, which clients in Go refuse unless told otherwise",
            self.large.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let meters = Meters::default();
        let mut registry = Registry::default();
        meters.register(&mut registry);
        meters.load_report();
        meters.refused(Code::NotFound);
        assert!(!meters.response(TypeUrl::Cluster, 100));
        assert!(meters.response(TypeUrl::Cluster, LARGE_RESPONSE + 1));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "bluegreen_xds_load_reports_total 1",
            "bluegreen_xds_streams_refused_total{code=\"NOT_FOUND\"} 1",
            "bluegreen_xds_responses_total{type=\"Cluster\"} 2",
            "bluegreen_xds_response_bytes_total{type=\"Cluster\"} 4194405",
            "bluegreen_xds_large_responses_total{type=\"Cluster\"} 1",
            "bluegreen_xds_responses_total{type=\"Listener\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }
}
