//! How far a fleet is with several types that last changed in different revisions.
//!
//! A type that a revision left alone is asked for at its own, older revision: there is nothing newer of it to accept,
//! so a proxy that had it then has it still, also where nobody has told the ledger of the later revision.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    controller::named::named,
    fleet::{Ledger, NotAckedState, Proof, Requirement},
    model::{Revision, TypeUrl},
    snapshot::Snapshot,
};

/// What is required in each part, where `newest` is the newest snapshot. Weights also stand in virtual hosts of their own, where
/// there are any.
fn parts(newest: &Snapshot, requirement: &Requirement) -> Vec<Requirement> {
    let mut parts: BTreeMap<Revision, Vec<TypeUrl>> = BTreeMap::new();
    let hosts = requirement.weights_only.then_some(&TypeUrl::VirtualHost);
    let hosts = hosts.filter(|hosts| !requirement.types.contains(hosts));
    for type_url in requirement.types.iter().chain(hosts) {
        let Some(set) = newest.get(*type_url) else {
            continue;
        };
        let revision = requirement.revision.min(set.changed_in);
        parts.entry(revision).or_default().push(*type_url);
    }
    let parts = parts.into_iter().map(|(revision, types)| Requirement {
        revision,
        types,
        weights_only: requirement.weights_only,
    });
    parts.collect()
}

/// How far the fleet is with all parts of a requirement.
pub(in crate::controller) fn standing(
    ledger: &Ledger,
    newest: &Snapshot,
    requirement: &Requirement,
) -> Proof {
    let parts = parts(newest, requirement);
    let proofs = parts.iter().map(|part| ledger.proof(part));
    let merged = proofs.reduce(merge).unwrap_or_else(|| {
        // Nothing to accept: everybody has.
        ledger.proof(&Requirement::new(requirement.revision, Vec::new()))
    });
    Proof {
        revision: requirement.revision,
        ..merged
    }
}

/// Who has accepted all parts of a requirement, and since when it has the last of them; None: from before this server ran.
pub(in crate::controller) fn acks(
    ledger: &Ledger,
    newest: &Snapshot,
    requirement: &Requirement,
) -> Vec<(Arc<str>, Option<Timestamp>)> {
    ledger.acks(&parts(newest, requirement))
}

/// A proxy has accepted if both say so.
fn merge(a: Proof, b: Proof) -> Proof {
    let mut states = BTreeMap::new();
    for one in a.not_acked.into_iter().chain(b.not_acked) {
        match states.entry(one.proxy) {
            Entry::Vacant(entry) => {
                entry.insert(one.state);
            }
            Entry::Occupied(mut entry) => {
                if weight(&one.state) > weight(entry.get()) {
                    entry.insert(one.state);
                }
            }
        }
    }
    let mut proof = Proof {
        revision: a.revision.max(b.revision),
        total: a.total.max(b.total),
        // A proxy has all of it with the last part.
        first_ack: a.first_ack.max(b.first_ack),
        last_ack: a.last_ack.max(b.last_ack),
        ..Proof::default()
    };
    for (proxy, state) in states {
        proof.lacks(proxy, state);
    }
    proof.acked = proof
        .total
        .saturating_sub(proof.pending + proof.disconnected + proof.nacked);
    proof
}

/// What is said of a proxy that has accepted neither part.
fn weight(state: &NotAckedState) -> u8 {
    match state {
        NotAckedState::Pending | NotAckedState::Newer(_) => 0,
        NotAckedState::Disconnected(_) => 1,
        NotAckedState::Nacked { .. } => 2,
    }
}

/// The proxies that have not accepted, by name, the first few.
pub(in crate::controller) fn names_of(proof: &Proof) -> String {
    let names: Vec<&str> = proof.by_name().iter().map(|one| &*one.proxy).collect();
    named(&names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fleet::{ProxyInfo, Record, StreamId},
        model::Name,
        snapshot::{References, Resource},
    };

    const HOSTS: TypeUrl = TypeUrl::VirtualHost;
    const ROUTES: TypeUrl = TypeUrl::RouteConfiguration;

    /// The next revision, with that content of one resource of a type.
    fn with(snapshot: &Snapshot, type_url: TypeUrl, content: &'static str) -> Snapshot {
        let bytes = content.as_bytes().into();
        let resource = Resource::new(type_url, "main/all", bytes, References::default());
        let changes = [(resource.name.clone(), Some(Arc::new(resource)))];
        snapshot.with(
            snapshot.revision.next(),
            [(type_url, changes.into())].into(),
        )
    }

    #[test]
    fn weights_that_stand_in_virtual_hosts_are_proven_by_them() {
        let routes = with(
            &Snapshot::empty(Name::parse("payments").unwrap()),
            ROUTES,
            "routes",
        );
        let ledger = Ledger::new(|| {});
        let stream = StreamId(1);
        let proxy = ProxyInfo {
            id: "edge-1".into(),
            address: "127.0.0.1:1".into(),
            software: "envoy 1.40.0".into(),
        };
        let says = |record| ledger.record(stream, record, Timestamp::UNIX_EPOCH);
        let proven = |snapshot: &Snapshot| {
            let weights = Requirement::weights(snapshot.revision);
            standing(&ledger, snapshot, &weights).is_complete()
        };
        ledger.connect(stream, proxy, Timestamp::UNIX_EPOCH);
        says(Record::Accepted(ROUTES, routes.revision));
        assert!(proven(&routes), "there are no virtual hosts");
        let before = with(&routes, HOSTS, "blue");
        says(Record::Accepted(HOSTS, before.revision));
        let switched = with(&before, HOSTS, "green");
        says(Record::Accepted(ROUTES, switched.revision));
        assert!(!proven(&switched), "it has the hosts of before");
        says(Record::Accepted(HOSTS, switched.revision));
        assert!(proven(&switched));
    }
}
