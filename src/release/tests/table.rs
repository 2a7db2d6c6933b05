//! The table role × command -> new roles, exit code, message, held in `table.golden.txt`, for people to read and
//! for this test to compare. After a wanted change: `UPDATE_GOLDEN=1 cargo test --lib release::tests::table`.

use std::fmt::Write;

use super::{Story, apply, deploy, endpoints, environment, insist, retire, scale, spec, switch};
use crate::{
    model::{Colour, EnvironmentSpec},
    release::{Event, Refusal, Release, ServiceState, Step},
};

const GOLDEN: &str = include_str!("table.golden.txt");

/// Every situation that a service can be in, as far as commands tell them apart.
fn situations() -> Vec<(&'static str, Story)> {
    let staged = || Story::one().then(deploy("v1.3", &["10.0.0.2:80"]));
    let switched = || staged().then(switch(None));
    let rolled_back = || switched().then(Event::Rollback);
    vec![
        (
            "nothing declared",
            Story::new(spec(None, None, Colour::Blue)),
        ),
        ("the other is empty", Story::one()),
        ("the other is staged", staged()),
        (
            "the other is staged, without endpoints",
            staged().then(scale(Colour::Green, &[])),
        ),
        (
            "live without endpoints, the other is staged",
            staged().then(insist(scale(Colour::Blue, &[]))),
        ),
        ("switched: the other is standby", switched()),
        (
            "switched, and the standby lost its endpoints",
            switched().then(insist(scale(Colour::Blue, &[]))),
        ),
        (
            "switched, and the standby was retired",
            switched().then(retire()),
        ),
        (
            "switched, and the standby was replaced",
            switched().then(insist(deploy("v1.4", &["10.0.0.3:80"]))),
        ),
        ("rolled back: the other is staged, and bad", rolled_back()),
        (
            "rolled back, and a fix is staged",
            rolled_back().then(deploy("v1.3.1", &["10.0.0.3:80"])),
        ),
        (
            "rolled back, and switched again by force",
            rolled_back().then(insist(switch(None))),
        ),
        (
            "first version switched to",
            Story::new(spec(None, None, Colour::Blue))
                .then(deploy("v1.2", &["10.0.0.1:80"]))
                .then(switch(None)),
        ),
    ]
}

/// Every command, as it is typed for a service in that state, and the flag that insists on it.
fn commands(state: &ServiceState) -> Vec<(String, &'static str, Event)> {
    let (live, other) = (state.live, state.live.other());
    let mut commands = Vec::new();
    let mut add = |text: &str, flag, event: Event| commands.push((text.to_owned(), flag, event));
    add(
        "deploy v2",
        "--replace-standby",
        deploy("v2", &["10.0.0.9:80"]),
    );
    add(
        "deploy v2, no --endpoint",
        "--replace-standby",
        deploy("v2", &[]),
    );
    if let Some(present) = &state.environment(other).deployment {
        let again = |endpoints| Event::Deploy {
            version: present.version.clone(),
            endpoints,
            replace_standby: false,
        };
        if !present.endpoints.is_empty() {
            add(
                "deploy what other has",
                "--replace-standby",
                again(present.endpoints.clone()),
            );
        }
        let elsewhere = again(endpoints(&["10.0.0.9:80"]));
        add(
            "deploy the version of other, elsewhere",
            "--replace-standby",
            elsewhere,
        );
    }
    if let Some(present) = &state.environment(live).deployment {
        let event = deploy(&present.version, &["10.0.0.9:80"]);
        add(
            "deploy the version of live, elsewhere",
            "--replace-standby",
            event,
        );
    }
    for (which, colour, flag) in [
        ("live", live, "--force"),
        ("other", other, "--replace-standby"),
    ] {
        add(
            &format!("scale {which}"),
            flag,
            scale(colour, &["10.0.0.9:80"]),
        );
        add(&format!("scale {which} to none"), flag, scale(colour, &[]));
    }
    add("switch", "--force", switch(None));
    add("switch --to live", "--force", switch(Some(live)));
    add("switch --to other", "--force", switch(Some(other)));
    add("rollback", "", Event::Rollback);
    add("retire", "", retire());
    let with = |colour: Colour, environment: Option<EnvironmentSpec>| -> Event {
        let mut spec = state.in_force();
        spec.environments.set(colour, environment);
        apply(spec)
    };
    let v2 = || Some(environment("v2", &["10.0.0.9:80"]));
    add(
        "apply what is in force",
        "--force --replace-standby",
        apply(state.in_force()),
    );
    add(
        "apply v2 in live",
        "--force --replace-standby",
        with(live, v2()),
    );
    add(
        "apply v2 in other",
        "--force --replace-standby",
        with(other, v2()),
    );
    add(
        "apply without live",
        "--force --replace-standby",
        with(live, None),
    );
    add(
        "apply without other",
        "--force --replace-standby",
        with(other, None),
    );
    commands
}

