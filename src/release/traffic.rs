//! What moves traffic: switch and rollback.

use super::{
    Environment, Moved, Phase, Reason, Refusal, Release, Role, ServiceState, StepKind,
    draft::{Done, Draft},
    words::{self, held},
};
use crate::model::Colour;

impl Draft<'_> {
    /// All traffic to the other environment.
    ///
    /// Named invariant: **a switch never flips back** by being repeated. The standby is a target only if its
    /// colour is given, with or without `force`.
    pub(super) fn switch(
        &mut self,
        to: Option<Colour>,
        force: bool,
        skip_gates: bool,
    ) -> Result<Done, Refusal> {
        let live = self.state.live;
        let target = live.other();
        if to == Some(live) {
            return Ok(self.live_already());
        }
        let environment = self.state.environment(target).clone();
        let Some(deployment) = environment.deployment else {
            return Err(self.nothing_staged(target));
        };
        if environment.role == Role::Standby && to.is_none() {
            return Err(self.standby_is_target(target, &held(&deployment)));
        }
        let name = self.state.name.clone();
        if environment.rolled_back {
            let refusal = Refusal::new(
                Reason::WasRolledBack,
                format!(
                    "{name} {} in {target} was live and was rolled back",
                    held(&deployment)
                ),
                format!(
                    "deploy a fix: `{}`, or insist: `bluegreen switch {name} --force`",
                    words::deploy(&self.state, "VERSION", &[])
                ),
            );
            self.unless(force, refusal)?;
        }
        if deployment.is_unreachable() {
            let why = if deployment.endpoints.is_empty() {
                "has no endpoints"
            } else {
                "has no endpoint whose name resolves"
            };
            let refusal = Refusal::new(
                Reason::NoEndpoints,
                format!(
                    "{name} {} in {target} {why}: every request would fail",
                    held(&deployment)
                ),
                format!(
                    "name where it runs: `{}`",
                    words::scale(&self.state, target, &[])
                ),
            );
            self.unless(force, refusal)?;
        }
        self.go_forward(target, force, skip_gates)
    }

    /// All traffic moves, now.
    pub(super) fn switch_now(&mut self) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let live = self.state.live;
        let target = live.other();
        let (Some(deployment), Some(rollout)) = (
            self.state.environment(target).deployment.clone(),
            self.state.rollout.as_deref().cloned(),
        ) else {
            return Err(self.nothing_staged(target));
        };
        let before = self.state.environment(live).deployment.as_ref();
        let release = Release {
            number: rollout.number,
            // Where nothing was live there is nothing to go back to.
            phase: before.map_or(Phase::Completed, |_| Phase::Switched),
            from: live,
            from_deployment: before.map_or(0, |deployment| deployment.number),
            from_version: before.map_or_else(String::new, |deployment| deployment.version.clone()),
            to_deployment: deployment.number,
            to_version: deployment.version.clone(),
            switched_in: self.context.revision,
            switched_at: self.context.now,
            rolled_back_in: None,
        };
        let what = match before {
            Some(before) => format!(
                "switched {name} from {live} ({}) to {target} ({})",
                before.version, deployment.version
            ),
            None => format!(
                "switched {name} to {target} ({}), its first version",
                deployment.version
            ),
        };
        let moved = forward(&release);
        self.state.release = Some(release);
        self.make_live(target, Role::Standby, false);
        self.switched(&what);
        Ok(Done::new(StepKind::Switch, what).moved(moved))
    }

    /// All traffic back to exactly the deployment that was live before the last switch, with its endpoints of
    /// today. It asks for nothing else: whatever is wrong with the fleet, the way back is open.
    ///
    /// Named invariant: **a rollback repeated never goes forward**: it is the same rollback.
    pub(super) fn rollback(&mut self) -> Result<Done, Refusal> {
        let by = match (self.context.by_server, self.context.why.as_str()) {
            (true, why) => why.to_owned(),
            (false, "") => format!("by {}", self.context.actor),
            (false, why) => format!("by {} ({why})", self.context.actor),
        };
        let by_server = self.context.by_server;
        let done = self.rollback_because(&by)?;
        let revision = Some(self.context.revision);
        self.change(|rollout| {
            rollout.rolled_back_by_server |= by_server && rollout.moved_in == revision;
        });
        Ok(done)
    }

    /// The same; the release says why.
    pub(super) fn rollback_because(&mut self, why: &str) -> Result<Done, Refusal> {
        if let Some(done) = self.unshift(why) {
            return Ok(done);
        }
        let name = self.state.name.clone();
        // Not switched yet: the way back is to take the share back.
        if self.state.shifting.weight > 0 {
            return Ok(self.take_share_back());
        }
        let Some(release) = self.state.release.clone() else {
            return Err(self.nothing_to_roll_back(None));
        };
        let target = release.from;
        if release.phase == Phase::RolledBack {
            let next = self.and_what_goes_on();
            let what = format!(
                "{name} is rolled back already, from {} to {} in {target}{next}",
                release.to_version, release.from_version
            );
            return Ok(Done::already(what, release.rolled_back_in).moved(backward(&release)));
        }
        let environment = self.state.environment(target);
        let deployment = match &environment.deployment {
            Some(present) if self.state.live != target && release.from_deployment != 0 => {
                if present.number != release.from_deployment {
                    let (next, give_up) = match self.next_on_its_way() {
                        Some((next, abort)) => {
                            (format!("; {next}"), format!("{abort} first, then "))
                        }
                        None => (String::new(), String::new()),
                    };
                    return Err(Refusal::new(
                        Reason::StandbyReplaced,
                        format!(
                            "{target} was {} (deployment {}), now {} ({}): it can't be rolled back to{next}",
                            release.from_version,
                            release.from_deployment,
                            present.version,
                            present.number
                        ),
                        format!(
                            "{give_up}deploy {} again: `{}`, then `bluegreen switch {name}`",
                            release.from_version,
                            words::deploy(&self.state, &release.from_version, &[])
                        ),
                    ));
                }
                present
            }
            _ => return Err(self.nothing_to_roll_back(Some(&release))),
        };
        if release.phase == Phase::Completed {
            return Err(self.nothing_to_roll_back(Some(&release)));
        }
        if deployment.is_unreachable() {
            return Err(Refusal::new(
                Reason::StandbyEmpty,
                format!(
                    "{name} {} in {target} has no endpoints any more",
                    held(deployment)
                ),
                format!(
                    "give it endpoints: `{}`, then `bluegreen rollback {name}`",
                    words::scale(&self.state, target, &[])
                ),
            ));
        }
        let what = format!(
            "rolled {name} back from {} ({}) to {target} ({})",
            self.state.live, release.to_version, release.from_version
        );
        let moved = backward(&release);
        self.state.release = Some(Release {
            phase: Phase::RolledBack,
            rolled_back_in: Some(self.context.revision),
            ..release
        });
        self.make_live(target, Role::Staged, true);
        if !self.gave_up_the_next(&moved, why) {
            self.went_back(why);
        }
        Ok(Done::new(StepKind::Switch, what).moved(moved))
    }

    /// A release that has moved no traffic yet and goes on, and the command that gives it up: whoever goes back must not believe
    /// that nothing will move.
    fn next_on_its_way(&self) -> Option<(String, String)> {
        let next = self
            .active()
            .filter(|it| it.standing().is_before_traffic())?;
        let what = format!(
            "release {} ({}) is {}",
            next.number, next.to.version, next.phase
        );
        Some((what, format!("`bluegreen abort {}`", self.state.name)))
    }

    /// The same, as the end of a sentence; nothing where there is none.
    pub(super) fn and_what_goes_on(&self) -> String {
        let next = self.next_on_its_way();
        next.map_or_else(String::new, |(next, abort)| {
            format!("; {next}: {abort} gives it up")
        })
    }

    /// Named invariant: **exactly one environment is live**, before and after.
    fn make_live(&mut self, target: Colour, old_role: Role, old_rolled_back: bool) {
        let old = self.state.environment_mut(target.other());
        if old.deployment.is_some() {
            old.role = old_role;
            old.rolled_back = old_rolled_back;
        } else {
            *old = Environment::EMPTY;
        }
        let new = self.state.environment_mut(target);
        new.role = Role::Live;
        new.rolled_back = false;
        self.state.live = target;
        self.state.shifting.weight = 0;
    }

    fn live_already(&self) -> Done {
        let ServiceState {
            name,
            live,
            release,
            ..
        } = &self.state;
        let version = self.state.environment(*live).deployment.as_ref();
        let what = match version {
            Some(deployment) => {
                format!("{name} is live in {live} ({}) already", deployment.version)
            }
            None => format!("{name} is live in {live} already, without a deployment"),
        };
        match release {
            Some(release) if release.phase == Phase::RolledBack && release.from == *live => {
                Done::already(what, release.rolled_back_in).moved(backward(release))
            }
            Some(release) if release.phase != Phase::RolledBack && release.from != *live => {
                Done::already(what, Some(release.switched_in)).moved(forward(release))
            }
            _ => Done::already(what, None),
        }
    }

    fn nothing_staged(&self, target: Colour) -> Refusal {
        Refusal::new(
            Reason::NothingStaged,
            format!(
                "{} has nothing to switch to: {target} is empty",
                self.state.name
            ),
            format!(
                "deploy a version: `{}`",
                words::deploy(&self.state, "VERSION", &[])
            ),
        )
    }

    fn standby_is_target(&self, target: Colour, standby: &str) -> Refusal {
        let name = &self.state.name;
        Refusal::new(
            Reason::StandbyIsTarget,
            format!(
                "{name} has nothing staged: {target} has {standby}, the standby of the last switch"
            ),
            format!(
                "to go back: `bluegreen rollback {name}`; to make it a new release: `bluegreen switch {name} --to {target}`"
            ),
        )
    }

    fn nothing_to_roll_back(&self, release: Option<&Release>) -> Refusal {
        let name = &self.state.name;
        let other = self.state.live.other();
        let refuse = |message, remedy| Refusal::new(Reason::NothingToRollBack, message, remedy);
        // A fleet that was taken back has the standby of then, and no release that belongs to it.
        if self.state.environment(other).role == Role::Standby {
            return refuse(
                format!("the last release of {name} was ended by a rollback of its fleet"),
                format!("to use the standby: `bluegreen switch {name} --to {other}`"),
            );
        }
        if let Some(active) = self.active()
            && active.standing().is_before_traffic()
        {
            return refuse(
                format!(
                    "release {} of {name} ({}) has moved no traffic yet",
                    active.number, active.to.version
                ),
                format!("to give it up: `bluegreen abort {name}`"),
            );
        }
        match release {
            None => refuse(
                format!("{name} has not been switched yet"),
                self.where_it_never_was(other),
            ),
            Some(release) if release.from_deployment == 0 => refuse(
                format!("{name} {} is its first version", release.to_version),
                format!(
                    "deploy another: `{}`",
                    words::deploy(&self.state, "VERSION", &[])
                ),
            ),
            Some(release) => refuse(
                format!(
                    "{name} has no standby any more: {} (deployment {}) was given up",
                    release.from_version, release.from_deployment
                ),
                format!(
                    "deploy {} again: `{}`, then `bluegreen switch {name}`",
                    release.from_version,
                    words::deploy(&self.state, &release.from_version, &[])
                ),
            ),
        }
    }

    /// What to do where nothing was switched. A service that was declared anew, as from an export, does not know where its traffic was.
    fn where_it_never_was(&self, other: Colour) -> String {
        let name = &self.state.name;
        let see = format!("there is nothing to do; see `bluegreen status {name}`");
        let environment = self.state.environment(other);
        match &environment.deployment {
            Some(staged) if !staged.endpoints.is_empty() => format!(
                "{see}. If it was declared anew after a switch, as from an export: `bluegreen switch {name} --to {other}` moves the traffic to {}",
                staged.version
            ),
            _ => see,
        }
    }
}

fn forward(release: &Release) -> Moved {
    Moved {
        from: release.from,
        to: release.from.other(),
        from_version: release.from_version.clone(),
        to_version: release.to_version.clone(),
    }
}

fn backward(release: &Release) -> Moved {
    Moved {
        from: release.from.other(),
        to: release.from,
        from_version: release.to_version.clone(),
        to_version: release.from_version.clone(),
    }
}
