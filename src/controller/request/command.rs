//! The commands.

use std::time::Duration;

use super::documents::Documents;
use crate::{
    controller::options::Addresses,
    model::{
        Colour, DocumentKind, Endpoint, Name, Promotion, Revision, check::Verdict as CheckVerdict,
    },
    release::{Signal, Temporary, Verb},
};

/// What can be asked of a fleet.
#[derive(Clone, Debug)]
pub enum Command {
    /// Declare documents.
    Apply {
        /// Those of this fleet.
        documents: Documents,
        /// Insist on resources whose references lead nowhere.
        no_verify: bool,
        /// The standby may be replaced or emptied.
        replace_standby: bool,
        /// The live environment may be left without endpoints.
        force: bool,
    },
    /// Delete one declared document.
    Delete {
        /// Which kind.
        kind: DocumentKind,
        /// Its name.
        name: Name,
        /// Insist on what is left, though its references lead nowhere.
        no_verify: bool,
    },
    /// Put a version into the environment that is empty or staged.
    Deploy {
        /// The service.
        service: Name,
        /// The user's label.
        version: String,
        /// Where it runs.
        endpoints: Vec<Endpoint>,
        /// The standby may be replaced.
        replace_standby: bool,
    },
    /// Other endpoints for the deployment of one environment.
    Scale {
        /// The service.
        service: Name,
        /// The environment.
        colour: Colour,
        /// Where it runs now.
        endpoints: Vec<Endpoint>,
        /// The standby may be emptied.
        replace_standby: bool,
        /// The live environment may be left without endpoints.
        force: bool,
    },
    /// Move the traffic to the other environment.
    Switch {
        /// The service.
        service: Name,
        /// None: to the staged one.
        to: Option<Colour>,
    },
    /// Move the traffic back.
    Rollback {
        /// The service.
        service: Name,
    },
    /// Move the traffic of several services to their staged environments: all of them in one revision, or none.
    SwitchGroup {
        /// The services, each once.
        services: Vec<Name>,
    },
    /// Move the traffic of several services back: all of them in one revision, or none.
    RollbackGroup {
        /// The services, each once.
        services: Vec<Name>,
    },
    /// Move a share of the traffic to the staged environment.
    Shift {
        /// The service.
        service: Name,
        /// In percent, below 100.
        weight: u32,
    },
    /// Mirror a share of the live requests to the staged environment, for a while.
    Shadow {
        /// The service.
        service: Name,
        /// 1 to 100.
        percent: u32,
        /// For how long.
        duration: Duration,
    },
    /// Send requests with a header to the staged environment, for a while.
    Preview {
        /// The service.
        service: Name,
        /// The header's name.
        header: String,
        /// Its value; None: the colour of the environment.
        value: Option<String>,
        /// For how long.
        duration: Duration,
    },
    /// End a mirror or a preview. Given by the server itself too, at its deadline.
    End {
        /// The service.
        service: Name,
        /// Which of the two.
        what: Temporary,
        /// Only the one that began in this revision; None: whichever runs.
        started_in: Option<Revision>,
    },
    /// Restore an earlier revision of the fleet.
    RollbackFleet {
        /// Which.
        to: Revision,
        /// With the endpoints of that time.
        exact: bool,
        /// Services that would vanish may vanish.
        yes: bool,
    },
    /// Give up the standby.
    Retire {
        /// The service.
        service: Name,
        /// Although proxies may still route to it.
        force: bool,
    },
    /// Release a version: provision, stage, validate, and what follows by the service's `spec.release`.
    Release {
        /// The service.
        service: Name,
        /// The user's label.
        version: String,
        /// Where it runs. Empty: the provision hook says it, or it is staged already.
        endpoints: Vec<Endpoint>,
        /// Instead of `spec.release.promotion`.
        promotion: Option<Promotion>,
        /// The standby may be replaced.
        replace_standby: bool,
    },
    /// Tell the release of a service what to do.
    Steer {
        /// The service.
        service: Name,
        /// What.
        verb: Verb,
    },
    /// Say yes or no to a `manual` check of the release of a service.
    Decide {
        /// The service.
        service: Name,
        /// The check.
        check: Name,
        /// Yes or no.
        verdict: CheckVerdict,
        /// The step of a canary that was looked at, from 1; None: the one that it is at.
        step: Option<u32>,
    },
    /// News for the release of a service. Given by the server itself.
    Advance {
        /// The service.
        service: Name,
        /// The news.
        signal: Signal,
    },
    /// Build all resources anew.
    Rebuild,
    /// Endpoint names resolve to other addresses now. Given by the server itself.
    Resolved {
        /// What they resolve to.
        addresses: Addresses,
    },
    /// Take a rejected revision back. Given by the server itself.
    Revert {
        /// The revision that was rejected.
        revision: Revision,
    },
}
