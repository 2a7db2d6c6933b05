//! What a release is doing at this moment, beyond what is stored of it: for people who watch.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use crate::{
    controller::sync::lock,
    model::{Name, check::Analysis},
    release::{ClockKey, Purpose, Rollout},
};

/// What a release is doing.
#[derive(Clone, Debug, Default)]
pub struct ReleaseProgress {
    /// The release.
    pub release: u64,
    /// Time that counted and is not stored, and what of it is.
    counted: Option<(ClockKey, Duration)>,
    /// Why no time counts.
    waits_for: Option<String>,
    /// Why the next step can't be stored, and from where it is one.
    stuck: Option<(ClockKey, String)>,
    /// The analysis that runs as far as it is, or the one that ran last, and what it is for.
    pub analysis: Option<(Purpose, Analysis)>,
}

impl ReleaseProgress {
    /// Time that counted in the phase of the release, beyond what is stored in `rollout`.
    pub fn elapsed(&self, rollout: &Rollout) -> Duration {
        let counted = self.counted.filter(|(of, _)| *of == ClockKey::of(rollout));
        counted.map_or(Duration::ZERO, |(_, time)| time)
    }

    /// Why no time counts in the phase of the release; None: it does, or time does not end the phase.
    pub fn waits_for(&self, rollout: &Rollout) -> Option<&str> {
        self.counted
            .filter(|(of, _)| *of == ClockKey::of(rollout))?;
        self.waits_for.as_deref()
    }

    /// Why the release can't take its next step from where it is: the store refuses it. None: nothing is in the way.
    pub fn stuck(&self, rollout: &Rollout) -> Option<&str> {
        let here = |(of, _): &&(ClockKey, String)| *of == ClockKey::of(rollout);
        self.stuck.as_ref().filter(here).map(|(_, why)| &**why)
    }
}

/// Those of one fleet, by service.
#[derive(Default)]
pub(super) struct ReleaseProgresses(Mutex<BTreeMap<Name, ReleaseProgress>>);

impl ReleaseProgresses {
    pub fn of(&self, service: &Name) -> Option<ReleaseProgress> {
        lock(&self.0).get(service).cloned()
    }

    /// True: why no time counts is news.
    pub fn set_clock(
        &self,
        service: &Name,
        of: ClockKey,
        elapsed: Duration,
        waits_for: Option<String>,
    ) -> bool {
        let mut news = false;
        self.change(service, of.release, |progress| {
            news = progress.waits_for != waits_for;
            progress.counted = Some((of, elapsed));
            progress.waits_for = waits_for;
        });
        news
    }

    /// True: it is news.
    pub fn set_stuck(&self, service: &Name, of: ClockKey, why: Option<String>) -> bool {
        let stuck = why.map(|why| (of, why));
        let mut news = false;
        self.change(service, of.release, |progress| {
            news = progress.stuck != stuck;
            progress.stuck = stuck;
        });
        news
    }

    /// True: it is news.
    pub fn set_analysis(
        &self,
        service: &Name,
        release: u64,
        purpose: Purpose,
        analysis: Analysis,
    ) -> bool {
        let found = Some((purpose, analysis));
        let mut news = false;
        self.change(service, release, |progress| {
            news = progress.analysis != found;
            progress.analysis = found;
        });
        news
    }

    fn change(&self, service: &Name, release: u64, change: impl FnOnce(&mut ReleaseProgress)) {
        let mut all = lock(&self.0);
        let progress = all.entry(service.clone()).or_default();
        if progress.release != release {
            *progress = ReleaseProgress {
                release,
                ..ReleaseProgress::default()
            };
        }
        change(progress);
    }
}
