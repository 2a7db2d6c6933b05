//! `status`: how a service stands, readable at three in the morning.

use std::fmt::Write;

use serde::Serialize;

use super::{
    client::Context,
    convert,
    error::Error,
    out::{self, BAD, DIM, GOOD, WARN, paint},
    report::{NotAcked, Proxies},
    report_text::not_acked_text,
    rollout::{self, ReleaseView},
    table::Columns,
};
use crate::api;

/// Show what is live, what is ready, and how far the fleet is
///
/// With -o json or yaml: one object for SERVICE, a list of such objects without it. The list names the proxies that have not
/// accepted the fleet's revision only if they are a hundred at most; the object has all of them.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bluegreen status
  bluegreen status fraud-model -o json | jq .environments.green.version")]
pub struct Args {
    /// The service; all without it
    service: Option<String>,
}

/// How one service stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    service: String,
    fleet: String,
    live: Option<&'static str>,
    revision: u64,
    environments: Environments,
    proxies: Proxies,
    not_acked: Vec<NotAcked>,
    drift: Vec<String>,
    release: Option<ReleaseView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    temporary: Vec<Temporary>,
    alarms: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Environments {
    blue: Environment,
    green: Environment,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    role: &'static str,
    version: Option<String>,
    deployment: Option<u64>,
    endpoints: Vec<String>,
    addresses: Vec<String>,
    rolled_back: bool,
    weight: u32,
}

/// A mirror or a preview.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Temporary {
    kind: String,
    to: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    since: String,
    until: String,
    /// `proxies` end it by themselves when the server is down; or only the `server` can.
    ended_by: &'static str,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, Error> {
    let one = args.service.is_some();
    let request = api::GetStatusRequest {
        service: args.service.unwrap_or_default(),
    };
    let mut client = cx.connect().await?;
    let answer = client
        .get_status(request)
        .await
        .map_err(|e| cx.failed(&e))?;
    let answer = answer.into_inner();
    let alarms = answer.alarms.clone();
    let statuses = statuses(answer);
    if statuses.is_empty() {
        // There is no service to show them with.
        for alarm in &alarms {
            out::say(BAD, "ALARM", alarm);
        }
    }
    match statuses.as_slice() {
        [status] if one => cx.out.data(status, || text(&statuses))?,
        _ => cx.out.data(&statuses, || text(&statuses))?,
    }
    Ok(0)
}

/// The server's answer, service by service.
pub(super) fn statuses(answer: api::GetStatusResponse) -> Vec<Status> {
    let alarms = answer.alarms;
    let services = answer.services.into_iter();
    services.map(|service| status(service, &alarms)).collect()
}

fn status(service: api::ServiceStatus, alarms: &[String]) -> Status {
    let delivery = service.delivery.unwrap_or_default();
    Status {
        service: service.service,
        fleet: service.fleet,
        live: convert::colour(service.live),
        revision: service.revision,
        environments: Environments {
            blue: environment(service.blue.unwrap_or_default()),
            green: environment(service.green.unwrap_or_default()),
        },
        proxies: Proxies::from(&delivery),
        not_acked: delivery.not_acked.into_iter().map(NotAcked::from).collect(),
        drift: service.drift,
        release: service.release.map(ReleaseView::from),
        temporary: service.temporary.into_iter().map(temporary).collect(),
        alarms: alarms.to_vec(),
    }
}

fn temporary(status: api::TemporaryStatus) -> Temporary {
    Temporary {
        kind: status.kind,
        to: convert::colour(status.to),
        percent: Some(status.percent).filter(|percent| *percent > 0),
        header: (!status.header.is_empty()).then(|| format!("{}: {}", status.header, status.value)),
        since: status.since,
        until: status.until,
        ended_by: match status.ended_by_proxies {
            true => "proxies",
            false => "server",
        },
    }
}

fn environment(environment: api::EnvironmentStatus) -> Environment {
    Environment {
        role: convert::role(environment.role),
        version: Some(environment.version).filter(|version| !version.is_empty()),
        deployment: Some(environment.deployment).filter(|number| *number > 0),
        endpoints: environment.endpoints,
        addresses: environment.addresses,
        rolled_back: environment.rolled_back,
        weight: environment.weight,
    }
}

/// All of them for people, a block each; alarms first.
pub(super) fn text(statuses: &[Status]) -> String {
    let alarms = statuses
        .first()
        .map(|status| status.alarms.as_slice())
        .unwrap_or_default();
    let mut text: String = alarms
        .iter()
        .map(|alarm| format!("{}\n", paint(BAD, format_args!("ALARM: {alarm}"))))
        .collect();
    if statuses.is_empty() {
        text.push_str("no services are declared; `bluegreen apply -f FILE` declares one\n");
    }
    let blocks: Vec<String> = statuses.iter().map(block).collect();
    text.push_str(&blocks.join("\n"));
    text
}

