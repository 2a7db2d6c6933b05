//! What older Envoys do not do. A test that can't hold on one says so here, with the reason; `docs/operations.md` tells users.

use tokio::process::Command;

use crate::support::{backend::Backend, envoy};

/// Major and minor version of an Envoy.
pub type Version = (u32, u32);

/// From here on a load report holds a cluster on which requests are open, although none began in that interval. Before,
/// what ends after the last new request is never reported.
pub const REPORTS_WHAT_STAYS_OPEN: Version = (1, 37);

/// From here on a load report holds a cluster on which anything was counted. Before, what is counted in an interval in
/// which no request began, and none is open at its end, is never reported: requests that found no connection, so that an
/// environment whose endpoints are all gone looks like one without traffic; and the last requests that ended.
pub const REPORTS_WHAT_IS_LEFT: Version = (1, 39);

/// Whether the Envoy of this run is at least of that version. If not, it is said in the test's output.
pub async fn is_at_least(wanted: Version) -> bool {
    let found = version().await;
    if found < wanted {
        let (major, minor) = wanted;
        println!(
            "Envoy {}.{} is older than {major}.{minor}",
            found.0, found.1
        );
    }
    found >= wanted
}

/// Takes these backends away from one moment to the next. An Envoy that would not report that meets errors instead: of
/// backends that fail as long as they are kept.
#[must_use = "dropped, they are gone"]
pub async fn die(backends: impl IntoIterator<Item = Backend>) -> Vec<Backend> {
    let gone = is_at_least(REPORTS_WHAT_IS_LEFT).await;
    let mut failing = Vec::new();
    for backend in backends {
        if gone {
            backend.stop().await;
        } else {
            backend.fail();
            failing.push(backend);
        }
    }
    failing
}

/// The version of the Envoy of this run.
async fn version() -> Version {
    let binary = envoy::binary().await.expect("an Envoy");
    let output = Command::new(binary).arg("--version").output().await;
    let text = String::from_utf8(output.expect("it runs").stdout).expect("text");
    // `PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let (_, build) = text.rsplit_once("version: ").expect("a version");
    let number = build.split('/').nth(1).expect("a number");
    let mut parts = number.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => panic!("no version in {text}"),
    }
}
