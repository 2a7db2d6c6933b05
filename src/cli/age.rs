//! How long ago something was, as kubectl says it.

use jiff::Timestamp;

/// The time since an RFC 3339 timestamp, in one or two units: `7s`, `12m`, `3h5m`, `4d`. Text that is no
/// timestamp is given back as it is.
pub(super) fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else {
        return since.to_owned();
    };
    let seconds = now.duration_since(since).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => format!("{minutes}m{}s", seconds % 60),
        600..7200 => format!("{minutes}m"),
        7200..36_000 => format!("{hours}h{}m", minutes % 60),
        36_000..172_800 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_well() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (since, expected) in [
            ("2026-11-23T11:59:53Z", "7s"),
            ("2026-11-23T11:55:30Z", "4m30s"),
            ("2026-11-23T11:00:00Z", "60m"),
            ("2026-11-23T08:55:00Z", "3h5m"),
            ("2026-11-22T11:00:00Z", "25h"),
            ("2026-11-19T12:00:00Z", "4d"),
            // A clock that is ahead of ours.
            ("2026-11-23T12:00:05Z", "0s"),
            ("yesterday", "yesterday"),
        ] {
            assert_eq!(age(since, now), expected, "{since}");
        }
    }
}
