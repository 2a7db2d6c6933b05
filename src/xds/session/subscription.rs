//! What a client asks for: names, and the rules of the wildcard, in both modes.

use std::{collections::BTreeSet, sync::Arc};

use super::cache::{Cache, Names};
use crate::{
    fleet::Record,
    model::TypeUrl,
    snapshot::{Digest, Items, Resource, View},
};

/// The name that stands for everything.
const EVERYTHING: &str = "*";

/// A gRPC client names one listener for each target, and some for its servers; of a stream of its own an Envoy asks for one name.
const NAMES_TOLD: usize = 16;

/// The resources of one type that a client wants.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    type_url: TypeUrl,
    wildcard: Wildcard,
    names: Arc<Names>,
    /// Stands for what is wanted; none where that is too much to compare.
    key: Option<Digest>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wildcard {
    #[default]
    No,
    /// The first list was empty, and none has had a name since (in delta: until `*` is given up).
    Implicit,
    /// `*` was asked for.
    Explicit,
}

/// What a request changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// To be answered. They are sent even where their content did not change (xDS protocol, "Resource hints").
    pub(super) added: Vec<Arc<str>>,
    /// Everything is newly asked for.
    pub(super) everything: bool,
    /// Something is no longer asked for.
    pub(super) removed: bool,
}

impl Changed {
    pub(super) fn is_nothing(&self) -> bool {
        self.added.is_empty() && !self.everything && !self.removed
    }
}

impl Subscription {
    /// The list of the first request on the stream. An empty one means everything for the types that always did
    /// (xDS protocol, "How the client specifies what resources to return"), and for virtual hosts, where it is how Envoy
    /// asks for those of its route configurations (seen with 1.40).
    pub(super) fn first(type_url: TypeUrl, names: &[String], cache: &Cache) -> Self {
        let mut first = Self {
            type_url,
            wildcard: Wildcard::No,
            names: Arc::default(),
            key: None,
        };
        let all_by_none = type_url.is_full_state() || type_url == TypeUrl::VirtualHost;
        let wildcard = match names.is_empty() && all_by_none {
            true => Wildcard::Implicit,
            false => explicit(names).unwrap_or_default(),
        };
        let names = names.iter().filter(|name| *name != EVERYTHING);
        let names = names.map(|name| Arc::from(name.as_str())).collect();
        first.set(wildcard, cache.names(names));
        first
    }

    fn set(&mut self, wildcard: Wildcard, names: Arc<Names>) {
        let star = [u8::from(wildcard != Wildcard::No)];
        self.key = match (names.digest, names.set.is_empty()) {
            (Some(digest), _) => Some(Digest::of(&[&star, digest.as_bytes()])),
            (None, true) => Some(Digest::of(&[&star])),
            (None, false) => None,
        };
        self.wildcard = wildcard;
        self.names = names;
    }

