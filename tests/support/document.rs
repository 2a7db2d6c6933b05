//! `kind: Service` as users write it: put together of parts, each whole lines of YAML under `spec:`.

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
