//! Answers that come late, in state of the world: responses, rejections and changes of the names cross on the way.

use super::*;

/// The request that rejects a response, with what the client accepted before.
fn rejection(of: &Response, version: &str, names: &[&str], error: &str) -> Request {
    Request {
        nonce: of.nonce.clone(),
        version: version.into(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        error: Some(error.into()),
    }
}

#[test]
fn line_12_a_version_stands_for_all_that_a_client_has_who_accepts_it() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::with_second(Mode::Sotw, &mut fleet);
    let both = ["main", "second"];
    let first = client.push(fleet.put([routes("main", &[("a", true)]), routes("second", &[])]));
    let before = client.version[&RDS].clone();
    let next = client.push(fleet.put([routes("second", &[("a", true)])]));
    // It may reject the first and accept the next: then it shows the next one's version, and is to have it all.
    assert_eq!(sent(&next), [(RDS, both.map(String::from).to_vec())]);
    client.say(RDS, rejection(&first.responses[0], &before, &both, "no"));
    assert!(accepted(&client.ack(RDS)).contains(&(RDS, fleet.0.revision)));
    let mut again = client.reconnected();
    again.push(fleet.newest());
    again.ask(CDS, &[]);
    assert_eq!(sent(&again.ask(RDS, &both)), []);
}

#[test]
fn line_13_what_is_gone_is_not_said_again_although_its_answer_is_out() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::with_second(Mode::Sotw, &mut fleet);
    client.push(fleet.put([routes("main", &[("a", true)]), routes("second", &[])]));
    // The client may refuse `second`, and all that comes with it.
    let next = client.push(fleet.change([routes("main", &[("a", false)])], [(RDS, "second")]));
    assert_eq!(sent(&next), [(RDS, vec!["main".into()])]);
}

#[test]
fn line_21_what_is_gone_is_said_for_a_cluster_that_was_sent_again_once_its_answer_is_in() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put([endpoints("a/blue", 2)]));
    // The cluster will wait for them once more; but so far the client may refuse them.
    let both = [cluster("a/blue", 2), endpoints("a/green", 2)];
    let next = client.push(fleet.change(both, [(EDS, "a/blue")]));
    let whole = vec!["a/blue".into(), "a/green".into()];
    assert_eq!(sent(&next), [(CDS, whole), (EDS, vec!["a/green".into()])]);
    assert_eq!(sent(&client.ack(EDS)), [(EDS, vec!["a/blue".into()])]);
    client.ack(EDS);
    assert!(accepted(&client.ack(CDS)).contains(&(CDS, fleet.0.revision)));
    assert_eq!(sent(&client.wait(600)), []);
}

#[test]
fn line_13_what_was_rejected_and_is_gone_is_not_waited_for() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    fleet.put(["x", "y"].map(|name| endpoints(name, 1)));
    client.push(fleet.newest());
    client.ask_again(EDS, &["a/blue", "a/green", "x", "y"]);
    client.nack(EDS, "no");
    let without = client.push(fleet.change([], ["x", "y"].map(|name| (EDS, name))));
    assert!(accepted(&without).contains(&(EDS, fleet.0.revision)));
}

#[test]
fn line_08_what_was_taken_of_rejected_lists_goes_once_nothing_is_left_of_them() {
    let mut fleet = Fleet::new();
    let mut client = Client::new();
    client.push(fleet.put([listener("good", 1, &[]), listener("bad", 1, &[])]));
    client.ask(LDS, &[]);
    // It may have taken `good`, and goes on with it whatever it says to the next list.
    client.nack(LDS, "no");
    client.push(fleet.change([], [(LDS, "good")]));
    client.nack(LDS, "no");
    let without = client.push(fleet.change([], [(LDS, "bad")]));
    assert_eq!(sent(&without), [(LDS, vec![])]);
    assert_eq!(accepted(&without), []);
    assert!(accepted(&client.ack(LDS)).contains(&(LDS, fleet.0.revision)));
}

