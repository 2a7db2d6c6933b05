//! A child process: its output goes to a file, it never outlives the demo, and when it fails its last words are told.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::{Child, Command};

/// How often a file or a port is looked at that nobody announces.
pub const POLL: Duration = Duration::from_millis(10);

/// Lines of the log that go into an error.
const LOG_TAIL: usize = 15;

/// A running program. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    stdout: PathBuf,
    child: Child,
}

/// A program that did not start, or ended too early.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {name}: {source}")]
    Start { name: String, source: io::Error },
    /// It ended, or never did what was waited for.
    #[error("{name} {what}; its log ends with\n{log}")]
    Failed {
        name: String,
        what: String,
        log: String,
    },
}

impl Process {
    /// Starts `program`; its files in `dir` are called `name`.
    ///
    /// # Errors
    /// If the program or its files cannot be opened.
    pub fn start(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
    ) -> Result<Self, ProcessError> {
        let start = |source| ProcessError::Start {
            name: name.to_owned(),
            source,
        };
        let log = dir.join(format!("{name}.log"));
        let stdout = dir.join(format!("{name}.out"));
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).map_err(start)?)
            // A program that is started again goes on in the same log.
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(&log)
                    .map_err(start)?,
            )
            // A Ctrl-C is for the demo, which then ends everything in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        Ok(Self {
            name: name.to_owned(),
            log,
            stdout,
            child,
        })
    }

    /// Its process id; 0 when it has ended.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Waits until it has printed a line, and returns the first one.
    ///
    /// # Errors
    /// If it ends before, or takes longer than `limit`.
    pub async fn first_line(&mut self, limit: Duration) -> Result<String, ProcessError> {
        let stdout = self.stdout.clone();
        self.wait_for(limit, "printed nothing", async || {
            let text = std::fs::read_to_string(&stdout).unwrap_or_default();
            text.split_once('\n').map(|(line, _)| line.to_owned())
        })
        .await
    }

    /// Waits until `check` finds something.
    ///
    /// # Errors
    /// If the process ends before, or takes longer than `limit`: then it `otherwise`, in words.
    pub async fn wait_for<T>(
        &mut self,
        limit: Duration,
        otherwise: &str,
        check: impl AsyncFn() -> Option<T>,
    ) -> Result<T, ProcessError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = check().await {
                return Ok(found);
            }
            let what = match self.child.try_wait() {
                Ok(Some(status)) => format!("ended ({status})"),
                _ if Instant::now() > deadline => format!("{otherwise} within {limit:?}"),
                _ => {
                    tokio::time::sleep(POLL).await;
                    continue;
                }
            };
            return Err(ProcessError::Failed {
                name: self.name.clone(),
                what,
                log: self.last_words(),
            });
        }
    }

    /// Kills it with signal 9 and waits until it is gone.
    pub async fn kill(mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill().await;
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}
