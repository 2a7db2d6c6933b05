//! What is known of every message of Envoy's API: for resources that users write, and to show any resource.

use std::sync::OnceLock;

use prost_reflect::DescriptorPool;

/// Compiled by the build script from the files that the generated types come from.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/envoy_descriptors.bin"));

/// The descriptors of Envoy's API. Loaded on first use, which takes some 80 ms, and keeps 20 MB: the paths that every
/// server takes (building services, reading them back) do without.
pub(in crate::snapshot) fn envoy() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(DESCRIPTORS).expect("the descriptors decode") // proof: constant, and every test of raw resources decodes it
    })
}

#[cfg(test)]
mod tests {
    use super::envoy;
    use crate::model::TypeUrl;

    #[test]
    fn every_served_type_is_described() {
        for type_url in TypeUrl::ALL {
            let name = type_url.url().rsplit('/').next().unwrap();
            assert!(envoy().get_message_by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_file_that_protox_reads_differently_is_described() {
        let cluster = envoy().get_message_by_name(
            "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        );
        let cache = cluster.unwrap().get_field_by_name("dns_cache_config");
        let kind = cache.unwrap().kind();
        assert_eq!(
            kind.as_message().unwrap().full_name(),
            "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig"
        );
    }
}