#[test]
fn line_12_what_was_taken_of_a_rejected_list_goes_after_a_reconnect() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put([cluster("b", 1), cluster("bad", 1)]));
    // It took `b`, rejects `bad`, and the stream breaks: what it shows is the version of before.
    fleet.change([], [(CDS, "b"), (CDS, "bad")]);
    let mut again = client.reconnected();
    again.push(fleet.newest());
    let whole = vec!["a/blue".into(), "a/green".into()];
    assert_eq!(sent(&again.ask(CDS, &[])), [(CDS, whole)]);
}

#[test]
fn line_12_a_name_that_was_dropped_and_asked_for_again_is_sent_after_a_reconnect() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::with_second(Mode::Sotw, &mut fleet);
    client.push(fleet.change([], [(RDS, "second")]));
    client.ask_again(RDS, &["main"]);
    client.push(fleet.put([routes("second", &[("a", false)])]));
    // Asked for again, and the stream breaks before the answer.
    let mut again = client.reconnected();
    again.push(fleet.newest());
    let answer = again.ask(RDS, &["main", "second"]);
    assert_eq!(sent(&answer), [(RDS, vec!["main".into(), "second".into()])]);
}

#[test]
fn line_08_what_a_rejected_list_left_out_is_not_taken_for_what_the_client_has() {
    let mut fleet = Fleet::with_a();
    fleet.put([cluster("w", 1)]);
    let mut client = Client::settled(&fleet);
    client.push(fleet.change([], [(CDS, "w")]));
    client.ack(CDS);
    client.now = at(600);
    // Left out of a list that is refused, and refused itself in the next: it is gone.
    let without = client.push(fleet.put([cluster("bad", 1)]));
    assert_eq!(
        sent(&without),
        [(CDS, ["a/blue", "a/green", "bad"].map(String::from).to_vec())]
    );
    client.push(fleet.put([cluster("w", 2)]));
    client.nack(CDS, "Error adding/updating cluster(s) bad, w: nonsense");
    let back =
        client.push(fleet.change([cluster("w", 1), tcp_listener("tcp", "w")], [(CDS, "bad")]));
    assert_eq!(
        sent(&back),
        [(CDS, ["a/blue", "a/green", "w"].map(String::from).to_vec())],
        "the listener waits for it"
    );
    assert_eq!(sent(&client.ack(CDS)).last().map(|(t, _)| *t), Some(LDS));
}

#[test]
fn line_25_a_cluster_is_kept_for_names_that_were_dropped_and_asked_for_again() {
    let mut fleet = Fleet::with_a();
    fleet.put(service("b"));
    let mut client = Client::speaking(Mode::Sotw);
    client.push(fleet.put([routes("second", &[("b", false)])]));
    client.ask(CDS, &[]);
    client.ack(CDS);
    client.ask(EDS, &["a/blue", "a/green", "b/blue", "b/green"]);
    client.ack(EDS);
    client.ask(RDS, &["main", "second"]);
    // Before the answer arrives the client drops a name and asks for it again: it takes it from that answer then.
    let unanswered = |names: &[&str]| Request {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Request::default()
    };
    client.say(RDS, unanswered(&["main"]));
    client.push(fleet.change(
        [routes("second", &[("a", false)])],
        ["b/blue", "b/green"].map(|name| (CDS, name)),
    ));
    client.say(RDS, unanswered(&["main", "second"]));
    let lists = |output: &Output| sent(output).iter().any(|(type_url, _)| *type_url == CDS);
    assert!(!lists(&client.wait(600)), "it may route there");
    client.ack(RDS);
    assert!(!lists(&client.wait(1)), "a grace after");
    assert!(lists(&client.wait(600)));
}

/// A switch that was on its way when its proxy rejected the routes of another service, which its response carries along.
fn switch_beside_a_rejection(error: &str) -> (Client, Fleet, Output) {
    let mut fleet = Fleet::with_a();
    let mut client = Client::with_second(Mode::Sotw, &mut fleet);
    let both = ["main", "second"];
    let bad = client.push(fleet.put([routes("second", &[])]));
    let before = client.version[&RDS].clone();
    let switch = client.push(fleet.put([routes("main", &[("a", true)])]));
    assert_eq!(sent(&switch), [(RDS, both.map(String::from).to_vec())]);
    let first = client.say(RDS, rejection(&bad.responses[0], &before, &both, error));
    assert_eq!(rejected(&first)[0].1, Revision(fleet.0.revision.0 - 1));
    let second = client.say(RDS, rejection(&switch.responses[0], &before, &both, error));
    (client, fleet, second)
}

