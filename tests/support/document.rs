//! Documents as users write them: services, put together of parts, each whole lines of YAML under `spec:`, and resources of
//! Envoy's own.

use std::net::SocketAddr;

/// A service of fleet `payments`.
pub fn service(name: &str, spec: &[&str]) -> String {
    let head = format!(
        "---
apiVersion: bluegreen/v1
kind: Service
metadata: {{ name: {name} }}
spec:
  fleet: payments
"
    );
    head + &spec.concat()
}

/// The port on which the fleet's Envoys answer for it.
pub fn listener(at: SocketAddr) -> String {
    let (address, port) = (at.ip(), at.port());
    format!("  listener: {{ address: {address}, port: {port} }}\n")
}

/// v1 in blue, and v2 in green if that has endpoints.
pub fn environments(blue: &[SocketAddr], green: &[SocketAddr]) -> String {
    let mut lines = "  environments:\n".to_owned();
    for (colour, version, at) in [("blue", "v1", blue), ("green", "v2", green)] {
        if !at.is_empty() {
            let endpoints = endpoints(at);
            lines += &format!("    {colour}: {{ version: {version}, endpoints: {endpoints} }}\n");
        }
    }
    lines
}

/// A list of endpoints.
pub fn endpoints(at: &[SocketAddr]) -> String {
    let list: Vec<String> = at.iter().map(|one| format!("\"{one}\"")).collect();
    format!("[{}]", list.join(", "))
}

/// `kind: EnvoyResources` of fleet `payments`: each resource is whole lines of YAML, an entry of `spec.resources`.
pub fn resources(name: &str, resources: &[&str]) -> String {
    let head = format!(
        "---
apiVersion: bluegreen/v1
kind: EnvoyResources
metadata: {{ name: {name} }}
spec:
  fleet: payments
  resources:
"
    );
    head + &resources.concat()
}

/// A listener of the users' own for HTTP. `routes` is the field of its connection manager that says where routes come
/// from, `filters` are entries of `http_filters` before the router.
pub fn http_listener(name: &str, at: SocketAddr, routes: &str, filters: &[&str]) -> String {
    let (address, port) = (at.ip(), at.port());
    let router = http_filter("router", "router.v3.Router");
    let filters: Vec<&str> = filters.iter().copied().chain([&*router]).collect();
    let filters = filters.join(", ");
    format!(
        r#"    - "@type": type.googleapis.com/envoy.config.listener.v3.Listener
      name: {name}
      address: {{ socket_address: {{ address: {address}, port_value: {port} }} }}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: {name}
                {routes}
                http_filters: [ {filters} ]
"#
    )
}

/// An entry of `http_filters`.
pub fn http_filter(name: &str, message: &str) -> String {
    format!(
        r#"{{ name: envoy.filters.http.{name}, typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.{message} }} }}"#
    )
}
