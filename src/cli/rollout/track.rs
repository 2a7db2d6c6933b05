//! Watching one release: what happens to it goes to stderr as it happens, until it is where one waits for it.

use std::collections::BTreeMap;

use super::{
    text::{check_line, left, standstill, step_line},
    view::{CheckView, ReleaseView},
};
use crate::{
    api,
    cli::{
        client::Context,
        error::{self, Error},
        out::{self, WARN},
        perform::interrupt,
        reconnect,
    },
};

/// Where the watching of a release ends, beside its end and a phase in which it waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// The gates have passed
    Ready,
    /// All traffic has moved, and the watched time after it has begun
    Baking,
    /// The watched time is over; the version before is kept for a rollback
    Standby,
    /// The version before is given up
    Completed,
}

impl Until {
    /// The release has come that far, or further.
    fn is_reached(self, phase: &str) -> bool {
        let reached: &[&str] = match self {
            Self::Ready => &[
                "Ready",
                "Shadowing",
                "Shifting",
                "Switching",
                "Baking",
                "Standby",
                "Retiring",
            ],
            Self::Baking => &["Baking", "Standby", "Retiring"],
            Self::Standby => &["Standby", "Retiring"],
            Self::Completed => &[],
        };
        reached.contains(&phase)
    }
}

/// Watches release `number` of a service, 0: its newest. Returns it as it was when the watching ended.
pub(super) async fn track(
    cx: &Context,
    service: &str,
    number: u64,
    until: Until,
) -> Result<ReleaseView, Error> {
    let watching = watch(cx, service, number, until);
    tokio::select! {
        done = watching => done,
        () = interrupt() => {
            out::say(WARN, "note", &format!(
                "the release goes on in the server; `bluegreen watch {service}` shows it, `bluegreen abort {service}` gives it up"
            ));
            Err(Error::Interrupted { operation_id: None })
        }
    }
}

async fn watch(
    cx: &Context,
    service: &str,
    mut number: u64,
    until: Until,
) -> Result<ReleaseView, Error> {
    let request = api::GetStatusRequest {
        service: service.to_owned(),
    };
    let mut shown = Shown::default();
    let mut said = false;
    loop {
        let lost = match cx.connect().await {
            Ok(mut client) => match client.watch_status(request.clone()).await {
                Ok(answer) => {
                    let mut changes = answer.into_inner();
                    loop {
                        match changes.message().await {
                            Ok(Some(change)) => {
                                let Some(release) = release_of(change) else {
                                    if number == 0 {
                                        return Err(Error::NotFound(format!(
                                            "{service} has had no release; `bluegreen release {service} --version VERSION --endpoint HOST:PORT` begins one"
                                        )));
                                    }
                                    continue;
                                };
                                said = false;
                                if number == 0 {
                                    number = release.number;
                                }
                                if release.number > number {
                                    shown.close();
                                    return Err(Error::NotFound(format!(
                                        "release {} of {service} has begun while {number} was watched: see `bluegreen releases {service} {number}`",
                                        release.number
                                    )));
                                }
                                shown.show(&release);
                                if ends(&release, until) {
                                    shown.close();
                                    return Ok(release);
                                }
                            }
                            Ok(None) => break None,
                            Err(status) => break Some(status),
                        }
                    }
                }
                Err(status) => Some(status),
            },
            Err(Error::Unreachable { .. }) if said => None,
            Err(error) => return Err(error),
        };
        shown.close();
        if let Some(status) = lost.filter(|status| !error::lost(status)) {
            return Err(cx.failed(&status));
        }
        reconnect::say_once(&mut said);
        tokio::time::sleep(reconnect::PAUSE).await;
    }
}

fn release_of(change: api::GetStatusResponse) -> Option<ReleaseView> {
    let service = change.services.into_iter().next()?;
    service.release.map(ReleaseView::from)
}

/// Nothing more is waited for.
fn ends(release: &ReleaseView, until: Until) -> bool {
    release.over || release.waits_for_command || until.is_reached(&release.phase)
}

/// What the server does next is refused for now: it says so of the phase, which has begun for another reason.
fn in_the_way(release: &ReleaseView) -> Option<String> {
    let began = release.log.last().map(|step| &step.reason);
    let news = !release.reason.is_empty() && began != Some(&release.reason);
    news.then(|| release.reason.clone())
}

/// What was shown of a release so far.
#[derive(Default)]
struct Shown {
    steps: usize,
    last: Option<String>,
    checks: BTreeMap<(String, String), CheckView>,
    standstill: Option<String>,
    in_the_way: Option<String>,
    open_line: bool,
}

impl Shown {
    /// Shows what is new.
    fn show(&mut self, release: &ReleaseView) {
        // The log is cut in its middle when it is long: then only its end is new.
        if release.log.len() < self.steps {
            self.steps = release.log.len().saturating_sub(1);
        }
        for step in &release.log[self.steps..] {
            let line = step_line(step);
            if self.last.as_ref() != Some(&line) {
                self.line(&line);
                self.last = Some(line);
            }
        }
        self.steps = release.log.len();
        for check in &release.checks {
            let key = (check.purpose.clone(), check.name.clone());
            // While it runs only its phase is news, or a log would fill with measurements.
            let news = self
                .checks
                .get(&key)
                .is_none_or(|known| known.phase != check.phase);
            if news {
                self.line(&format!("         {}", check_line(check)));
                self.checks.insert(key, check.clone());
            }
        }
        let in_the_way = in_the_way(release);
        if let Some(line) = in_the_way
            .as_ref()
            .filter(|_| self.in_the_way != in_the_way)
        {
            self.line(&format!("         {line}"));
        }
        self.in_the_way = in_the_way;
        let standstill = standstill(release);
        if let Some(line) = standstill
            .as_ref()
            .filter(|_| self.standstill != standstill)
        {
            self.line(&format!("         {line}"));
        }
        self.standstill = standstill;
        let left = left(release);
        if out::stderr_is_terminal() && !left.is_empty() && !release.over {
            out::clear_line();
            out::stderr(&format!("{}{left}", release.phase));
            self.open_line = true;
        }
    }

    fn line(&mut self, text: &str) {
        self.close();
        out::stderr(&format!("{text}\n"));
    }

    /// Takes the line that follows the time away.
    fn close(&mut self) {
        if std::mem::take(&mut self.open_line) {
            out::clear_line();
        }
    }
}
