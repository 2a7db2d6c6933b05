//! `spec.release`: how a service is released, what must hold before and during it, and when the way back is given up.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{HumanDuration, Sticky, check::CheckSpec};

/// A standby is kept so long where nothing else is said: most bad releases are noticed within the hour.
pub const DEFAULT_STANDBY: Duration = Duration::from_secs(60 * 60);

/// A shorter standby has to be accepted by name: slow leaks and hourly jobs take longer to show than a short bake.
pub const SHORT_STANDBY: Duration = Duration::from_secs(30 * 60);

/// A hook that does not answer within this is taken for failed, where its document says nothing else.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often monitors measure during the bake where neither they nor the bake say so: a bad release is noticed within
/// seconds, and a Prometheus that scrapes every 15 s is not asked much more often than it has news.
pub const BAKE_INTERVAL: Duration = Duration::from_secs(10);

/// How a service is released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReleaseSpec {
    /// Whether the traffic moves at once or in steps.
    pub strategy: ReleaseStrategy,
    /// Who says go once all gates have passed.
    pub promotion: Promotion,
    /// What is called on the way.
    #[serde(skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// Gates: all must be successful, for exactly this deployment and its endpoints, before any traffic moves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<CheckSpec>,
    /// A share of the live traffic is sent to the new environment too, and its answers are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowSpec>,
    /// The steps of [`ReleaseStrategy::Canary`]; without it they do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanarySpec>,
    /// The watched time after the switch. None: the standby begins with the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<BakeSpec>,
    /// How long the deployment before is kept after the bake.
    pub standby: HumanDuration,
    /// A standby shorter than [`SHORT_STANDBY`] is meant.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub accept_short_standby: bool,
}

impl Default for ReleaseSpec {
    fn default() -> Self {
        Self {
            strategy: ReleaseStrategy::BlueGreen,
            promotion: Promotion::Manual,
            hooks: Hooks::default(),
            validation: Vec::new(),
            shadow: None,
            canary: None,
            bake: None,
            standby: HumanDuration(DEFAULT_STANDBY),
            accept_short_standby: false,
        }
    }
}

impl ReleaseSpec {
    /// The weights of the new environment before it gets everything, in order; none for a blue-green release.
    pub fn steps(&self) -> &[CanaryStep] {
        match (self.strategy, &self.canary) {
            (ReleaseStrategy::Canary, Some(canary)) => &canary.steps,
            _ => &[],
        }
    }

    /// Some hook runs a program on the server.
    pub fn has_exec(&self) -> bool {
        self.hooks.all().any(|(_, hook)| hook.exec.is_some())
    }
}

/// Whether the traffic moves at once or in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseStrategy {
    /// Everything at once.
    #[default]
    BlueGreen,
    /// In steps of weight, with monitors between them.
    Canary,
}

/// Who says go once all gates have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Promotion {
    /// A person, with `switch`.
    #[default]
    Manual,
    /// The server, as soon as all gates are successful.
    Automatic,
}

/// What is called on the way of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Hooks {
    /// Makes the new environment; may answer with its endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provision: Option<Hook>,
    /// Asked before any traffic moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_promotion: Option<Hook>,
    /// Takes the old environment down, after it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminate: Option<Hook>,
}

impl Hooks {
    /// Nothing is called.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Those that are declared.
    pub fn all(&self) -> impl Iterator<Item = (HookKind, &Hook)> {
        HookKind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, self.get(kind)?)))
    }

    /// The hook of that kind, if it is declared.
    pub fn get(&self, kind: HookKind) -> Option<&Hook> {
        match kind {
            HookKind::Provision => self.provision.as_ref(),
            HookKind::ConfirmPromotion => self.confirm_promotion.as_ref(),
            HookKind::Terminate => self.terminate.as_ref(),
        }
    }
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookKind {
    /// Before the deployment exists.
    Provision,
    /// Before any traffic moves.
    ConfirmPromotion,
    /// After the old environment was emptied.
    Terminate,
}

impl HookKind {
    /// All of them.
    pub const ALL: [HookKind; 3] = [
        HookKind::Provision,
        HookKind::ConfirmPromotion,
        HookKind::Terminate,
    ];

    /// As it stands in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            HookKind::Provision => "provision",
            HookKind::ConfirmPromotion => "confirmPromotion",
            HookKind::Terminate => "terminate",
        }
    }
}

/// One thing to call: either `webhook` or `exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Hook {
    /// A URL that gets a POST with a JSON body; 2xx means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// A program of the server's machine and its arguments, the JSON on its standard input; exit code 0 means yes. Only
    /// where the server allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// The longest it may take. None: [`HOOK_TIMEOUT`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<HumanDuration>,
}

impl Hook {
    /// The longest it may take.
    pub fn time_limit(&self) -> Duration {
        self.timeout.map_or(HOOK_TIMEOUT, |timeout| timeout.0)
    }
}

/// Mirroring before any traffic moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShadowSpec {
    /// The share of live requests that is mirrored, 1 to 100.
    #[serde(deserialize_with = "share")]
    pub percent: u32,
    /// How long.
    pub duration: HumanDuration,
    /// Checks that run meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<CheckSpec>,
}

/// The steps of a canary release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanarySpec {
    /// In order; each larger than the one before. After the last comes the switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<CanaryStep>,
    /// What keeps a client in one environment while the weights are between 0 and 100, also those given by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Checks that run during each step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<CheckSpec>,
}

/// One step of a canary release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanaryStep {
    /// The share of the traffic that the new environment gets, in percent, 1 to 100.
    #[serde(deserialize_with = "share")]
    pub weight: u32,
    /// How long it stays so. None: until every proxy has accepted it and the monitors have passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<HumanDuration>,
}

/// A share in percent, with what may stand there in the error of whatever is none: the limits of `u32` help nobody.
fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct Share;

    impl de::Visitor<'_> for Share {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number from 1 to 100, in percent")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u32, E> {
            let wrong = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
            u32::try_from(number).map_err(wrong)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u32, E> {
            let wrong = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
            u32::try_from(number).map_err(wrong)
        }
    }

    deserializer.deserialize_u32(Share)
}

/// The watched time after a switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BakeSpec {
    /// How long; only time in which the server ran and proxies reported counts.
    pub duration: HumanDuration,
    /// How often monitors measure that say nothing else.
    #[serde(default = "bake_interval")]
    pub interval: HumanDuration,
    /// What a monitor that fails does.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Checks that run meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<CheckSpec>,
}

fn bake_interval() -> HumanDuration {
    HumanDuration(BAKE_INTERVAL)
}

/// What a monitor that fails during the bake does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// The traffic goes back at once.
    #[default]
    Rollback,
    /// The release is paused, and a person decides.
    Pause,
}