fn situation(state: &ServiceState) -> String {
    let environments = Colour::BOTH.map(|colour| {
        let environment = state.environment(colour);
        let mut text = format!("{colour} {:?}", environment.role).to_lowercase();
        if let Some(deployment) = &environment.deployment {
            let _ = write!(text, " {} ({})", deployment.version, deployment.number);
            if deployment.endpoints.is_empty() {
                text.push_str(" no endpoints");
            }
        }
        if environment.rolled_back {
            text.push_str(" rolled back");
        }
        text
    });
    let release = match &state.release {
        None => "no release".to_owned(),
        Some(Release { number, phase, .. }) => format!("release {number} {phase:?}"),
    };
    format!("{} | {} | {release}", environments[0], environments[1])
}

fn outcome(result: &Result<Step, Refusal>) -> String {
    let mut text = String::new();
    match result {
        Err(Refusal {
            reason,
            message,
            remedy,
        }) => {
            let _ = writeln!(
                text,
                "  {} {}: {message}",
                reason.exit_code(),
                reason.name()
            );
            let _ = writeln!(text, "     {remedy}");
        }
        Ok(step) => {
            let after = if step.changed {
                situation(&step.state)
            } else {
                "unchanged".to_owned()
            };
            let _ = writeln!(text, "   0 {after}");
            let _ = writeln!(text, "     {}", step.what);
            for notice in &step.notices {
                let _ = writeln!(text, "     notice {}: {}", notice.kind, notice.text);
            }
            for waived in &step.waived {
                let _ = writeln!(text, "     waived {}", waived.name());
            }
        }
    }
    text
}

fn table() -> String {
    let mut table = String::from(
        "What each command does in each situation: exit code, then the environments (deployment) and the release after\n\
         it, or the reason of the refusal; then the sentence in the history, or what to do instead. Flags in brackets\n\
         make no difference.\n",
    );
    for (title, story) in situations() {
        let _ = write!(table, "\n## {title}\n{}\n\n", situation(&story.state));
        for (text, flag, event) in commands(&story.state) {
            let plain = outcome(&story.would(&event));
            let insisted = outcome(&story.would(&insist(event)));
            let _ = match (plain == insisted, flag) {
                (true, "") => write!(table, "{text}\n{plain}"),
                (true, flag) => write!(table, "{text} [{flag}]\n{plain}"),
                (false, flag) => write!(table, "{text}\n{plain}{text} {flag}\n{insisted}"),
            };
        }
    }
    table
}

#[test]
fn the_table_of_roles_and_commands_is_as_agreed() {
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/release/tests/table.golden.txt"
        );
        std::fs::write(path, &table).unwrap();
        return;
    }
    let differs = table
        .lines()
        .zip(GOLDEN.lines())
        .position(|(now, agreed)| now != agreed);
    let line = differs.unwrap_or_else(|| table.lines().count().min(GOLDEN.lines().count()));
    assert!(
        table == GOLDEN,
        "line {} of table.golden.txt\n  agreed: {:?}\n  now:    {:?}",
        line + 1,
        GOLDEN.lines().nth(line),
        table.lines().nth(line)
    );
}
