//! What a group promises when it goes forward: its services move in one revision. Where the release of one goes its way in
//! steps, or mirrors or asks first, and that of another does not, they would part for as long as that takes.

use super::draft::Draft;
use crate::{
    controller::request::CommandError,
    model::Name,
    release::{FleetState, Reason, Refusal},
};

/// So many services are named on each side; the rest is counted.
const NAMED: usize = 5;

/// Refuses what would move some of the services now, and others later.
pub(super) fn in_one_revision(
    before: Option<&FleetState>,
    draft: &Draft,
    services: &[Name],
) -> Result<(), CommandError> {
    let live = |state: &FleetState, name: &Name| state.services.get(name).map(|it| it.live);
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for name in services {
        let was = before.and_then(|before| live(before, name));
        if live(&draft.state, name) != was {
            now.push(name);
            continue;
        }
        let state = draft.state.services.get(name);
        let rollout = state.and_then(|state| state.rollout.as_deref());
        if let Some(rollout) = rollout.filter(|it| !it.is_over() && Some(it.to.colour) != was) {
            later.push((name, rollout.phase));
        }
    }
    if now.is_empty() || later.is_empty() {
        return Ok(());
    }
    let now = listed(now.iter().map(ToString::to_string));
    let later = listed(
        later
            .iter()
            .map(|(name, phase)| format!("{name} ({phase})")),
    );
    let refusal = Refusal::new(
        Reason::BadInput,
        format!("a group moves in one revision: {now} would move now, and {later} later"),
        "declare the same way in `spec.release` of all (strategy, shadow, confirmPromotion), or switch them one by one",
    );
    Err(refusal.into())
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
