//! What is told of a client, resource by resource, at every step.

use super::*;

/// Each resource of a type: its name, how it stands, and the version told.
fn status(client: &Client, type_url: TypeUrl) -> Vec<(String, ResourceState, String)> {
    let all = client.session.client_status().into_iter();
    all.filter(|one| one.type_url == type_url)
        .map(|one| (one.name.to_string(), one.state, one.version))
        .collect()
}

fn states(client: &Client, type_url: TypeUrl) -> Vec<(String, ResourceState)> {
    let all = status(client, type_url).into_iter();
    all.map(|(name, state, _)| (name, state)).collect()
}

fn both(state: ResourceState) -> Vec<(String, ResourceState)> {
    ["a/blue", "a/green"]
        .map(|name| (name.to_owned(), state.clone()))
        .into()
}

#[test]
fn line_34_a_resource_is_not_sent_stale_and_synced_in_turn_in_both_modes() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::speaking(mode);
        assert!(client.session.client_status().is_empty());
        client.ask(CDS, &[]);
        // Nothing is declared yet.
        assert_eq!(states(&client, CDS), []);
        client.push(fleet.newest());
        assert_eq!(states(&client, CDS), both(ResourceState::Stale), "{mode:?}");
        client.ack(CDS);
        assert_eq!(
            states(&client, CDS),
            both(ResourceState::Synced),
            "{mode:?}"
        );
        if mode == Mode::Sotw {
            let version = fleet.version(CDS);
            assert!(status(&client, CDS).iter().all(|(_, _, v)| *v == version));
        }
        client.push(fleet.put([cluster("a/blue", 2)]));
        let expected = [
            ("a/blue".to_owned(), ResourceState::Stale),
            ("a/green".to_owned(), ResourceState::Synced),
        ];
        assert_eq!(states(&client, CDS), expected, "{mode:?}");
        client.ack(CDS);
        assert_eq!(
            states(&client, CDS),
            both(ResourceState::Synced),
            "{mode:?}"
        );
    }
}

#[test]
fn line_34_a_name_that_does_not_exist_and_one_that_is_held_are_told_apart() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.ask_again(RDS, &["main", "other"]);
    assert_eq!(
        states(&client, RDS),
        [
            ("main".to_owned(), ResourceState::Synced),
            ("other".to_owned(), ResourceState::Absent)
        ]
    );
    // Its cluster is new to the client: it goes out with what is ready, and that is not the newest.
    let mut b = service("b");
    b.push(routes("main", &[("a", false), ("b", false)]));
    client.push(fleet.put(b));
    let main = &states(&client, RDS)[0];
    assert_eq!(main, &("main".to_owned(), ResourceState::Stale));
}

#[test]
fn line_34_what_was_rejected_is_told_with_the_clients_own_words() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        let mut client = Client::settled_in(mode, &fleet);
        let had = status(&client, CDS)[0].2.clone();
        client.push(fleet.put([cluster("a/blue", 2)]));
        client.nack(CDS, "Error adding/updating cluster(s) a/blue: no");
        let told = status(&client, CDS);
        let (name, state, version) = &told[0];
        assert_eq!((name.as_str(), version), ("a/blue", &had), "{mode:?}");
        let ResourceState::Rejected { message, version } = state else {
            panic!("{mode:?}: {state:?}");
        };
        assert!(
            message.ends_with("a/blue: no") && *version != had,
            "{mode:?}"
        );
        assert_eq!(told[1].1, ResourceState::Synced, "{mode:?}: {told:?}");
        // The correction heals it.
        client.push(fleet.put([cluster("a/blue", 3)]));
        client.ack(CDS);
        assert_eq!(
            states(&client, CDS),
            both(ResourceState::Synced),
            "{mode:?}"
        );
    }
}