fn block(status: &Status) -> String {
    let live = match status.live {
        Some("green") => &status.environments.green,
        _ => &status.environments.blue,
    };
    let mut text = format!(
        "{}: {} {} is live  (fleet {}, revision {})\n",
        status.service,
        status.live.unwrap_or("nothing"),
        live.version.as_deref().unwrap_or_default(),
        status.fleet,
        status.revision,
    );
    text.push_str(&environments_table(&status.environments));
    for one in &status.temporary {
        let _ = writeln!(text, "{}", paint(WARN, temporary_text(one)));
    }
    text.push_str(&proxies_text(status));
    if let Some(release) = &status.release {
        text.push_str(&rollout::status_lines(release));
    }
    for path in &status.drift {
        let line = format!("  drift: {path} is not as last applied");
        let _ = writeln!(text, "{}", paint(WARN, line));
    }
    text
}

fn temporary_text(one: &Temporary) -> String {
    let what = match (&one.header, one.percent) {
        (Some(header), _) => format!("requests with {header}"),
        (None, percent) => format!("{}% of the live requests", percent.unwrap_or_default()),
    };
    let weaker = match one.ended_by {
        "server" => ", ended by the server only",
        _ => "",
    };
    format!(
        "  {}: {what} to {} until {}{weaker}",
        one.kind,
        one.to.unwrap_or_default(),
        one.until
    )
}

fn environments_table(environments: &Environments) -> String {
    let mut table = Columns::new([
        "  ENVIRONMENT",
        "ROLE",
        "VERSION",
        "DEPLOYMENT",
        "WEIGHT",
        "ENDPOINTS",
    ]);
    for (colour, environment) in [("blue", &environments.blue), ("green", &environments.green)] {
        let role = match environment.rolled_back {
            true => format!("{} (rolled back)", environment.role),
            false => environment.role.to_owned(),
        };
        table.row([
            format!("  {colour}"),
            role,
            environment.version.clone().unwrap_or_default(),
            environment
                .deployment
                .map(|number| number.to_string())
                .unwrap_or_default(),
            environment.weight.to_string(),
            environment.endpoints.join(" "),
        ]);
    }
    table.text()
}

fn proxies_text(status: &Status) -> String {
    let proxies = &status.proxies;
    let (style, summary) = match proxies.total {
        0 => (WARN, "none has connected yet".to_owned()),
        total => {
            let style = match proxies.acked == total {
                true => GOOD,
                false if proxies.nacked > 0 => BAD,
                false => WARN,
            };
            let accepted = format!(
                "{} of {total} accepted revision {}",
                proxies.acked, status.revision
            );
            (style, accepted)
        }
    };
    let mut text = format!("{}\n", paint(style, format_args!("  proxies: {summary}")));
    if proxies.acked < proxies.total && status.not_acked.is_empty() {
        let whole = format!(
            "    the others are too many to list here: `bluegreen fleet {}` names them",
            status.fleet
        );
        let _ = writeln!(text, "{}", paint(DIM, whole));
    }
    text.push_str(&not_acked_text(&status.not_acked, "    "));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a service's proxies where these have not accepted.
    fn said(not_acked: Vec<api::ProxyDelivery>) -> String {
        let delivery = api::Delivery {
            total: 250,
            acked: 3,
            pending: 247,
            not_acked,
            ..Default::default()
        };
        let service = api::ServiceStatus {
            fleet: "payments".to_owned(),
            delivery: Some(delivery),
            ..Default::default()
        };
        proxies_text(&status(service, &[]))
    }

    fn edge(state: api::proxy_delivery::State) -> api::ProxyDelivery {
        api::ProxyDelivery {
            proxy: "edge-1".to_owned(),
            state: state.into(),
            revision: 12,
            ..Default::default()
        }
    }

    #[test]
    fn where_nobody_is_named_it_says_who_names_them() {
        assert!(said(Vec::new()).contains("`bluegreen fleet payments` names them"));
        let named = said(vec![edge(api::proxy_delivery::State::Pending)]);
        assert!(named.contains("edge-1"));
        assert!(!named.contains("bluegreen fleet"));
    }

    #[test]
    fn a_proxy_of_a_newer_revision_is_not_waited_for_without_a_word() {
        let said = said(vec![edge(api::proxy_delivery::State::Newer)]);
        assert!(said.contains("has revision 12, which this server has not reached"));
        assert!(said.contains("`bluegreen status` says what to do"));
    }
}
