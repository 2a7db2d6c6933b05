//! What a client asks for, in state of the world: names, and the rules of the wildcard.

use std::{collections::BTreeSet, sync::Arc};

use crate::snapshot::Resource;

/// The name that stands for everything.
const EVERYTHING: &str = "*";

/// The resources of one type that a client wants.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscription {
    wildcard: Wildcard,
    names: BTreeSet<Arc<str>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wildcard {
    #[default]
    No,
    /// The first list was empty, and none has had a name since.
    Implicit,
    /// `*` stands in the list.
    Explicit,
}

/// What a new list of names changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// Newly asked for. They are sent even where their content did not change (xDS protocol, "Resource hints").
    pub(super) added: Vec<Arc<str>>,
    /// Everything is newly asked for.
    pub(super) everything: bool,
    /// Something is no longer asked for.
    pub(super) removed: bool,
}

impl Subscription {
    /// The list of the first request on the stream. An empty one means everything for the types that always did
    /// (xDS protocol, "How the client specifies what resources to return").
    pub(super) fn first(names: &[String], empty_is_everything: bool) -> Self {
        let mut subscription = Self::default();
        subscription.update(names);
        if names.is_empty() && empty_is_everything {
            subscription.wildcard = Wildcard::Implicit;
        }
        subscription
    }

    /// The list of a later request: it replaces the one before.
    pub(super) fn update(&mut self, names: &[String]) -> Changed {
        if names.is_empty() && self.wildcard == Wildcard::Implicit {
            return Changed::default();
        }
        let wildcard = match names.iter().any(|name| name == EVERYTHING) {
            true => Wildcard::Explicit,
            false => Wildcard::No,
        };
        let wanted: BTreeSet<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| *name != EVERYTHING)
            .collect();
        let before = self.names.len();
        self.names.retain(|name| wanted.contains(&**name));
        let mut changed = Changed {
            removed: self.names.len() < before || (self.is_wildcard() && wildcard == Wildcard::No),
            everything: wildcard == Wildcard::Explicit && !self.is_wildcard(),
            added: Vec::new(),
        };
        // Nearly every request is an ACK that repeats the list: nothing is allocated for it.
        if self.names.len() < wanted.len() {
            for name in wanted {
                if !self.names.contains(name) {
                    let name: Arc<str> = name.into();
                    changed.added.push(name.clone());
                    self.names.insert(name);
                }
            }
        }
        self.wildcard = wildcard;
        changed
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.is_wildcard() || self.names.contains(name)
    }

    /// Whether the client is to have this: some resources are for those only who name them.
    pub(super) fn covers(&self, resource: &Resource) -> bool {
        (self.is_wildcard() && !resource.named_only) || self.names.contains(&resource.name)
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard != Wildcard::No
    }

    /// Nothing is asked for.
    pub(super) fn is_none(&self) -> bool {
        !self.is_wildcard() && self.names.is_empty()
    }

    /// What is asked for by name.
    pub(super) fn names(&self) -> &BTreeSet<Arc<str>> {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn line_10_an_empty_first_list_means_all_and_stays_so() {
        let mut all = Subscription::first(&[], true);
        assert!(all.wants("a"));
        assert_eq!(all.update(&[]), Changed::default());
        assert!(all.wants("a"));
        assert!(Subscription::first(&[], false).is_none());
    }

    #[test]
    fn line_10_empty_after_names_means_none() {
        let mut some = Subscription::first(&list(&["a"]), true);
        assert!(some.wants("a") && !some.wants("b"));
        assert!(some.update(&[]).removed);
        assert!(some.is_none());

        let mut all = Subscription::first(&[], true);
        assert!(all.update(&list(&["a"])).removed);
        all.update(&[]);
        assert!(all.is_none());
    }

    #[test]
    fn line_10_a_star_is_explicit_and_stands_beside_names() {
        let mut all = Subscription::first(&list(&["*", "a"]), true);
        assert!(all.wants("b"));
        assert_eq!(all.update(&list(&["*", "b"])).added, ["b".into()]);
        assert!(all.update(&list(&["b"])).removed);
        assert!(all.wants("b") && !all.wants("a"));
        assert!(all.update(&list(&["*"])).everything);
        all.update(&[]);
        assert!(all.is_none());
    }

    #[test]
    fn names_that_are_repeated_are_not_new() {
        let mut some = Subscription::first(&list(&["a", "b"]), false);
        assert_eq!(some.update(&list(&["b", "a", "a"])), Changed::default());
        let changed = some.update(&list(&["b", "c"]));
        assert_eq!(changed.added, ["c".into()]);
        assert!(changed.removed);
    }
}