    /// State of the world: the list of a later request replaces the one before.
    pub(super) fn replace(&mut self, names: &[String], cache: &Cache) -> Changed {
        if names.is_empty() && self.wildcard == Wildcard::Implicit {
            return Changed::default();
        }
        let wildcard = explicit(names).unwrap_or_default();
        let wanted: BTreeSet<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| *name != EVERYTHING)
            .collect();
        let known = &self.names.set;
        let kept = wanted.iter().filter(|name| known.contains(**name)).count();
        let mut changed = Changed {
            removed: kept < known.len() || (self.is_wildcard() && wildcard == Wildcard::No),
            everything: wildcard == Wildcard::Explicit && !self.is_wildcard(),
            added: Vec::new(),
        };
        // Nearly every request is an ACK that repeats the list: nothing is allocated for it.
        if kept == known.len() && kept == wanted.len() {
            if wildcard != self.wildcard {
                self.set(wildcard, self.names.clone());
            }
            return changed;
        }
        let mut set = BTreeSet::new();
        for name in wanted {
            let known = known.get(name);
            let name: Arc<str> = known.cloned().unwrap_or_else(|| name.into());
            if !self.names.set.contains(&name) {
                changed.added.push(name.clone());
            }
            set.insert(name);
        }
        self.set(wildcard, cache.names(set));
        changed
    }

    /// Delta: names come and go. One that is asked for again is answered again, since the client may have dropped it;
    /// so is one that is given up while everything is asked for, since the client may take it for gone.
    pub(super) fn change(
        &mut self,
        subscribe: &[String],
        unsubscribe: &[String],
        cache: &Cache,
    ) -> Changed {
        let mut changed = Changed::default();
        if subscribe.is_empty() && unsubscribe.is_empty() {
            return changed;
        }
        let mut set = self.names.set.clone();
        let mut wildcard = self.wildcard;
        let mut given_up = Vec::new();
        for name in unsubscribe {
            if name == EVERYTHING {
                changed.removed |= wildcard != Wildcard::No;
                wildcard = Wildcard::No;
            } else if let Some(name) = set.take(name.as_str()) {
                changed.removed = true;
                given_up.push(name);
            }
        }
        for name in subscribe {
            if name == EVERYTHING {
                // Who began with an empty list may say what it meant by it: that asks for nothing new.
                changed.everything |= wildcard != Wildcard::Implicit;
                wildcard = Wildcard::Explicit;
            } else {
                let name: Arc<str> = name.as_str().into();
                set.insert(name.clone());
                changed.added.push(name);
            }
        }
        if wildcard != Wildcard::No {
            changed.added.extend(given_up);
        }
        if wildcard != self.wildcard || set != self.names.set {
            self.set(wildcard, cache.names(set));
        }
        changed
    }

    /// Whether a name is asked for, whatever there is under it.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.is_wildcard() || self.names(name)
    }

    /// Whether the client is to have this: some resources are for those only who name them.
    pub(super) fn covers(&self, resource: &Resource) -> bool {
        (self.is_wildcard() && !resource.named_only) || self.names(&resource.name)
    }

    fn names(&self, name: &str) -> bool {
        self.names.set.contains(name) || self.names_space_of(name)
    }

    /// Virtual hosts are asked for by the name of their route configuration, which stands before the last slash of
    /// theirs.
    fn names_space_of(&self, name: &str) -> bool {
        let space = (self.type_url == TypeUrl::VirtualHost).then(|| name.rsplit_once('/'));
        let space = space.flatten().map(|(space, _)| space);
        space.is_some_and(|space| self.names.set.contains(space))
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard != Wildcard::No
    }

    /// Whether that list no longer asks for everything, where `*` did.
    pub(super) fn is_left_by(&self, names: &[String]) -> bool {
        self.wildcard == Wildcard::Explicit && explicit(names).is_none()
    }

    /// Nothing is asked for.
    pub(super) fn is_none(&self) -> bool {
        !self.is_wildcard() && self.names.set.is_empty()
    }

    /// What it names, where somebody asks for that: listeners are what the connections of a gRPC process are told apart by, and
    /// of a type that has streams of its own (`alone`) it is known by it which of these are there.
    pub(super) fn told(&self, alone: bool) -> Option<Record> {
        let names = &self.names.set;
        let are_few = !self.is_wildcard() && names.len() <= NAMES_TOLD;
        let told = match are_few {
            true => names.iter().cloned().collect(),
            false => Vec::new(),
        };
        (alone || self.type_url == TypeUrl::Listener).then_some(Record::Named(self.type_url, told))
    }

    /// What is asked for by name.
    pub(super) fn named(&self) -> &BTreeSet<Arc<str>> {
        &self.names.set
    }

    /// What of a view is asked for.
    pub(super) fn of(&self, view: &Arc<View>, cache: &Cache) -> Arc<View> {
        match self.key {
            Some(key) => view.part(key, |items| self.pick(items)),
            None => cache.view(self.type_url, self.pick(view.items())),
        }
    }

    fn pick(&self, items: &Items) -> Items {
        let all = || {
            items
                .iter()
                .map(|(name, item)| (name.clone(), item.clone()))
        };
        if self.is_wildcard() || self.type_url == TypeUrl::VirtualHost {
            return all()
                .filter(|(_, item)| self.covers(&item.resource))
                .collect();
        }
        let names = self.names.set.iter();
        names
            .filter_map(|name| items.get_key_value(name))
            .map(|(name, item)| (name.clone(), item.clone()))
            .collect()
    }
}

