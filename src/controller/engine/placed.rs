//! Since when deployments are in their environments, by the time that load reports are stamped with.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    model::{Colour, Name},
    store::Head,
};

/// What was seen of each environment. What was there at the first look has been there for as long as anything was reported.
#[derive(Default)]
pub(super) struct Placed {
    looked: bool,
    /// By service and colour: the deployment's number, and when it was seen first.
    seen: BTreeMap<Name, BTreeMap<Colour, (u64, Option<Timestamp>)>>,
}

impl Placed {
    /// Looks at the newest revision.
    pub fn look(&mut self, head: &Head, now: Timestamp) {
        let since = std::mem::replace(&mut self.looked, true).then_some(now);
        let services = &head.state.services;
        self.seen.retain(|name, _| services.contains_key(name));
        for (name, service) in services {
            let seen = self.seen.entry(name.clone()).or_default();
            for colour in Colour::BOTH {
                match &service.environment(colour).deployment {
                    None => drop(seen.remove(&colour)),
                    Some(here) => {
                        let known = seen.entry(colour).or_insert((here.number, since));
                        if known.0 != here.number {
                            *known = (here.number, since);
                        }
                    }
                }
            }
        }
    }

    /// Since when the environment's deployment is there; None: since before the first look, or it has none.
    pub fn since(&self, service: &Name, colour: Colour) -> Option<Timestamp> {
        self.seen.get(service)?.get(&colour)?.1
    }
}
