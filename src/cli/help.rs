//! The overview of `bluegreen --help`: the verbs in groups, since clap lists them in one.

use std::fmt::Write;

/// The groups, in the order in which they are needed. A verb that is in none comes under "Other".
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Release a version",
        &[
            "release", "deploy", "validate", "approve", "reject", "preview", "shadow", "shift",
            "switch", "rollback", "pause", "resume", "abort", "retry", "extend", "retire", "scale",
        ],
    ),
    ("Declare", &["apply", "get", "describe", "export", "delete"]),
    ("See", &["status", "watch", "fleet"]),
    ("History", &["releases", "history", "diff", "show"]),
    ("Run", &["serve", "rebuild", "completions"]),
];

/// The same command line with its verbs listed in groups.
pub(super) fn grouped(command: clap::Command) -> clap::Command {
    let verbs: Vec<&clap::Command> = command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help" && !verb.is_hide_set())
        .collect();
    let width = verbs
        .iter()
        .map(|verb| label(verb).len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    let mut section = |title: &str, verbs: &[&clap::Command]| {
        if verbs.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}:"); // a String takes everything
        for verb in verbs {
            let about = verb
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let _ = writeln!(text, "  {:width$}  {about}", label(verb));
        }
        text.push('\n');
    };
    for (title, names) in GROUPS {
        let listed: Vec<_> = names
            .iter()
            .filter_map(|name| verbs.iter().find(|verb| verb.get_name() == *name).copied())
            .collect();
        section(title, &listed);
    }
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others: Vec<_> = verbs
        .iter()
        .filter(|verb| !grouped(verb.get_name()))
        .copied()
        .collect();
    section("Other", &others);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}Options:\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

/// The verb with its aliases.
fn label(verb: &clap::Command) -> String {
    std::iter::once(verb.get_name())
        .chain(verb.get_visible_aliases())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use crate::cli;

    #[test]
    fn every_verb_is_in_a_group_and_explains_itself() {
        let serve = clap::Command::new("serve").about("Run the control plane");
        let whole = cli::command([serve]);
        let help = whole.clone().render_long_help().to_string();
        assert!(!help.contains("Other:"), "{help}");
        for verb in whole.get_subcommands() {
            assert!(help.contains(&format!("  {}", verb.get_name())), "{help}");
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
            // The server's own verb is not described here.
            let example = verb.get_after_help().map(ToString::to_string);
            assert!(
                verb.get_name() == "serve"
                    || example.is_some_and(|text| text.contains("bluegreen ")),
                "{} has no example",
                verb.get_name()
            );
        }
        whole.debug_assert();
    }

    #[test]
    fn help_is_a_verb_too() {
        let command = cli::command([]);
        let help = command.try_get_matches_from(["bluegreen", "help", "switch"]);
        let help = help.unwrap_err();
        assert_eq!(help.kind(), clap::error::ErrorKind::DisplayHelp);
        assert!(help.to_string().contains("in one push"), "{help}");
    }

    #[test]
    fn a_verb_that_nobody_grouped_is_listed_all_the_same() {
        let help = cli::command([clap::Command::new("dance").about("Dance")])
            .render_help()
            .to_string();
        assert!(help.contains("Other:\n  dance"), "{help}");
    }
}
