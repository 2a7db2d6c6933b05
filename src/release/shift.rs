//! The commands that send something to the staged environment before the switch, and end it: `shift`, `shadow`, `preview`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Deployment, PREVIEW_HEADER, Preview, Reason, Refusal, Role, Rollout, RolloutPhase, Shadow,
    StepKind, Temporary, Window,
    draft::{Done, Draft},
    words::{self, held},
};
use crate::model::{EndedBy, HumanDuration, MAX_DURATION, Revision, is_header_value, is_token};

impl Draft<'_> {
    /// A share of the traffic to the staged environment. All of it is a switch, and none takes the share back.
    pub(super) fn shift(&mut self, weight: u32, force: bool) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        if weight >= 100 {
            return Err(Refusal::new(
                Reason::BadInput,
                format!("{weight}% is no share: a weight is from 0 to 99"),
                format!("all of the traffic moves with `bluegreen switch {name}`"),
            ));
        }
        let (live, before) = (self.state.live, self.state.shifting.weight);
        if weight == 0 && before == 0 {
            let what = format!("all traffic of {name} goes to {live} already");
            return Ok(Done::already(what, None));
        }
        let moves_it = |rollout: &Rollout| rollout.standing() == RolloutPhase::Shifting;
        if weight == 0 && !self.active().is_some_and(moves_it) {
            return Ok(self.take_share_back());
        }
        self.guard_shift(weight > before && !force)?;
        let staged = self.staged("shift traffic to", weight > before && !force)?;
        let (to, version) = (live.other(), staged.version);
        if weight == before {
            let what = format!("{weight}% of {name} goes to {to} ({version}) already");
            return Ok(Done::already(what, None));
        }
        // Its requests would go to the same place twice.
        self.state.shifting.over(Temporary::Shadow);
        self.state.shifting.weight = weight;
        let what = format!("shifted {weight}% of {name} to {to} ({version}), from {before}%");
        Ok(Done::new(StepKind::Switch, what))
    }

    /// A share that was given by hand goes back to what is live, whatever the version is that has it, and whatever release is on its
    /// way.
    pub(super) fn take_share_back(&mut self) -> Done {
        self.state.shifting.weight = 0;
        let next = self.and_what_goes_on();
        let (name, live) = (&self.state.name, self.state.live);
        let what = format!("shifted all traffic of {name} back to {live}{next}");
        Done::new(StepKind::Switch, what)
    }

    /// Traffic is shifted by hand only where no release does it, and only to what has passed the gates there are.
    fn guard_shift(&mut self, judged: bool) -> Result<(), Refusal> {
        let moves =
            |phase: RolloutPhase| phase.is_before_traffic() || phase == RolloutPhase::Shifting;
        if self.active().is_some_and(|active| moves(active.standing())) {
            return Err(self.running("its traffic is not shifted by hand"));
        }
        let gates = self
            .state
            .spec
            .release
            .as_ref()
            .map_or(0, |it| it.validation.len());
        if gates > 0 {
            let name = &self.state.name;
            let refusal = Refusal::new(
                Reason::GatesNotPassed,
                format!("{name} has {gates} gates that a share of the traffic has to wait for"),
                format!(
                    "let a release shift it: `bluegreen validate {name}`, then `bluegreen switch {name}`; or insist with --force"
                ),
            );
            self.unless(!judged, refusal)?;
        }
        Ok(())
    }

    /// Copies of live requests to the staged environment.
    pub(super) fn shadow(
        &mut self,
        percent: u32,
        duration: Duration,
        ended_by: EndedBy,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        if !(1..=100).contains(&percent) {
            return Err(Refusal::new(
                Reason::BadInput,
                format!("{percent}% can't be mirrored: a share is from 1 to 100"),
                format!("`bluegreen shadow {name} --percent 10 --for 10m`"),
            ));
        }
        let staged = self.staged("mirror to", false)?;
        if self.state.shifting.weight > 0 {
            return Err(Refusal::new(
                Reason::HasShare,
                format!(
                    "{}% of {name} goes to {} for real already: a mirror would send those requests twice",
                    self.state.shifting.weight,
                    self.state.live.other()
                ),
                format!("take the share back first: `bluegreen shift {name} --weight 0`"),
            ));
        }
        let window = self.window(Temporary::Shadow, duration, ended_by)?;
        let until = window.until;
        self.notice(
            "side-effects",
            format!(
                "mirrored requests reach {} for real: whatever they write, send or charge happens a second time",
                held(&staged)
            ),
        );
        let same = |old: &Shadow| old.percent == percent && old.window.is_as(&window);
        if self.state.shifting.shadow.as_ref().is_some_and(same) {
            let what = format!("{percent}% of {name} is mirrored until {until:.0} already");
            return Ok(Done::already(what, None));
        }
        self.state.shifting.shadow = Some(Shadow { percent, window });
        Ok(Done::new(
            StepKind::Change,
            format!(
                "mirrors {percent}% of {name} to {} ({}) until {until:.0}",
                self.state.live.other(),
                staged.version
            ),
        ))
    }

    /// Requests with a header to the staged environment; `value` None: its colour.
    pub(super) fn preview(
        &mut self,
        header: &str,
        value: Option<&str>,
        duration: Duration,
        ended_by: EndedBy,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let to = self.state.live.other();
        let header = header.to_ascii_lowercase();
        let value = value.unwrap_or(to.as_str()).to_owned();
        if !is_token(&header) || header == "host" || !is_header_value(&value) {
            return Err(Refusal::new(
                Reason::BadInput,
                format!("{header:?} with value {value:?} is no header that a preview can ask for"),
                format!("`bluegreen preview {name} --header {PREVIEW_HEADER}={to}`"),
            ));
        }
        self.guard_preview()?;
        let staged = self.staged("preview in", false)?;
        let window = self.window(Temporary::Preview, duration, ended_by)?;
        let until = window.until;
        let what = format!(
            "previews {name} {} in {to} for requests with {header}: {value} until {until:.0}",
            staged.version
        );
        let same = |old: &Preview| {
            (&old.header, &old.value) == (&header, &value) && old.window.is_as(&window)
        };
        if self.state.shifting.preview.as_ref().is_some_and(same) {
            return Ok(Done::already(what, None));
        }
        self.state.shifting.preview = Some(Preview {
            header,
            value,
            window,
        });
        Ok(Done::new(StepKind::Change, what))
    }

    /// Ends a mirror or a preview. `started_in`: only the one that began then, because its time is over. That of a release which
    /// has had less of its time than has passed begins again.
    pub(super) fn end(
        &mut self,
        what: Temporary,
        started_in: Option<Revision>,
    ) -> Result<Done, Refusal> {
        let name = self.state.name.clone();
        let window = self.state.shifting.window(what);
        let meant = window.filter(|w| started_in.is_none_or(|started| started == w.started_in));
        if meant.is_none() {
            let what = format!("{name} has no {} that runs", what.as_str());
            return Ok(Done::already(what, None));
        }
        if what == Temporary::Preview {
            match started_in {
                Some(started_in) if self.prolong_preview(started_in)? => {
                    let what = format!("the preview of {name} goes on: its gates go by it");
                    return Ok(Done::new(StepKind::Change, what));
                }
                Some(_) => {}
                None => self.guard_preview()?,
            }
        }
        let done = format!("ended the {} of {name}", what.as_str());
        self.state.shifting.clear(what);
        if what == Temporary::Shadow && started_in.is_some() {
            // What can't be mirrored to any more has just ended.
            let _ = self.mirror_again();
            if let Some(shadow) = &self.state.shifting.shadow {
                let until = shadow.window.until;
                let what = format!(
                    "the shadow of {name} goes on until {until:.0}: its release has had less of its time than has passed"
                );
                return Ok(Done::new(StepKind::Change, what));
            }
        }
        Ok(Done::new(StepKind::Change, done))
    }

    pub(super) fn window(
        &self,
        what: Temporary,
        duration: Duration,
        ended_by: EndedBy,
    ) -> Result<Window, Refusal> {
        if duration.is_zero() || duration > MAX_DURATION {
            return Err(Refusal::new(
                Reason::BadInput,
                format!(
                    "a {} runs for more than 0 and at most {}, not {}",
                    what.as_str(),
                    HumanDuration(MAX_DURATION),
                    HumanDuration(duration)
                ),
                "say for how long, e.g. --for 10m",
            ));
        }
        let now = self.context.now;
        let span = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Ok(Window {
            to: self.state.live.other(),
            started_in: self.context.revision,
            since: now,
            until: now.checked_add(span).unwrap_or(Timestamp::MAX),
            ended_by,
            over: false,
        })
    }

    /// The deployment that is staged; with `judged`, one that was not rolled back.
    fn staged(&mut self, verb: &str, judged: bool) -> Result<Deployment, Refusal> {
        let name = self.state.name.clone();
        let colour = self.state.live.other();
        let environment = self.state.environment(colour).clone();
        let Some(deployment) = environment
            .deployment
            .filter(|_| environment.role == Role::Staged)
        else {
            let what = match environment.role {
                Role::Standby => "has the standby",
                _ => "is empty",
            };
            return Err(Refusal::new(
                Reason::NothingStaged,
                format!("{name} has nothing staged to {verb}: {colour} {what}"),
                format!(
                    "deploy a version: `{}`",
                    words::deploy(&self.state, "VERSION", &[])
                ),
            ));
        };
        if environment.rolled_back && judged {
            return Err(Refusal::new(
                Reason::WasRolledBack,
                format!(
                    "{name} {} in {colour} was live and was rolled back",
                    held(&deployment)
                ),
                format!(
                    "deploy a fix: `{}`, or insist with --force",
                    words::deploy(&self.state, "VERSION", &[])
                ),
            ));
        }
        if deployment.is_unreachable() {
            return Err(Refusal::new(
                Reason::NoEndpoints,
                format!("{name} {} in {colour} has no endpoints", held(&deployment)),
                format!(
                    "name where it runs: `{}`",
                    words::scale(&self.state, colour, &[])
                ),
            ));
        }
        Ok(deployment)
    }
}
