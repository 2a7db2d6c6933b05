//! Why commands are refused: the one list of reasons, with the exit code and the meaning of each.

/// One line per reason makes the variant, its name, its exit code and its meaning, so that none of them can be
/// forgotten.
macro_rules! reasons {
    ($($variant:ident $name:literal $code:literal $doc:literal;)*) => {
        /// Why a command is refused. Names and exit codes are part of the product: scripts depend on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $doc] $variant,)*
        }

        impl Reason {
            /// Every reason, by exit code.
            pub const ALL: &[Reason] = &[$(Reason::$variant),*];

            /// The stable name, in kebab-case, as answers and the history carry it.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// What the command line exits with.
            pub fn exit_code(self) -> u8 {
                match self { $(Reason::$variant => $code,)* }
            }

            /// What it means, in a sentence for the operator's manual.
            pub fn doc(self) -> &'static str {
                match self { $(Reason::$variant => $doc,)* }
            }
        }
    };
}

reasons! {
    BadInput "bad-input" 2 "The command or a document is malformed.";
    NotFound "not-found" 3 "The service, fleet, document, proxy or revision does not exist.";
    FleetMovedOn "fleet-moved-on" 4 "The fleet is not at the revision that the command was meant for.";
    NotAllowed "not-allowed" 9 "The token is missing, wrong, or not good enough for the command, or a manual check asks others.";
    NoEndpoints "no-endpoints" 20 "The deployment has no endpoints, or none of them has an address.";
    FleetLagging "fleet-lagging" 21 "Proxies of the roster have not accepted the target's endpoints yet.";
    EndpointUnreachable "endpoint-unreachable" 22 "An endpoint of the target does not answer.";
    StandbyIsTarget "standby-is-target" 23 "Nothing is staged, and the only other environment is the standby: a switch goes there only if it is named.";
    NotOnlyRoutes "not-only-routes" 24 "Moving the traffic would change more than route configurations.";
    NothingStaged "nothing-staged" 25 "There is no deployment to switch to.";
    WouldReplaceLive "would-replace-live" 26 "Another version would take the place of the live one without a switch.";
    WouldReplaceStandby "would-replace-standby" 27 "The standby, which a rollback needs, would be replaced or emptied.";
    NothingToRollBack "nothing-to-roll-back" 28 "There was no switch, or its standby is gone.";
    StandbyReplaced "standby-replaced" 29 "The environment that was live before holds another deployment now.";
    StandbyEmpty "standby-empty" 30 "The deployment that was live before has no endpoints any more.";
    WasRolledBack "was-rolled-back" 31 "The target was live and was rolled back.";
    StillRouted "still-routed" 32 "Proxies of the roster may still route to the environment.";
    NothingToRetire "nothing-to-retire" 33 "There is no standby.";
    LiveWouldBeEmpty "live-would-be-empty" 34 "The live environment would have no endpoints.";
    ServicesWouldVanish "services-would-vanish" 35 "Services that did not exist at that revision would be removed.";
    InvalidResources "invalid-resources" 36 "The resources would be wrong in a way that Envoy does not notice.";
    StoreFull "store-full" 37 "There is no room to store the change; rollbacks are still possible.";
    StoreFailed "store-failed" 38 "The change could not be stored.";
    NothingDeployed "nothing-deployed" 39 "The environment has no deployment whose endpoints could change.";
    FleetIsFixed "fleet-is-fixed" 40 "A service can't move to another fleet.";
    EndpointUnresolved "endpoint-unresolved" 41 "The host name of a new endpoint has no address.";
    GatesNotPassed "gates-not-passed" 42 "The gates have not passed for exactly this deployment and its endpoints.";
    ReleaseRunning "release-running" 43 "A release of the service is on its way, and the command does not go with it.";
    ReleasePaused "release-paused" 44 "The release is paused.";
    NoRelease "no-release" 45 "The service has no release on its way.";
    WrongPhase "wrong-phase" 46 "The release is in a phase in which the command means nothing.";
    StandbyNotOver "standby-not-over" 47 "The standby's time is not over yet.";
    StillOpen "still-open" 48 "Requests or streams are still open on the environment.";
    HasShare "has-share" 49 "The staged environment has a share of the traffic, and a mirror would send those requests twice.";
}

/// A command that is not carried out, and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why, for programs.
    pub reason: Reason,
    /// What stands in the way, in a sentence for a person.
    pub message: String,
    /// What the operator can do next, with the command to type.
    pub remedy: String,
}

impl Refusal {
    /// A refusal; `message` and `remedy` are one line each.
    pub fn new(reason: Reason, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_exit_codes_are_unique_and_in_order() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(Reason::ALL.is_sorted_by(|a, b| a.exit_code() < b.exit_code()));
    }

    #[test]
    fn the_manual_has_every_reason_with_its_code() {
        let manual = include_str!("../../docs/operations.md");
        let table = manual
            .split("\n## ")
            .find_map(|section| section.strip_prefix("Exit codes\n"));
        let rows: Vec<(&str, &str)> = table
            .expect("a section on exit codes")
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
                let code = cells.next()?;
                let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
                Some((code, name))
            })
            .collect();
        let reasons: Vec<(String, &str)> = Reason::ALL
            .iter()
            .map(|reason| (reason.exit_code().to_string(), reason.name()))
            .collect();
        let reasons: Vec<(&str, &str)> = reasons
            .iter()
            .map(|(code, name)| (code.as_str(), *name))
            .collect();
        assert_eq!(rows, reasons);
    }

    #[test]
    fn names_are_the_variants_in_kebab_case() {
        for reason in Reason::ALL {
            let mut kebab = String::new();
            for c in format!("{reason:?}").chars() {
                if c.is_ascii_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.push(c.to_ascii_lowercase());
            }
            assert_eq!(kebab, reason.name());
        }
    }
}
