//! How many files the system lets the server open, and how many of them may be connections: each is one, and so is what a
//! commit writes. Where proxies could take them all, nobody could roll back any more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many are enough, and many systems let nobody have more (`fs.nr_open`). Hooks inherit the limit, and some programs close every file that
/// they might have: with the thousand million that container engines allow they take minutes.
const ENOUGH: u64 = 1 << 20;

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

/// Lifts the limit as far as this process may, or to what is enough: the lower one of the two is low for the sake of old programs.
pub fn raise() -> Places {
    let limit = getrlimit(Resource::Nofile);
    if let Some(raised) = raised(&limit) {
        // A system that allows less than it says leaves it as it is.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH);
    let files = usize::try_from(allowed.min(ENOUGH)).unwrap_or(usize::MAX);
    let places = Places::of(files);
    if files < LARGE_FLEET {
        tracing::warn!(
            "only {files} files may be open, so only {} proxies can be connected: raise the hard limit (ulimit -Hn, systemd's LimitNOFILE)",
            places.xds
        );
    }
    places
}

/// What the limit should be; none: it is high enough, or can't be higher.
fn raised(limit: &Rlimit) -> Option<Rlimit> {
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let current = limit.current?;
    (current < wanted).then_some(Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_lifted_as_far_as_it_may_be_and_no_higher_than_is_enough() {
        let lifted = |current, maximum| {
            let raised = raised(&Rlimit { current, maximum })?;
            assert_eq!(raised.maximum, maximum, "it can be lifted again");
            raised.current
        };
        assert_eq!(lifted(Some(1024), Some(4096)), Some(4096));
        assert_eq!(lifted(Some(1024), Some(1 << 30)), Some(ENOUGH));
        assert_eq!(lifted(Some(1024), None), Some(ENOUGH));
        // What somebody has set so is left.
        assert_eq!(lifted(Some(4096), Some(4096)), None);
        assert_eq!(lifted(Some(1 << 30), Some(1 << 30)), None);
        assert_eq!(lifted(None, None), None);
    }

    #[test]
    fn proxies_leave_what_a_rollback_needs() {
        for files in [64, 256, 1024, 20_000, 1 << 20] {
            let Places { xds, admin, http } = Places::of(files);
            assert!(xds + admin + http + 24 <= files, "{files}");
            assert!(xds >= files / 4 && admin >= 12 && http >= 6, "{files}");
        }
        assert_eq!(Places::of(20).xds, 1);
    }
}
