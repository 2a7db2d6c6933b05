//! `successCondition` and `failureCondition`: what they say together, by Argo Rollouts' rules.

use crate::model::check::{
    Phase,
    expression::{Expression, ExpressionError, Operand},
};

/// The phase, and which condition made it so.
///
/// Both given, one must speak: neither is Inconclusive. One given, it decides.
///
/// # Errors
/// If a condition can't be computed, e.g. because it names what was not measured.
pub(super) fn conditions(
    success: Option<&str>,
    failure: Option<&str>,
    variables: &[(&str, Operand)],
) -> Result<(Phase, String), ExpressionError> {
    let holds = |text: Option<&str>| {
        text.map(|text| Expression::parse(text)?.holds(variables))
            .transpose()
    };
    let (succeeded, failed) = (holds(success)?, holds(failure)?);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(match (succeeded, failed) {
        (_, Some(true)) => (Phase::Failed, format!("{} holds", text(failure))),
        (Some(true), _) => (Phase::Successful, format!("{} holds", text(success))),
        (Some(false), None) => (Phase::Failed, format!("{} does not hold", text(success))),
        (Some(false), Some(false)) => (
            Phase::Inconclusive,
            format!("neither {} nor {} holds", text(success), text(failure)),
        ),
        (None, Some(false)) => (
            Phase::Successful,
            format!("{} does not hold", text(failure)),
        ),
        (None, None) => (Phase::Successful, "no condition".to_owned()),
    })
}
