//! Resources with a time to live, over a reconnect, and beside others.

use std::time::Duration;

use super::*;

/// A client that was away may have dropped what lives for a while: the version that it shows says that it had it, not
/// that it has it.
#[test]
fn what_lives_for_a_while_is_said_again_after_a_reconnect() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        fleet.put([runtime("layer").with_ttl(Duration::from_secs(15))]);
        let mut before = Client::settled_in(mode, &fleet);
        before.ask(TypeUrl::Runtime, &["layer"]);
        before.ack(TypeUrl::Runtime);
        for mut client in [before.reconnected(), before.elsewhere()] {
            client.push(fleet.newest());
            let layer = (TypeUrl::Runtime, vec!["layer".to_owned()]);
            let asked = client.ask(TypeUrl::Runtime, &["layer"]);
            assert_eq!(sent(&asked), [layer], "{mode:?}");
            let answered = client.ack(TypeUrl::Runtime);
            assert_eq!(sent(&answered), [], "{mode:?}");
        }
    }
}

/// In state of the world Envoy tells all of its runtime layers of one that has expired, and those of other names end the
/// process; of filters, the others go with it (seen with 1.40).
#[test]
fn line_30_to_who_asks_for_several_in_state_of_the_world_no_time_to_live_is_said() {
    for of in [TypeUrl::Runtime, TypeUrl::TypedExtensionConfig] {
        let with = |name: &str| {
            let bytes = format!("content of {name}").into();
            Resource::new(of, name, bytes, References::default())
        };
        let mortal = with("a").with_ttl(Duration::from_secs(15));
        for mode in MODES {
            let mut fleet = Fleet::with_a();
            fleet.put([mortal.clone(), with("b")]);
            let mut client = Client::settled_in(mode, &fleet);
            let ttl = |output: &Output, name: &str| {
                let mut resources = output.responses.iter().flat_map(Response::resources);
                resources.find(|it| &*it.name == name).map(|it| it.ttl)
            };
            let said = Some(Duration::from_secs(15));
            assert_eq!(ttl(&client.ask(of, &["a"]), "a"), Some(said), "{mode:?}");
            client.ack(of);
            let both = client.ask_again(of, &["a", "b"]);
            if mode == Mode::Delta {
                assert_eq!(ttl(&both, "a"), None);
                continue;
            }
            assert_eq!(ttl(&both, "a"), Some(None));
            client.ack(of);
            assert_eq!(client.session.next_deadline(), None);
            // What it has is known when it comes back.
            let mut again = client.reconnected();
            again.push(fleet.newest());
            assert_eq!(sent(&again.ask(of, &["a", "b"])), []);
            let settled = accepted(&client.push(fleet.put([with("c")])));
            assert!(settled.contains(&(of, rev(3))), "{of:?}: {settled:?}");
            assert_eq!(ttl(&client.ask_again(of, &["a"]), "a"), Some(said));
        }
    }
}

/// In state of the world it crashes when one of these is over. In delta it takes the scope away, and leaves the others.
#[test]
fn line_30_no_time_to_live_by_which_envoy_crashes_is_said_in_state_of_the_world() {
    for of in [
        TypeUrl::ScopedRouteConfiguration,
        TypeUrl::Secret,
        TypeUrl::RouteConfiguration,
        TypeUrl::ClusterLoadAssignment,
    ] {
        for (mode, expected) in [
            (Mode::Sotw, None),
            (Mode::Delta, Some(Duration::from_secs(15))),
        ] {
            let mut fleet = Fleet::with_a();
            let mortal = Resource::new(of, "one", "content".into(), References::default());
            fleet.put([mortal.with_ttl(Duration::from_secs(15))]);
            let mut client = Client::settled_in(mode, &fleet);
            let said = client.ask_again(of, &["one"]);
            let mut said = said.responses.iter().flat_map(Response::resources);
            let said = said.find(|resource| &*resource.name == "one");
            assert_eq!(said.map(|one| one.ttl), Some(expected), "{of} {mode:?}");
            client.ack(of);
            let settled = accepted(&client.push(fleet.put([runtime("other")])));
            assert!(
                settled.contains(&(of, rev(3))),
                "{of} {mode:?}: {settled:?}"
            );
        }
    }
}

/// It is said without its time to live, and is the newest all the same for a listener or a cluster that refers to it.
#[test]
fn line_36_what_is_said_without_its_time_to_live_is_accepted_where_something_refers_to_it() {
    let ttl = Duration::from_secs(15);
    for mortal in [routes("main", &[("a", true)]), endpoints("a/blue", 2)] {
        for mode in MODES {
            let of = mortal.type_url;
            let mut fleet = Fleet::with_a();
            let mut client = Client::settled_in(mode, &fleet);
            client.push(fleet.put([mortal.clone().with_ttl(ttl)]));
            let settled = accepted(&client.ack(of));
            assert!(
                settled.contains(&(of, rev(2))),
                "{of} {mode:?}: {settled:?}"
            );
        }
    }
}
