//! Durations as people write them: `250ms`, `2s`, `1m30s`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A duration written with units: `ms`, `s`, `m`, `h`, largest first, each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct HumanDuration(pub Duration);

/// Text that is no duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no duration: write a number with ms, s, m or h, e.g. 250ms, 2s or 1m30s")]
pub struct DurationError(String);

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for HumanDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let wrong = || DurationError(text.to_owned());
        let mut rest = text;
        let mut total_ms: u64 = 0;
        // The index of the smallest unit seen: units only get smaller.
        let mut last = None;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, tail) = tail.split_at(letters);
            let at = UNITS
                .iter()
                .position(|(name, _)| *name == unit)
                .filter(|at| last.is_none_or(|previous| *at > previous))
                .ok_or_else(wrong)?;
            let number: u64 = number.parse().map_err(|_| wrong())?;
            total_ms = number
                .checked_mul(UNITS[at].1)
                .and_then(|ms| total_ms.checked_add(ms))
                .ok_or_else(wrong)?;
            last = Some(at);
            rest = tail;
        }
        match last {
            Some(_) => Ok(Self(Duration::from_millis(total_ms))),
            None => Err(wrong()),
        }
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis() as u64;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, ms) in UNITS {
            if rest >= ms {
                write!(f, "{}{unit}", rest / ms)?;
                rest %= ms;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Of its own so that a number without a unit is answered with what a duration looks like.
struct Text;

impl de::Visitor<'_> for Text {
    type Value = HumanDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, e.g. 250ms, 2s or 1m30s")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
        text.parse().map_err(E::custom)
    }
}

impl From<HumanDuration> for String {
    fn from(duration: HumanDuration) -> String {
        duration.to_string()
    }
}
