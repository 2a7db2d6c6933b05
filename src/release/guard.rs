//! What protects the live environment and the standby from commands that are about environments.

use super::{Reason, Refusal, Role, draft::Draft, words, words::held};
use crate::model::{Colour, Endpoint};

impl Draft<'_> {
    /// Named invariant: **the standby is never replaced** without the operator's word. Refuses, or ends the
    /// release that would go back to it. `version` is what takes its place, `command` what was tried.
    pub(super) fn give_up_standby(
        &mut self,
        colour: Colour,
        replace_standby: bool,
        version: Option<&str>,
        command: &str,
    ) -> Result<(), Refusal> {
        self.guard_share(colour, version)?;
        let Some(refusal) = self.would_replace_standby(colour, version, command) else {
            return Ok(());
        };
        self.unless(replace_standby, refusal)?;
        self.complete_release();
        Ok(())
    }

    /// Why nothing is put in the place of what is in an environment, if that is a standby.
    pub(super) fn would_replace_standby(
        &self,
        colour: Colour,
        version: Option<&str>,
        command: &str,
    ) -> Option<Refusal> {
        let environment = self.state.environment(colour);
        let (Role::Standby, Some(standby)) = (environment.role, &environment.deployment) else {
            return None;
        };
        let name = &self.state.name;
        let live = self.state.environment(colour.other()).deployment.as_ref();
        let would = match version {
            Some(version) if live.is_some_and(|live| live.version == version) => {
                format!("{version}, which is live already, would replace")
            }
            Some(version) => format!("{version} would replace"),
            None => "the document would remove".to_owned(),
        };
        let back = match version {
            Some(version) if version == standby.version => format!(
                "to go back to it: `{}`; to have it elsewhere: `{}`; else ",
                words::plain("rollback", &self.state),
                words::scale(&self.state, colour, &[])
            ),
            _ => String::new(),
        };
        Some(Refusal::new(
            Reason::WouldReplaceStandby,
            format!(
                "{would} {name} {} in {colour}, the standby that a rollback needs",
                held(standby)
            ),
            format!(
                "{back}give it up with `{}` first, or at once: `{command} --replace-standby`",
                words::plain("retire", &self.state)
            ),
        ))
    }

    /// Whether the deployment of an environment may have these endpoints; none at all is a matter of its role.
    pub(super) fn guard_endpoints(
        &mut self,
        colour: Colour,
        endpoints: &[Endpoint],
        replace_standby: bool,
        force: bool,
    ) -> Result<(), Refusal> {
        let environment = self.state.environment(colour);
        let Some(present) = &environment.deployment else {
            return Ok(());
        };
        if !endpoints.is_empty() || present.endpoints.is_empty() {
            return Ok(());
        }
        let name = &self.state.name;
        match environment.role {
            Role::Live => {
                let refusal = Refusal::new(
                    Reason::LiveWouldBeEmpty,
                    format!(
                        "{name} {} in {colour} is live and would have no endpoints: every request would fail",
                        held(present)
                    ),
                    format!(
                        "name where it runs: `{}`, or insist with --force",
                        words::scale(&self.state, colour, &[])
                    ),
                );
                self.unless(force, refusal)
            }
            Role::Standby => {
                let refusal = Refusal::new(
                    Reason::WouldReplaceStandby,
                    format!(
                        "{name} {} in {colour} is the standby that a rollback needs, and would have no endpoints",
                        held(present)
                    ),
                    format!(
                        "give it up: `{}`, or insist with --replace-standby",
                        words::plain("retire", &self.state)
                    ),
                );
                self.unless(replace_standby, refusal)
            }
            Role::Staged if self.state.shifting.weight > 0 => {
                let refusal = Refusal::new(
                    Reason::LiveWouldBeEmpty,
                    format!(
                        "{name} {} in {colour} has {}% of the traffic and would have no endpoints",
                        held(present),
                        self.state.shifting.weight
                    ),
                    format!(
                        "take the traffic back first: `bluegreen shift {name} --weight 0`, or insist with --force"
                    ),
                );
                self.unless(force, refusal)
            }
            Role::Staged | Role::Empty => Ok(()),
        }
    }

    /// A staged deployment that has a share of the traffic is not replaced in place, as little as the live one.
    fn guard_share(&self, colour: Colour, version: Option<&str>) -> Result<(), Refusal> {
        let (name, weight) = (&self.state.name, self.state.shifting.weight);
        let environment = self.state.environment(colour);
        let (Role::Staged, Some(present), true) =
            (environment.role, &environment.deployment, weight > 0)
        else {
            return Ok(());
        };
        if self.active().is_some() {
            return Err(self.running("what it has traffic on can't be changed"));
        }
        let would = version.map_or_else(
            || "the document would remove".to_owned(),
            |version| format!("{version} would replace"),
        );
        Err(Refusal::new(
            Reason::WouldReplaceLive,
            format!(
                "{would} {name} {} in {colour}, which has {weight}% of the traffic",
                held(present)
            ),
            format!("take the traffic back first: `bluegreen shift {name} --weight 0`"),
        ))
    }
}
