//! Secrets, filters and scopes that a listener or a cluster refers to: an Envoy asks for them once it has that, and may reject them.

use super::*;

const ECDS: TypeUrl = TypeUrl::TypedExtensionConfig;
const SCOPES: TypeUrl = TypeUrl::ScopedRouteConfiguration;
const SECRETS: TypeUrl = TypeUrl::Secret;

/// The same, with references to these of a type besides.
fn referring(resource: &Resource, of: TypeUrl, to: &[&str]) -> Resource {
    let mut references = (*resource.references).clone();
    let names = to.iter().map(|name| Arc::from(*name));
    match of {
        SECRETS => references.secrets.extend(names),
        ECDS => references.filters.extend(names),
        _ => references.scoped = true,
    }
    let bytes = format!("{} and {of:?} {to:?}", resource.name).into();
    Resource::new(resource.type_url, &resource.name, bytes, references)
}

fn one(of: TypeUrl, name: &str, content: &str) -> Resource {
    let bytes = content.to_owned().into();
    Resource::new(of, name, bytes, References::default())
}

/// What refers to what.
fn pairs() -> Vec<(Resource, TypeUrl)> {
    let listener = || listener("main", 2, &["main"]);
    let cluster = || cluster("a/blue", 2);
    vec![
        (listener(), SECRETS),
        (listener(), ECDS),
        (listener(), SCOPES),
        (cluster(), SECRETS),
        (cluster(), ECDS),
    ]
}

/// What its names are, as an Envoy asks for it.
fn asked(of: TypeUrl) -> &'static [&'static str] {
    match of {
        SCOPES => &[],
        _ => &["key"],
    }
}

/// The answer to the listener says nothing of them: they are asked for a moment later.
#[test]
fn line_36_what_is_about_to_be_asked_for_is_not_taken_for_what_nobody_needs() {
    for (referrer, of) in pairs() {
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            let mut client = Client::settled_in(mode, &fleet);
            let by = referrer.type_url;
            let pushed = fleet.put([referring(&referrer, of, &["key"]), one(of, "key", "good")]);
            client.push(pushed.clone());
            let has = |output: &Output| accepted(output).contains(&(of, pushed.revision));
            let mut early = vec![client.ack(by)];
            if by == CDS {
                early.push(client.ack(EDS));
            }
            early.push(client.ask(of, asked(of)));
            assert!(!early.iter().any(has), "{mode:?} {by:?} {of:?}");
            assert!(has(&client.ack(of)), "{mode:?} {by:?} {of:?}");
        }
    }
}

/// On a new stream a client asks for its clusters and listeners first, of which nothing has changed.
#[test]
fn line_36_what_has_changed_while_a_client_was_away_is_not_accepted_before_it_asks() {
    for (referrer, of) in pairs() {
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            fleet.put([referring(&referrer, of, &["key"]), one(of, "key", "good")]);
            let mut client = Client::settled_in(mode, &fleet);
            client.ask(of, asked(of));
            client.ack(of);
            let pushed = fleet.put([one(of, "key", "other")]);
            let mut client = client.reconnected();
            client.push(pushed.clone());
            let has = |output: &Output| accepted(output).contains(&(of, pushed.revision));
            let firsts: [(TypeUrl, &[&str]); 4] = [
                (CDS, &[]),
                (EDS, &["a/blue", "a/green"]),
                (LDS, &[]),
                (RDS, &["main"]),
            ];
            for (first, names) in firsts {
                assert!(!has(&client.ask(first, names)), "{mode:?} {of:?}");
            }
            assert!(!has(&client.ask(of, asked(of))), "{mode:?} {of:?}");
            assert!(has(&client.ack(of)), "{mode:?} {of:?}");
        }
    }
}

/// Names are added one after the other: what is asked for by now is not all.
#[test]
fn line_36_one_more_that_is_about_to_be_asked_for_counts() {
    for of in [SECRETS, ECDS] {
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            let main = listener("main", 2, &["main"]);
            fleet.put([referring(&main, of, &["key"]), one(of, "key", "good")]);
            let mut client = Client::settled_in(mode, &fleet);
            client.ask(of, &["key"]);
            client.ack(of);
            let more = [
                referring(&main, of, &["key", "more"]),
                one(of, "more", "good"),
            ];
            let pushed = fleet.put(more);
            let has = |output: &Output| accepted(output).contains(&(of, pushed.revision));
            assert!(!has(&client.push(pushed.clone())), "{mode:?} {of:?}");
            assert!(!has(&client.ack(LDS)), "{mode:?} {of:?}");
            client.ask_again(of, &["key", "more"]);
            assert!(has(&client.ack(of)), "{mode:?} {of:?}");
        }
    }
}

/// A client that names its listeners takes what it likes of them (gRPC knows no filters that come apart, nor these secrets);
/// what does not exist is waited for by nobody; and what is refused is not asked for.
#[test]
fn line_36_what_will_not_be_asked_for_is_not_waited_for() {
    for of in [SECRETS, ECDS] {
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            let main = listener("main", 2, &["main"]);
            let pushed = fleet.put([referring(&main, of, &["key"]), one(of, "key", "good")]);
            let has = |output: &Output| accepted(output).contains(&(of, pushed.revision));
            let mut names = Client::speaking(mode);
            names.push(pushed.clone());
            names.ask(LDS, &["main"]);
            assert!(has(&names.ack(LDS)), "{mode:?} {of:?}");

            let mut fleet = Fleet::with_a();
            let mut client = Client::settled_in(mode, &fleet);
            client.push(fleet.put([referring(&main, of, &["absent"]), one(of, "key", "good")]));
            assert!(has(&client.ack(LDS)), "{mode:?} {of:?}");

            let mut fleet = Fleet::with_a();
            let mut client = Client::settled_in(mode, &fleet);
            client.push(fleet.put([referring(&main, of, &["key"]), one(of, "key", "good")]));
            assert!(!has(&client.nack(LDS, "main: no good")), "{mode:?} {of:?}");
            let next = fleet.put([one(of, "key", "other")]);
            let settled = accepted(&client.push(next));
            assert!(!settled.contains(&(LDS, rev(3))), "{mode:?} {of:?}");
        }
    }
}
