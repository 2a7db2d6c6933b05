//! Where a release stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RolloutPhase {
    /// The provision hook makes the new environment.
    Provisioning,
    /// The new deployment is in its environment; the fleet accepts its endpoints.
    Staged,
    /// The gates run.
    Validating,
    /// All gates have passed; somebody has to say go.
    Ready,
    /// A share of the live traffic is mirrored to the new environment.
    Shadowing,
    /// A share of the traffic goes to the new environment.
    Shifting,
    /// All traffic has been pushed to the new environment; proxies accept it.
    Switching,
    /// The watched time after the switch.
    Baking,
    /// The deployment before is kept for a rollback.
    Standby,
    /// The standby's time is over; what is still open on it drains.
    Retiring,
    /// The deployment before is given up.
    Completed,
    /// It stays where it is until somebody says `resume`.
    Paused,
    /// All traffic has been pushed back; proxies accept it.
    RollingBack,
    /// Every proxy that is there has accepted that the traffic is back.
    RolledBack,
    /// Given up before any traffic moved.
    Aborted,
    /// The gates did not pass, or a hook failed; no traffic has moved.
    Failed,
}

impl RolloutPhase {
    /// All of them, in their usual order.
    pub const ALL: [RolloutPhase; 16] = [
        Self::Provisioning,
        Self::Staged,
        Self::Validating,
        Self::Ready,
        Self::Shadowing,
        Self::Shifting,
        Self::Switching,
        Self::Baking,
        Self::Standby,
        Self::Retiring,
        Self::Completed,
        Self::Paused,
        Self::RollingBack,
        Self::RolledBack,
        Self::Aborted,
        Self::Failed,
    ];

    /// As it is shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "Provisioning",
            Self::Staged => "Staged",
            Self::Validating => "Validating",
            Self::Ready => "Ready",
            Self::Shadowing => "Shadowing",
            Self::Shifting => "Shifting",
            Self::Switching => "Switching",
            Self::Baking => "Baking",
            Self::Standby => "Standby",
            Self::Retiring => "Retiring",
            Self::Completed => "Completed",
            Self::Paused => "Paused",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Aborted => "Aborted",
            Self::Failed => "Failed",
        }
    }

    /// Nothing comes of it any more by itself.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::RolledBack | Self::Aborted | Self::Failed
        )
    }

    /// No request of a user has been answered by the new environment yet (a mirrored one has, whose answer is dropped).
    pub fn is_before_traffic(self) -> bool {
        matches!(
            self,
            Self::Provisioning | Self::Staged | Self::Validating | Self::Ready | Self::Shadowing
        )
    }
}

impl fmt::Display for RolloutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
