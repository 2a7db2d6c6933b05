//! Carrying out a command: send it, follow its events to the outcome, and send it again with the same operation
//! id when the connection is lost. The server does nothing twice.

use std::time::{Duration, Instant};

use tonic::{Response, Status, Streaming};

use super::{
    args::Format,
    client::{Client, Context},
    error::{self, Error},
    out,
    progress::Progress,
    report::{Notice, Plan, Report},
};
use crate::api::{CommandEvent, CommandMeta, command_event::Event};

/// For how long a lost command is sent again: a server that is started again after a crash is back long before. It is the time that
/// counts: each try lasts a moment where nobody listens, and much longer where a server hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause before a repeat; each later one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What an RPC of a command answers.
pub(super) type Answer = Result<Response<Streaming<CommandEvent>>, Status>;

/// Carries out a command, prints its report, and says what to exit with.
pub(super) async fn perform(
    cx: &Context,
    meta: &CommandMeta,
    send: impl AsyncFn(Client) -> Answer,
) -> Result<u8, Error> {
    let (report, done) = carry_out(cx, meta, send).await;
    finish(cx, meta, report, done)
}

/// Carries out a command and shows its way; what came of it is not printed yet.
pub(super) async fn carry_out(
    cx: &Context,
    meta: &CommandMeta,
    send: impl AsyncFn(Client) -> Answer,
) -> (Report, Result<(), Error>) {
    let mut report = Report::of(meta);
    let done = follow(cx, meta, &mut report, Progress::new(), send).await;
    (report, done)
}

/// What a command would do, without doing it. `send` gives the command the meta of its plan, which is a command of its
/// own.
pub(super) async fn rehearse(
    cx: &Context,
    meta: &CommandMeta,
    send: impl AsyncFn(Client, CommandMeta) -> Answer,
) -> Result<Report, Error> {
    let meta = CommandMeta {
        operation_id: String::new(),
        dry_run: true,
        ..meta.clone()
    };
    let mut report = Report::default();
    let send = async |client| send(client, meta.clone()).await;
    follow(cx, &meta, &mut report, Progress::quiet(), send).await?;
    Ok(report)
}

/// Prints the report of a command that has ended.
pub(super) fn finish(
    cx: &Context,
    meta: &CommandMeta,
    mut report: Report,
    done: Result<(), Error>,
) -> Result<u8, Error> {
    if let Err(error) = done {
        // Programs read why a command was refused where they read everything else.
        if cx.out.format_or(Format::Table) != Format::Table
            && matches!(error, Error::Refused { .. })
        {
            report.result = "refused";
            report.message = error.to_string();
            report.reason = error.reason().map(str::to_owned);
            report.remedy = error.hint();
            report.exit_code = error.exit_code();
            cx.out.data(&report, String::new)?;
        }
        return Err(error);
    }
    cx.out.data(&report, || {
        let mut text = report.text();
        if meta.dry_run {
            text.push_str(&report.diffs());
        }
        text
    })?;
    if let Some(hint) = report.hint() {
        out::say(out::WARN, "hint", &hint);
    }
    Ok(report.exit_code)
}

/// Sends a command until its outcome is known, filling in the report.
async fn follow(
    cx: &Context,
    meta: &CommandMeta,
    report: &mut Report,
    mut progress: Progress,
    send: impl AsyncFn(Client) -> Answer,
) -> Result<(), Error> {
    let client = tokio::select! {
        client = cx.connect_to_admin_api() => client?,
        () = interrupt() => return Err(Error::Interrupted { operation_id: None }),
    };
    let attempts = attempts(cx, meta, report, &mut progress, client, send);
    let done = tokio::select! {
        done = attempts => done,
        () = interrupt() => Err(Error::Interrupted {
            operation_id: (!meta.dry_run).then(|| meta.operation_id.clone()),
        }),
    };
    progress.close();
    done
}

async fn attempts(
    cx: &Context,
    meta: &CommandMeta,
    report: &mut Report,
    progress: &mut Progress,
    client: Client,
    send: impl AsyncFn(Client) -> Answer,
) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    let mut times = 0;
    let mut lost_since = None;
    let mut client = Some(client);
    loop {
        let broken = match client.take() {
            Some(client) => match attempt(client, report, progress, &send).await {
                Ok(()) => return Ok(()),
                Err(status) if !error::lost(&status) => return Err(cx.failed(&status)),
                Err(status) => error::transport_message(&status),
            },
            None => match cx.connect().await {
                Ok(again) => {
                    client = Some(again);
                    continue;
                }
                Err(error @ Error::Unreachable { .. }) => error.to_string(),
                Err(error) => return Err(error),
            },
        };
        times += 1;
        if lost_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return Err(Error::Lost {
                url: cx.url(),
                times,
                message: broken,
                operation_id: (!meta.dry_run).then(|| meta.operation_id.clone()),
            });
        }
        if times == 1 {
            let again = match meta.dry_run {
                true => "the plan is asked for again".to_owned(),
                false => format!(
                    "the command is sent again with its operation id {}",
                    meta.operation_id
                ),
            };
            progress.note(&format!("the connection was lost ({broken}); {again}"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One call, to its outcome.
async fn attempt(
    client: Client,
    report: &mut Report,
    progress: &mut Progress,
    send: &impl AsyncFn(Client) -> Answer,
) -> Result<(), Status> {
    // The client is kept to the end: without it the connection counts as idle, and no keepalive would notice a server that hangs.
    let mut events = send(client.clone()).await?.into_inner();
    report.plan.clear();
    report.notices.clear();
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Notice(notice)) => {
                progress.notice(&notice);
                report.notices.push(Notice {
                    kind: notice.kind,
                    text: notice.text,
                });
            }
            Some(Event::Plan(plan)) => {
                let plan = Plan::from(plan);
                progress.plan(&plan);
                report.plan.push(plan);
            }
            Some(Event::Durable(durable)) => progress.durable(&durable),
            Some(Event::Delivery(delivery)) => progress.delivery(&delivery),
            Some(Event::Outcome(outcome)) => {
                report.conclude(outcome);
                return Ok(());
            }
            // An event of a newer server.
            None => {}
        }
    }
    Err(Status::unavailable(
        "the answer ended before the command's outcome",
    ))
}

/// Waits for Ctrl-C.
pub(super) async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process itself.
        std::future::pending().await
    }
}
