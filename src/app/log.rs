//! Logs: to stderr, for people on a terminal and as JSON lines otherwise.
//!
//! Lines are written by a thread of their own: whoever reads them and stops (a pipe that nobody empties, a terminal that is held) must
//! not stop the server. What does not fit in between is lost, and counted.

use std::{
    fmt,
    io::IsTerminal,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::config::LogConfig;

/// So many lines wait to be written: some 10 MB, and more than a restart with ten thousand proxies makes.
const WAITING: usize = 32_768;

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(1500);

/// The process has one log.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// A filter that can't be parsed.
#[derive(Debug, thiserror::Error)]
#[error("--log {filter:?} is no log filter: {source}")]
pub struct LogError {
    filter: String,
    #[source]
    source: tracing_subscriber::filter::ParseError,
}

/// The log, which ends when this goes: what still waits is written.
#[must_use]
pub struct Log(Option<WorkerGuard>);

impl Drop for Log {
    // By itself the writer would wait for whoever does not take the lines.
    fn drop(&mut self) {
        let writer = self.0.take();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            drop(writer);
            let _ = ended.send(());
        });
        let _ = end.recv_timeout(LAST_LINES);
    }
}

/// Starts logging for the whole process.
pub fn start(config: &LogConfig) -> Result<Log, LogError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|source| LogError {
        filter: config.filter.clone(),
        source,
    })?;
    let json = config
        .json
        .unwrap_or_else(|| !std::io::stderr().is_terminal());
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .thread_name("log")
        .finish(std::io::stderr());
    // A second start in one process (tests) keeps the first.
    let _ = LOST.set(writer.error_counter());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    let _ = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder
            .with_ansi(std::env::var_os("NO_COLOR").is_none())
            .try_init()
    };
    Ok(Log(Some(guard)))
}

/// How many lines were lost, as a metric.
#[derive(Debug)]
pub(super) struct Lost;

impl Collector for Lost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let lost = LOST.get().map_or(0, ErrorCounter::dropped_lines) as u64;
        encoder
            .encode_descriptor(
                "bluegreen_log_lines_lost",
                "Lines of the log that nobody took in time",
                None,
                MetricType::Counter,
            )?
            .encode_counter::<NoLabelSet, _, u64>(&lost, None)
    }
}
