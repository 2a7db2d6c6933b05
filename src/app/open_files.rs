//! How many files the system lets the server open, and how many of them may be connections: each is one, and so is what a
//! commit writes. Where proxies could take them all, nobody could roll back any more.

use rustix::process::{Resource, getrlimit, setrlimit};

/// As many connections may wait for ever where the system sets no limit.
const UNLIMITED: usize = 1 << 20;

/// Kept from proxies: what the server has open anyway, with a few connections of operators and checks.
const LEAST_KEPT: usize = 48;

/// With a lower limit a large fleet finds no place.
const LARGE_FLEET: usize = 4096;

/// Who may have how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// On the port of proxies.
    pub xds: usize,
    /// On the admin port.
    pub admin: usize,
    /// On the HTTP port.
    pub http: usize,
}

impl Places {
    /// A quarter of all files is not for proxies: a quarter of that for operators, an eighth for who asks for health and metrics, and the
    /// rest for the store, checks, hooks and names.
    fn of(files: usize) -> Self {
        let kept = (files / 4).max(LEAST_KEPT);
        Self {
            xds: files.saturating_sub(kept).max(1),
            admin: kept / 4,
            http: kept / 8,
        }
    }
}

/// Lifts the limit as far as this process may: the lower one of the two is low for the sake of old programs.
pub fn raise() -> Places {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Not everybody may have a million: then it stays as it is.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let allowed = getrlimit(Resource::Nofile).current;
    let files = allowed.map_or(UNLIMITED, |files| {
        usize::try_from(files).unwrap_or(UNLIMITED)
    });
    let places = Places::of(files);
    if files < LARGE_FLEET {
        tracing::warn!(
            "only {files} files may be open, so only {} proxies can be connected: raise the hard limit (ulimit -Hn, systemd's LimitNOFILE)",
            places.xds
        );
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_leave_what_a_rollback_needs() {
        for files in [64, 256, 1024, 20_000, UNLIMITED] {
            let Places { xds, admin, http } = Places::of(files);
            assert!(xds + admin + http + 24 <= files, "{files}");
            assert!(xds >= files / 4 && admin >= 12 && http >= 6, "{files}");
        }
        assert_eq!(Places::of(20).xds, 1);
    }
}
