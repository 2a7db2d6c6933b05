//! What an unquoted word of YAML means: nothing, true, a number, or itself.

use serde_json::Number;

/// The meaning of a plain scalar.
///
/// YAML 1.2's core schema, less what JSON cannot say: `0x1f`, `.inf`, `+1` and `007` stay text, so that no label is
/// turned into a number that its author did not write. `yes`, `no`, `on` and `off` are text, as in YAML 1.2.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Number(Number),
    Text,
}

/// The longest text that is tried as a number; longer ones are labels or errors, never numbers.
const MAX_NUMBER: usize = 32;

pub(super) fn meaning(plain: &str) -> Meaning {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        _ if plain.len() > MAX_NUMBER => Meaning::Text,
        // serde_json's grammar of a number is JSON's, and refuses what does not fit an i64, u64 or f64.
        _ => plain.parse().map_or(Meaning::Text, Meaning::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_json_calls_a_number_is_one() {
        for text in ["0", "-1", "10000", "1.3", "1e3", "18446744073709551615"] {
            assert!(matches!(meaning(text), Meaning::Number(_)), "{text}");
        }
        for text in [
            "v1.3", "1.2.3", "007", "0x1f", "+1", ".5", ".inf", "1_000", "5xx", "0.0.0.0", "yes",
            "on", "1e999", "-", " 1",
        ] {
            assert_eq!(meaning(text), Meaning::Text, "{text}");
        }
    }

    #[test]
    fn nothing_and_truth_have_three_spellings_each() {
        assert_eq!(meaning("~"), Meaning::Null);
        assert_eq!(meaning("True"), Meaning::Bool(true));
        assert_eq!(meaning("FALSE"), Meaning::Bool(false));
        assert_eq!(meaning("tRuE"), Meaning::Text);
    }
}
