//! Which resources an error names: Envoy applies the others of the same response.

use std::{collections::BTreeSet, sync::Arc};

use crate::text::cut;

/// Longest error that is kept of a proxy, in bytes. Envoy repeats the refused message in its error, which may be
/// megabytes; the reason stands at the start.
const MAX_MESSAGE: usize = 4096;

/// Those of the names that stand in the message as a whole word.
pub(super) fn named<'a>(message: &str, names: impl Iterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    names
        .filter(|name| stands_in(message, name))
        .cloned()
        .collect()
}

/// Whether the rest of the response was taken, as far as an error tells: Envoy names the clusters or listeners that it could not
/// add, and has those that it does not name. Of a response with a resource that is invalid in itself it takes nothing, and
/// names that one in full (seen with 1.40).
pub(super) fn spares_the_rest(message: &str) -> bool {
    message.starts_with("Error adding/updating ")
}

/// Of these names those that stand in an error because it shows a resource which refers to them: what `referred` gives for a
/// name.
pub(super) fn shown<'a>(
    named: &[Arc<str>],
    referred: impl Fn(&str) -> Option<&'a BTreeSet<Arc<str>>>,
) -> BTreeSet<Arc<str>> {
    let refers = |one: &Arc<str>, to: &Arc<str>| {
        one != to && referred(one).is_some_and(|referred| referred.contains(to))
    };
    let shown = named
        .iter()
        .filter(|name| named.iter().any(|one| refers(one, name)));
    let shown: BTreeSet<Arc<str>> = shown.cloned().collect();
    match shown.len() == named.len() {
        // They refer to each other: it may be any of them.
        true => BTreeSet::new(),
        false => shown,
    }
}

fn stands_in(message: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let part_of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    message.match_indices(name).any(|(at, _)| {
        let before = message[..at].chars().next_back();
        let mut after = message[at + name.len()..].chars();
        // A full stop ends a sentence, unless a name goes on behind it.
        let after = match after.next() {
            Some('.') => after.next(),
            other => other,
        };
        !before.is_some_and(|c| part_of_a_name(c) || c == '.') && !after.is_some_and(part_of_a_name)
    })
}

/// The message, cut to what is kept.
pub(super) fn kept(message: String) -> String {
    cut(message, MAX_MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_08_an_error_blames_the_resources_that_it_names() {
        let names: Vec<Arc<str>> = ["bad", "bad2", "svc/blue", "good", "a.b"]
            .map(Arc::from)
            .into();
        let blamed = |message: &str| -> Vec<String> {
            named(message, names.iter())
                .iter()
                .map(|name| name.to_string())
                .collect()
        };
        assert_eq!(
            blamed("Error adding/updating cluster(s) bad: no such transport socket"),
            ["bad"]
        );
        assert_eq!(blamed("svc/blue2, svc/blue: wrong"), ["svc/blue"]);
        assert_eq!(blamed("cannot parse a.b."), ["a.b"]);
        assert_eq!(
            blamed("malformed IP address: localhost"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn line_08_an_error_that_shows_a_resource_does_not_blame_what_that_refers_to() {
        let named: Vec<Arc<str>> = ["all", "one", "two"].map(Arc::from).into();
        let members: BTreeSet<Arc<str>> = ["one", "two", "three"].map(Arc::from).into();
        let shown_of = |of: &[&str]| shown(&named, |name| of.contains(&name).then_some(&members));
        assert_eq!(shown_of(&["all"]), ["one", "two"].map(Arc::from).into());
        assert_eq!(shown_of(&[]), BTreeSet::new());
        assert_eq!(shown(&named[1..], |_| Some(&members)), BTreeSet::new());
    }
}