#[test]
fn line_08_a_switch_that_came_with_what_was_rejected_before_is_sent_again_without_it() {
    for error in ["no routes", "second: no routes"] {
        let (mut client, fleet, answered) = switch_beside_a_rejection(error);
        assert_eq!((rejected(&answered), weighted(&answered)), (vec![], vec![]));
        let [again] = &answered.responses[..] else {
            panic!("sent: {:?}", sent(&answered));
        };
        let main = again.message.resources.iter().map(|item| &*item.resource);
        let main = main.into_iter().find(|it| &*it.name == "main");
        assert!(green(main.unwrap())["a"]);
        let done = client.ack(RDS);
        assert_eq!(weighted(&done), [fleet.0.revision]);
        assert_eq!(sent(&client.wait(600)), []);
    }
}

/// A client that names its clusters, and accepts a list without looking at one that it does not ask for at that moment.
#[test]
fn line_08_a_cluster_that_was_given_up_for_a_while_is_blamed_and_not_the_one_that_came_with_it() {
    let mut fleet = Fleet::with_a();
    fleet.put([cluster("bad", 66)]);
    let mut client = Client::new();
    client.push(fleet.newest());
    let first = client.ask(CDS, &["a/blue", "bad"]).responses.remove(0);
    let second = client.push(fleet.put([cluster("a/blue", 2)]));
    let accepted = Request {
        nonce: first.nonce.clone(),
        version: first.version(),
        names: vec!["a/blue".into()],
        error: None,
    };
    client.say(CDS, accepted);
    let both = ["a/blue", "bad"];
    let error = "Error adding/updating cluster(s) bad: no";
    let second = &second.responses[0];
    let output = client.say(CDS, rejection(second, &first.version(), &both, error));
    assert_eq!(
        rejected(&output),
        [(CDS, fleet.0.revision, vec!["bad".into()])]
    );
    client.ack(CDS);
    let healed = client.push(fleet.put([cluster("bad", 1)]));
    assert_eq!(sent(&healed), [(CDS, both.map(String::from).to_vec())]);
    assert_eq!(
        healed.responses[0].resource(0).digest,
        cluster("a/blue", 2).digest
    );
}

/// Envoy does not name what is invalid in itself.
#[test]
fn line_07_what_comes_with_a_refused_cluster_that_is_on_its_way_out_arrives_without_it() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::settled(&fleet);
    client.push(fleet.put([cluster("bad", 1)]));
    client.ack(CDS);
    let one = client.push(fleet.put([cluster("bad", 66), cluster("new", 1)]));
    client.push(fleet.change([], [(CDS, "bad")]));
    let two = client.push(fleet.put([cluster("other", 1)]));
    let mut last = two.responses[0].clone();
    for response in [&one.responses[0], &two.responses[0]] {
        let answered = client.answer(CDS, &response.nonce, Some("constraint failed"));
        last = answered.responses.last().cloned().unwrap_or(last);
    }
    let names: Vec<&str> = last.resources().map(|one| &*one.name).collect();
    assert!(names.contains(&"new"), "{names:?}");
    assert!(names.contains(&"other"), "{names:?}");
    let bad = last.resources().find(|one| &*one.name == "bad");
    let before = cluster("bad", 1).digest;
    assert!(bad.is_none_or(|bad| bad.digest == before));
}

/// What it left it may have dropped, all of it.
#[test]
fn line_06_who_leaves_everything_and_comes_back_is_told_everything_again() {
    let mut fleet = Fleet::with_a();
    let mut client = Client::new();
    client.push(fleet.newest());
    client.ask(EDS, &["*"]);
    client.ack(EDS);
    let left = Request {
        version: client.version[&EDS].clone(),
        nonce: "1".to_owned(),
        ..Request::default()
    };
    // On its way to the client, when that leaves and comes back.
    client.push(fleet.put([endpoints("a/blue", 2)]));
    assert_eq!(sent(&client.say(EDS, left)), []);
    let both = ["a/blue", "a/green"].map(String::from).to_vec();
    assert_eq!(sent(&client.ack(EDS)), [(EDS, both)]);
}
