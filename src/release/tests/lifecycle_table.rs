//! The table phase × verb -> phase, exit code, message, held in `lifecycle.golden.txt`, for people to read and for this test to
//! compare. After a wanted change: `UPDATE_GOLDEN=1 cargo test --lib release::tests::lifecycle_table`.

use std::{fmt::Write, time::Duration};

use super::{
    Story, deploy, insist,
    lifecycle::{release, usual, whole, with},
    retire, scale, switch,
};
use crate::{
    model::{Colour, ReleaseSpec, check::Phase as CheckPhase},
    release::{Event, Refusal, RolloutPhase, Step, Verb},
};

const GOLDEN: &str = include_str!("lifecycle.golden.txt");

fn canary() -> ReleaseSpec {
    let mut spec = whole();
    spec.hooks = Default::default();
    spec
}

/// A release in every phase.
fn situations() -> Vec<Story> {
    let staged = || with(canary()).then(release("v1.3", &["10.0.0.2:80"]));
    let validating = || staged().delivered();
    let ready = || validating().analysed(CheckPhase::Successful);
    let shadowing = || ready().then(switch(None));
    let shifting = || shadowing().analysed(CheckPhase::Successful).after(10);
    let switching = || {
        with(usual())
            .then(release("v1.3", &["10.0.0.2:80"]))
            .delivered()
            .analysed(CheckPhase::Successful)
            .then(switch(None))
    };
    let baking = || switching().delivered();
    let standby = || baking().analysed(CheckPhase::Successful).after(30);
    let retiring = || standby().after(60);
    let rolling_back = || baking().analysed(CheckPhase::Failed);
    vec![
        with(whole()).then(release("v1.3", &["10.0.0.2:80"])),
        staged(),
        validating(),
        ready(),
        shadowing(),
        shifting(),
        switching(),
        baking(),
        standby(),
        retiring(),
        retiring().then(retire()),
        shifting().delivered().then(Event::Steer(Verb::Pause)),
        rolling_back(),
        rolling_back().delivered(),
        validating().then(Event::Steer(Verb::Abort)),
        validating().analysed(CheckPhase::Failed),
    ]
}

fn verbs() -> Vec<(&'static str, Event)> {
    let skip_gates = Event::Switch {
        to: None,
        force: false,
        skip_gates: true,
    };
    vec![
        ("release v1.3", release("v1.3", &["10.0.0.2:80"])),
        ("release v1.4", release("v1.4", &["10.0.0.4:80"])),
        ("validate", Event::Steer(Verb::Validate)),
        ("switch", switch(None)),
        ("switch --skip-gates", skip_gates),
        ("pause", Event::Steer(Verb::Pause)),
        ("resume", Event::Steer(Verb::Resume)),
        ("resume --skip-monitors", Event::Steer(Verb::SkipMonitors)),
        ("abort", Event::Steer(Verb::Abort)),
        ("retry", Event::Steer(Verb::Retry)),
        ("rollback", Event::Rollback),
        ("retire", retire()),
        ("retire --force", insist(retire())),
        (
            "extend --by 10m",
            Event::Steer(Verb::Extend {
                by: Duration::from_secs(600),
            }),
        ),
        ("deploy v1.4", deploy("v1.4", &["10.0.0.4:80"])),
        ("scale green", scale(Colour::Green, &["10.0.0.5:80"])),
    ]
}

fn outcome(result: &Result<Step, Refusal>) -> String {
    match result {
        Err(refusal) => format!(
            "{} {}: {}\n     {}\n",
            refusal.reason.exit_code(),
            refusal.reason.name(),
            refusal.message,
            refusal.remedy
        ),
        Ok(step) => {
            let rollout = step.state.rollout.as_deref();
            let after = match rollout {
                Some(rollout) if step.changed => format!(
                    "release {} {}, {}% in green: {}",
                    rollout.number,
                    rollout.phase,
                    step.state.split().green,
                    rollout.reason
                ),
                _ => format!("unchanged: {}", step.what),
            };
            format!("0 {:?}: {after}\n", step.kind)
        }
    }
}

fn table() -> String {
    let mut table = String::from(
        "What each verb does to a release in each phase: exit code, kind of the revision, then release and phase after it, or the\n\
         reason of the refusal and what to do instead.\n",
    );
    for story in situations() {
        let rollout = story.rollout();
        let _ = write!(table, "\n## {}\n{}\n\n", rollout.phase, rollout.reason);
        for (text, event) in verbs() {
            let _ = write!(table, "{text}\n   {}", outcome(&story.would(&event)));
        }
    }
    table
}

#[test]
fn every_verb_in_every_phase() {
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write("src/release/tests/lifecycle.golden.txt", &table).unwrap();
        return;
    }
    assert_eq!(table, GOLDEN);
}

#[test]
fn every_phase_is_among_the_situations() {
    let phases: Vec<RolloutPhase> = situations().iter().map(Story::phase).collect();
    assert_eq!(phases, RolloutPhase::ALL);
}
