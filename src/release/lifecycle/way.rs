//! The way by which gates reach the staged version through the proxies: a preview route that is there for as long as they run.
//!
//! Named invariant: **gates never meet the live version in place of the staged one**: nothing ends or changes that route but the end of
//! the gates. What a person previews by it goes on meanwhile, and is given back afterwards.

use std::time::Duration;

use super::{
    super::{PREVIEW_HEADER, Preview, Refusal, Temporary, draft::Draft},
    RolloutPhase,
};
use crate::model::{EndedBy, Revision};

/// So long the route has at first, in case that nobody ends it; gates that take longer get as much again.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

impl Draft<'_> {
    /// Makes the route; false: there can't be one, which the gates then say. It asks for the header of a preview that is there.
    pub(super) fn open_preview(&mut self) -> bool {
        let there = self.state.shifting.preview.clone();
        let there = there.filter(|preview| !preview.window.over);
        let (header, value) = match &there {
            Some(preview) => (preview.header.clone(), Some(preview.value.clone())),
            None => (PREVIEW_HEADER.to_owned(), None),
        };
        // What proxies can end by themselves waits for a key beside the routes. Gates begin when every proxy has the routes, and
        // would be answered by the live version where the key is still on its way.
        let made = self.preview(&header, value.as_deref(), LIMIT, EndedBy::Server);
        if made.is_err() {
            return false;
        }
        let revision = self.context.revision;
        self.change(|rollout| {
            rollout.preview_in = Some(revision);
            rollout.preview_before = there.map(Box::new);
        });
        true
    }

    /// Takes the route away again, on the way to `next`, and gives a person's preview back whose time is not over.
    pub(super) fn close_preview(&mut self, next: RolloutPhase) {
        let Some(rollout) = self.state.rollout.as_deref_mut() else {
            return;
        };
        let (opened, before) = (rollout.preview_in.take(), rollout.preview_before.take());
        let preview = self.state.shifting.preview.as_ref();
        if opened.is_none() || preview.map(|it| it.window.started_in) != opened {
            return;
        }
        self.state.shifting.over(Temporary::Preview);
        // Where traffic moves, nothing but routes may change, and what has traffic needs no preview.
        let moves = matches!(next, RolloutPhase::Shifting | RolloutPhase::Switching);
        let now = self.context.now;
        self.state.shifting.preview = before
            .map(|before: Box<Preview>| *before)
            .filter(|before| !moves && before.window.until > now);
    }

    /// The route goes on where its time is over and gates still go by it; false: it is none of theirs.
    pub(in crate::release) fn prolong_preview(
        &mut self,
        started_in: Revision,
    ) -> Result<bool, Refusal> {
        let opened = self.state.rollout.as_deref().and_then(|it| it.preview_in);
        if opened != Some(started_in) {
            return Ok(false);
        }
        let window = self.window(Temporary::Preview, LIMIT, EndedBy::Server)?;
        let revision = self.context.revision;
        if let Some(preview) = &mut self.state.shifting.preview {
            preview.window = window;
        }
        self.change(|rollout| rollout.preview_in = Some(revision));
        Ok(true)
    }

    /// Refuses what a person wants of the preview while gates go by its route.
    pub(in crate::release) fn guard_preview(&self) -> Result<(), Refusal> {
        let opened = self.state.rollout.as_deref().and_then(|it| it.preview_in);
        match (opened, &self.state.shifting.preview) {
            (Some(_), Some(preview)) => Err(self.running(&format!(
                "its gates go by the preview, which is there for requests with {}: {}",
                preview.header, preview.value
            ))),
            _ => Ok(()),
        }
    }
}
