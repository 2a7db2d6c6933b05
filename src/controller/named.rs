//! Lists in messages: the first few, and how many more there are.

/// So many things are named in a message; the rest is counted.
const NAMED: usize = 5;

/// Names: `a, b and 3 more`.
pub(in crate::controller) fn named<S: AsRef<str>>(all: &[S]) -> String {
    few(all, ", ", " and ")
}

/// Sentences: `this; that; and 3 more`.
pub(in crate::controller) fn sentences<S: AsRef<str>>(all: &[S]) -> String {
    few(all, "; ", "; and ")
}

fn few<S: AsRef<str>>(all: &[S], between: &str, before_rest: &str) -> String {
    let first: Vec<&str> = all.iter().take(NAMED).map(AsRef::as_ref).collect();
    let mut text = first.join(between);
    let rest = all.len() - first.len();
    if rest > 0 {
        text.push_str(&format!("{before_rest}{rest} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_counted() {
        let all = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(named(&all[..0]), "");
        assert_eq!(named(&all[..5]), "a, b, c, d, e");
        assert_eq!(named(&all), "a, b, c, d, e and 2 more");
        assert_eq!(sentences(&all[..2]), "a; b");
        assert_eq!(sentences(&all), "a; b; c; d; e; and 2 more");
    }
}
