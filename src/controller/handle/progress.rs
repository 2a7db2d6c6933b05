//! What a release is doing at this moment, beyond what is stored of it: for people who watch.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use crate::{
    controller::sync::lock,
    model::{Name, check::Analysis},
    release::Purpose,
};

/// What a release is doing.
#[derive(Clone, Debug, Default)]
pub struct ReleaseProgress {
    /// The release.
    pub release: u64,
    /// Time that counted in its phase, beyond what is stored.
    pub elapsed: Duration,
    /// The analysis that runs as far as it is, or the one that ran last, and what it is for.
    pub analysis: Option<(Purpose, Analysis)>,
}

/// Those of one fleet, by service.
#[derive(Default)]
pub(super) struct ReleaseProgresses(Mutex<BTreeMap<Name, ReleaseProgress>>);

impl ReleaseProgresses {
    pub fn of(&self, service: &Name) -> Option<ReleaseProgress> {
        lock(&self.0).get(service).cloned()
    }

    pub fn set_elapsed(&self, service: &Name, release: u64, elapsed: Duration) {
        self.change(service, release, |progress| progress.elapsed = elapsed);
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
