//! The state machine: which command an event is.

use serde_json::Value;

use super::{Context, EffectKind, Event, Refusal, ServiceState, Step, Verb, draft::Draft};
use crate::model::{Name, ServiceSpec};

/// Makes a service from its first document. Its deployments are numbered from 1, the live one first.
///
/// # Errors
/// `live-would-be-empty` if an environment is declared but the live one has no endpoints; `endpoint-unresolved`.
/// A service that declares no environment at all is accepted: its first version comes by `deploy` and `switch`.
pub fn create(
    name: Name,
    applied: Value,
    spec: ServiceSpec,
    context: &Context,
) -> Result<Step, Refusal> {
    Draft::create(name, applied, spec, context)
}

/// What `event` makes of a service. A refusal changes nothing.
///
/// Named invariant: **the server moves nothing that no release wants moved any more**: a command of its own may have waited for its turn
/// while somebody aborted, paused or replaced the release that wanted it.
///
/// # Errors
/// The table of roles and commands (`tests/table.golden.txt`) has every refusal.
pub fn step(state: &ServiceState, event: &Event, context: &Context) -> Result<Step, Refusal> {
    let mut draft = Draft::of(state, context);
    let wanted = |kind: EffectKind| {
        !context.automatic || state.outbox.iter().any(|effect| effect.kind == kind)
    };
    let done = match event {
        Event::Switch { .. } if !wanted(EffectKind::Promote) => Ok(draft.stale()),
        Event::Retire { .. } if !wanted(EffectKind::Retire) => Ok(draft.stale()),
        Event::Apply {
            applied,
            spec,
            replace_standby,
            force,
        } => draft.apply(applied, spec, *replace_standby, *force),
        Event::Deploy {
            version,
            endpoints,
            replace_standby,
        } => draft.deploy("deploy", version, endpoints, *replace_standby),
        Event::Scale {
            colour,
            endpoints,
            replace_standby,
            force,
        } => draft.scale(*colour, endpoints, *replace_standby, *force),
        Event::Switch {
            to,
            force,
            skip_gates,
        } => draft.switch(*to, *force, *skip_gates),
        Event::Shift { weight, force } => draft.shift(*weight, *force),
        Event::Shadow {
            percent,
            duration,
            ended_by,
        } => draft.shadow(*percent, *duration, *ended_by),
        Event::Preview {
            header,
            value,
            duration,
            ended_by,
        } => draft.preview(header, value.as_deref(), *duration, *ended_by),
        Event::End { what, started_in } => draft.end(*what, *started_in),
        Event::Rollback => draft.rollback(),
        Event::Retire { force, in_use } => draft.retire(*force, in_use),
        Event::Resolved => draft.resolved(),
        Event::Release {
            version,
            endpoints,
            promotion,
            replace_standby,
        } => draft.release(version, endpoints, *promotion, *replace_standby),
        Event::Steer(verb) => match verb {
            Verb::Validate => draft.validate_again(),
            Verb::Pause => draft.hold(),
            Verb::Resume => draft.resume(),
            Verb::SkipMonitors => draft.skip_monitors(),
            Verb::Abort => draft.abort(),
            Verb::Retry => draft.retry(),
            Verb::Extend { by } => draft.extend(*by),
        },
        Event::Decide {
            check,
            verdict,
            step,
        } => draft.decide(check, *verdict, *step),
        Event::Signal(signal) => draft.signal(signal),
    }?;
    draft.reconcile()?;
    Ok(draft.finish(state, done))
}
