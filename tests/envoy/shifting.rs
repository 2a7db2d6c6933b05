//! Shares, copies and previews of a staged version on real Envoys: how many requests go where, and that they end by
//! themselves.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    fixtures::{Backends, Flip, all_answered, load, no_trouble, only, proven, service},
    rollout::is_share,
    support::{
        asker::Asker,
        backend::Backend,
        envoy::{self, Envoy},
        load::{Protocol, Shot},
        waiting,
        world::World,
    },
};

/// Requests whose distribution is looked at.
const SAMPLE: usize = 4_000;

/// The header of a preview of green, where nothing else is said.
const PREVIEW: [(&str, &str); 1] = [("x-bluegreen-preview", "green")];

/// The header that tells a user from others.
type Identity = fn(usize) -> (&'static str, String);

/// A fleet of one Envoy, where blue is live and green staged.
async fn world(backends: &Backends) -> World {
    let mut world = World::start().await;
    let document = service("fraud-model", "/", world.listener.addr(), backends, "");
    world.apply(&document, &[]).await.ok();
    world.fleet(1).await;
    world
}

fn total(backends: &[Backend], count: impl Fn(&Backend) -> u64) -> u64 {
    backends.iter().map(count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_requests_follows_the_weight_step_by_step() {
    let backends = Backends::start().await;
    let world = world(&backends).await;
    let mut asker = Asker::connect(world.listener.addr()).await;
    for weight in [1, 10, 50] {
        let text = weight.to_string();
        let shifted = world
            .json(&["shift", "fraud-model", "--weight", &text])
            .await;
        assert_eq!(shifted["proxies"]["acked"], 1, "{shifted}");
        let green = asker.count("green", SAMPLE).await;
        is_share(green, SAMPLE, weight);
    }
    // The last step is the switch, and the way back is the same as ever.
    world.json(&["switch", "fraud-model"]).await;
    assert_eq!(asker.count("green", 200).await, 200);
    world.json(&["rollback", "fraud-model"]).await;
    assert_eq!(asker.count("blue", 200).await, 200);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_28_a_user_who_met_the_new_version_stays_with_it_while_the_share_grows() {
    const USERS: usize = 300;
    let backends = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let document = |sticky: &str| {
        let release = format!("  release: {{ canary: {{ sticky: {sticky} }} }}\n");
        service("fraud-model", "/", target, &backends, &release)
    };
    world
        .apply(&document("{ header: x-user-id }"), &[])
        .await
        .ok();
    world.fleet(1).await;
    let by_header: Identity = |user| ("x-user-id", format!("user-{user}"));
    let by_cookie: Identity = |user| ("cookie", format!("theme=dark; session={user}"));
    let identities: [(&str, Identity); 2] = [
        ("{ header: x-user-id }", by_header),
        ("{ cookie: session }", by_cookie),
    ];
    for (sticky, identity) in identities {
        world.apply(&document(sticky), &[]).await.ok();
        let mut met = BTreeSet::new();
        for weight in [10, 50] {
            let text = weight.to_string();
            world
                .json(&["shift", "fraud-model", "--weight", &text])
                .await;
            let mut now = BTreeSet::new();
            for user in 0..USERS {
                let (name, value) = identity(user);
                // Another connection each time: it is the user who is kept, not the connection.
                let first = Asker::connect(target).await.ask(&[(name, &value)]).await;
                let second = Asker::connect(target).await.ask(&[(name, &value)]).await;
                assert_eq!(first, second, "{sticky}: user {user} met both versions");
                if first == "green" {
                    now.insert(user);
                }
            }
            is_share(now.len(), USERS, weight);
            assert!(
                met.is_subset(&now),
                "{sticky}: {met:?} are not all in {now:?}"
            );
            met = now;
        }
        // Who can't be told from others is divided by chance.
        let mut asker = Asker::connect(target).await;
        is_share(asker.count("green", 1_000).await, 1_000, 50);
        world.json(&["shift", "fraud-model", "--weight", "0"]).await;
    }
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_29_a_mirror_copies_its_share_and_changes_no_answer() {
    let backends = Backends::start().await;
    let world = world(&backends).await;
    let shadow = ["shadow", "fraud-model", "--percent", "25", "--for", "1h"];
    let answer = world.json(&shadow).await;
    assert_eq!(answer["proxies"]["acked"], 1, "{answer}");
    let notices = answer["notices"].as_array().expect("notices");
    assert!(notices.iter().any(|one| one["kind"] == "side-effects"));

    let mut asker = Asker::connect(world.listener.addr()).await;
    assert_eq!(asker.count("blue", SAMPLE).await, SAMPLE);
    // A copy is sent when the request is, and not waited for.
    let sent = "^cluster.fraud-model/green.upstream_rq_total$";
    let arrived = || total(&backends.green, Backend::requests);
    let copies = waiting::until(
        "all copies have arrived",
        async || (waiting::sum(&world.envoys[0], sent).await, arrived()),
        |(sent, arrived)| sent == arrived,
    );
    let (_, copies) = copies.await;
    is_share(copies as usize, SAMPLE, 25);
    assert_eq!(total(&backends.green, Backend::mirrored), copies);
    assert_eq!(total(&backends.blue, Backend::mirrored), 0);

    world.json(&["shadow", "fraud-model", "--stop"]).await;
    let before = total(&backends.green, Backend::requests);
    assert_eq!(asker.count("blue", 200).await, 200);
    assert_eq!(waiting::sum(&world.envoys[0], sent).await, before);
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_30_a_preview_is_for_those_who_ask_and_ends_at_its_deadline() {
    let backends = Backends::start().await;
    let world = world(&backends).await;
    let mut asker = Asker::connect(world.listener.addr()).await;
    assert_eq!(asker.ask(&PREVIEW).await, "blue");

    world.json(&["preview", "fraud-model", "--for", "3s"]).await;
    let asked = async || {
        let mut asker = Asker::connect(world.listener.addr()).await;
        (asker.ask(&PREVIEW).await, asker.ask(&[]).await)
    };
    let (green, blue) = ("green".to_owned(), "blue".to_owned());
    let seen = waiting::until("previewed", asked, |(with, _)| *with == green).await;
    assert_eq!(seen.1, blue);
    let other = [("x-bluegreen-preview", "red")];
    assert_eq!(asker.ask(&other).await, "blue");

    waiting::until("over", asked, |(with, _)| *with == blue).await;
    let over = async || world.json(&["history", "fraud-model"]).await;
    let newest = waiting::until("in the history", over, |h| h[0]["command"] == "end-preview");
    assert_eq!(newest.await[0]["actor"], "bluegreen");
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_and_a_preview_end_although_the_control_plane_is_dead() {
    let backends = Backends::start().await;
    let world = world(&backends).await;
    let shadow = ["shadow", "fraud-model", "--percent", "100", "--for", "1h"];
    world.json(&shadow).await;
    world.json(&["preview", "fraud-model"]).await;
    let asked = async || {
        let mut asker = Asker::connect(world.listener.addr()).await;
        let copies = total(&backends.green, Backend::mirrored);
        let with = asker.ask(&PREVIEW).await;
        asker.ask(&[]).await;
        (with, total(&backends.green, Backend::mirrored) > copies)
    };
    let on = ("green".to_owned(), true);
    waiting::until("both on", asked, |seen| *seen == on).await;

    world.kill().await;
    let off = ("blue".to_owned(), false);
    waiting::until("both off", asked, |seen| *seen == off).await;

    // Back again, it goes on as the operator wanted it, until its deadline.
    world.serve(&[]).await;
    waiting::until("both on again", asked, |seen| *seen == on).await;
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_proxy_has_no_runtime_layer_the_server_ends_a_preview_and_says_that_it_is_weaker() {
    let backends = Backends::start().await;
    let mut world = world(&backends).await;
    let binary = envoy::binary().await.expect("an Envoy");
    let mut bootstrap = envoy::bootstrap(world.xds).expect("the bootstrap");
    let layers = bootstrap.as_object_mut().expect("a mapping");
    assert!(layers.remove("layered_runtime").is_some());
    let dir = world.dir.path();
    let bare = Envoy::start(&binary, &bootstrap, "bare", "payments", dir).await;
    world.envoys.push(bare.expect("a proxy"));
    world.ready().await;

    let answer = world.json(&["preview", "fraud-model", "--for", "3s"]).await;
    assert_eq!(answer["proxies"]["acked"], 2, "{answer}");
    let notices = answer["notices"].as_array().expect("notices").iter();
    let weaker: Vec<_> = notices
        .filter(|one| one["kind"] == "ended-by-server")
        .filter_map(|one| one["text"].as_str())
        .collect();
    assert!(
        matches!(weaker[..], [text] if text.contains("bare have no runtime layer")),
        "{weaker:?}"
    );
    let status = world.json(&["status", "fraud-model"]).await;
    assert_eq!(status["temporary"][0]["endedBy"], "server", "{status}");

    // Connections spread over both proxies, and both do it.
    let asked = async || {
        let mut answers = BTreeSet::new();
        for _ in 0..16 {
            let mut asker = Asker::connect(world.listener.addr()).await;
            answers.insert(asker.ask(&PREVIEW).await);
        }
        answers
    };
    let only = |colour: &str| BTreeSet::from([colour.to_owned()]);
    waiting::until("previewed", asked, |seen| *seen == only("green")).await;
    waiting::until("over", asked, |seen| *seen == only("blue")).await;
    no_trouble(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_moves_under_load_in_one_revision_and_loses_nothing() {
    let first = Backends::start().await;
    let second = Backends::start().await;
    let mut world = World::start().await;
    let target = world.listener.addr();
    let documents = [
        service("fraud-model", "/", target, &first, ""),
        service("features", "/delay/0", target, &second, ""),
    ];
    world.apply(&documents.join("\n"), &[]).await.ok();
    world.fleet(2).await;
    let model = load(target, Protocol::Http1, 200, vec![Shot::get("/score")]);
    let features = load(target, Protocol::Http2, 100, vec![Shot::get("/delay/0")]);

    let began = Instant::now();
    let before = world.json(&["status", "fraud-model"]).await["revision"].clone();
    let group = ["fraud-model", "features"];
    let forth = Flip::run(&world, "green", &[&["switch"][..], &group].concat()).await;
    let moves = forth.ran.json()["moves"].clone();
    assert_eq!(moves.as_array().map(Vec::len), Some(2), "{moves}");
    let back = Flip::run(&world, "blue", &[&["rollback"][..], &group].concat()).await;
    let again = [&["switch"][..], &group, &["--force"]].concat();
    let again = Flip::run(&world, "green", &again).await;

    // One shared route configuration, so one push each: no request of either service is ahead of the other's.
    let after = world.json(&["status", "features"]).await["revision"].clone();
    assert_eq!(before.as_u64().map(|from| from + 3), after.as_u64());
    let flips = [forth, back, again];
    for load in [model, features] {
        let report = load.stop().await;
        all_answered(&report);
        only(&report, "blue", began, flips[0].ran.started);
        proven(&report, &flips);
    }
    no_trouble(&world).await;
}
