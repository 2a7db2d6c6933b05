//! What of a service's traffic goes to the staged environment before the switch: a share of it, copies of it, or
//! requests that ask for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Colour, EndedBy, Revision};

/// The header that asks for a preview where nothing else is said.
pub const PREVIEW_HEADER: &str = "x-bluegreen-preview";

/// What goes to the staged environment.
///
/// Named invariant: **only a staged environment is previewed, mirrored to or shifted to**; with the switch, the
/// rollback, or whatever else takes its role away, all of it ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Shifting {
    /// Its share of the traffic in percent, below 100: with all of it, it would be live.
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: u32,
    /// Copies of the live requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// Requests with a certain header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
}

fn is_zero(weight: &u32) -> bool {
    *weight == 0
}

/// A share of the live requests is sent to the staged environment too, and its answers are dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// The share, 1 to 100.
    pub percent: u32,
    /// For how long.
    pub window: Window,
}

/// Requests with this header go to the staged environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The header's name.
    pub header: String,
    /// Its whole value.
    pub value: String,
    /// For how long.
    pub window: Window,
}

/// From when to when something runs, and who ends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The environment that it is about.
    pub to: Colour,
    /// The revision in which it began: a deadline of an earlier one does not end it.
    pub started_in: Revision,
    /// When it began.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Who ends it if the server can't.
    pub ended_by: EndedBy,
    /// The routes have it no more. Its runtime key is left, because a switch changes routes only, and goes with the
    /// next revision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

impl Window {
    /// It runs, and ends as the other does.
    pub(super) fn is_as(&self, other: &Window) -> bool {
        let end = |window: &Window| (window.to, window.until, window.ended_by, window.over);
        end(self) == end(other)
    }
}

/// What runs for a while only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Temporary {
    /// [`Shifting::shadow`].
    Shadow,
    /// [`Shifting::preview`].
    Preview,
}

impl Temporary {
    /// Both.
    pub const ALL: [Temporary; 2] = [Temporary::Shadow, Temporary::Preview];

    /// As the command that starts it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Temporary::Shadow => "shadow",
            Temporary::Preview => "preview",
        }
    }
}

impl Shifting {
    /// The window of one of the two, if it runs or its key is left.
    pub fn window(&self, what: Temporary) -> Option<&Window> {
        match what {
            Temporary::Shadow => self.shadow.as_ref().map(|shadow| &shadow.window),
            Temporary::Preview => self.preview.as_ref().map(|preview| &preview.window),
        }
    }

    pub(super) fn window_mut(&mut self, what: Temporary) -> Option<&mut Window> {
        match what {
            Temporary::Shadow => self.shadow.as_mut().map(|shadow| &mut shadow.window),
            Temporary::Preview => self.preview.as_mut().map(|preview| &mut preview.window),
        }
    }

    pub(super) fn clear(&mut self, what: Temporary) {
        match what {
            Temporary::Shadow => self.shadow = None,
            Temporary::Preview => self.preview = None,
        }
    }

    /// Takes it off the routes, and leaves the rest to the next revision.
    pub(super) fn over(&mut self, what: Temporary) {
        let Some(window) = self.window_mut(what) else {
            return;
        };
        match window.ended_by {
            EndedBy::Proxies => window.over = true,
            EndedBy::Server => self.clear(what),
        }
    }
}