fn explicit(names: &[String]) -> Option<Wildcard> {
    let star = names.iter().any(|name| name == EVERYTHING);
    star.then_some(Wildcard::Explicit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn first(names: &[&str]) -> Subscription {
        Subscription::first(TypeUrl::Cluster, &list(names), &Cache::default())
    }

    fn replace(subscription: &mut Subscription, names: &[&str]) -> Changed {
        subscription.replace(&list(names), &Cache::default())
    }

    fn change(subscription: &mut Subscription, add: &[&str], remove: &[&str]) -> Changed {
        subscription.change(&list(add), &list(remove), &Cache::default())
    }

    #[test]
    fn line_10_an_empty_first_list_means_all_and_stays_so() {
        let mut all = first(&[]);
        assert!(all.wants("a"));
        assert_eq!(replace(&mut all, &[]), Changed::default());
        assert!(all.wants("a"));
        let routes = Subscription::first(TypeUrl::RouteConfiguration, &[], &Cache::default());
        assert!(routes.is_none());
    }

    #[test]
    fn line_10_empty_after_names_means_none() {
        let mut some = first(&["a"]);
        assert!(some.wants("a") && !some.wants("b"));
        assert!(replace(&mut some, &[]).removed);
        assert!(some.is_none());

        let mut all = first(&[]);
        assert!(replace(&mut all, &["a"]).removed);
        replace(&mut all, &[]);
        assert!(all.is_none());
    }

    #[test]
    fn line_10_a_star_is_explicit_and_stands_beside_names() {
        let mut all = first(&["*", "a"]);
        assert!(all.wants("b"));
        assert_eq!(replace(&mut all, &["*", "b"]).added, ["b".into()]);
        assert!(replace(&mut all, &["b"]).removed);
        assert!(all.wants("b") && !all.wants("a"));
        assert!(replace(&mut all, &["*"]).everything);
        replace(&mut all, &[]);
        assert!(all.is_none());
    }

    #[test]
    fn names_that_are_repeated_are_not_new() {
        let mut some = first(&["a", "b"]);
        assert_eq!(replace(&mut some, &["b", "a", "a"]), Changed::default());
        let changed = replace(&mut some, &["b", "c"]);
        assert_eq!(changed.added, ["c".into()]);
        assert!(changed.removed);
    }

    #[test]
    fn line_15_a_name_that_is_asked_for_again_is_to_be_answered_again() {
        let mut some = first(&["a"]);
        assert_eq!(change(&mut some, &["a", "b"], &[]).added.len(), 2);
        assert_eq!(change(&mut some, &[], &[]), Changed::default());
        assert!(some.wants("a") && some.wants("b"));
    }

    #[test]
    fn line_16_a_name_that_is_given_up_beside_a_star_is_told_again() {
        for mut all in [first(&[]), first(&["*"])] {
            assert!(change(&mut all, &[], &["never"]).is_nothing());
            change(&mut all, &["a"], &[]);
            assert_eq!(change(&mut all, &[], &["a"]).added, ["a".into()]);
            assert!(change(&mut all, &[], &["*"]).removed);
            assert!(all.is_none());
        }
        let mut some = first(&["a", "b"]);
        let less = change(&mut some, &[], &["a", "never"]);
        assert!(less.removed && less.added.is_empty());
    }

    #[test]
    fn lists_of_the_same_names_are_one() {
        let cache = Cache::default();
        let a = Subscription::first(TypeUrl::Cluster, &list(&["a", "b"]), &cache);
        let mut b = Subscription::first(TypeUrl::Cluster, &list(&["b"]), &cache);
        b.change(&list(&["a"]), &[], &cache);
        assert!(Arc::ptr_eq(&a.names, &b.names));
    }

    #[test]
    fn virtual_hosts_are_asked_for_by_their_route_configuration() {
        let cache = Cache::default();
        let some = Subscription::first(TypeUrl::VirtualHost, &list(&["main"]), &cache);
        assert!(some.wants("main/a") && some.wants("main"));
        assert!(!some.wants("second/a") && !some.wants("main/a/b"));
    }
}
