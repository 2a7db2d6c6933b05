//! What a release is doing at this moment, beyond what is stored of it: for people who watch.

use std::time::Duration;

use super::super::{Handle, registry::lock};
use crate::{
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

impl Handle {
    /// What the release of a service is doing; None: nothing that takes time.
    pub fn release_progress(&self, service: &Name) -> Option<ReleaseProgress> {
        lock(&self.0.progress).get(service).cloned()
    }

    pub(super) fn set_elapsed(&self, service: &Name, release: u64, elapsed: Duration) {
        self.progress_of(service, release, |progress| progress.elapsed = elapsed);
    }

    pub(super) fn set_analysis(
        &self,
        service: &Name,
        release: u64,
        purpose: Purpose,
        analysis: Analysis,
    ) {
        let found = Some((purpose, analysis));
        let mut news = false;
        self.progress_of(service, release, |progress| {
            news = progress.analysis != found;
            progress.analysis = found;
        });
        // Whoever watches services hears of it; proxies have nothing to do with it.
        if news {
            super::super::handle::bump(&self.0.shared.changes);
        }
    }

    fn progress_of(&self, service: &Name, release: u64, change: impl FnOnce(&mut ReleaseProgress)) {
        let mut all = lock(&self.0.progress);
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
