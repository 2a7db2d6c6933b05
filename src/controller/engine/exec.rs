//! Runs a hook's program: JSON on its standard input, exit code 0 means yes, and what it prints is the answer.

use std::process::Stdio;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

use super::tried::{Tried, shown};

/// The longest output that is read: an answer with a thousand endpoints is far shorter.
const MAX_OUTPUT: u64 = 1024 * 1024;

/// Runs it until it ends. Dropped, the program is killed.
pub(super) async fn run(command: &[String], input: Vec<u8>) -> Tried {
    let Some((program, arguments)) = command.split_first() else {
        return Tried::No("it names no program".to_owned());
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Tried::No(format!("{program} can't be started: {error}")),
    };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input has its reasons.
            let _ = stdin.write_all(&input).await;
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let read_out = async {
        if let Some(stdout) = stdout {
            let _ = stdout.take(MAX_OUTPUT).read_to_end(&mut out).await;
        }
    };
    let read_err = async {
        if let Some(stderr) = stderr {
            let _ = stderr.take(MAX_OUTPUT).read_to_end(&mut err).await;
        }
    };
    // All at once: a program that fills one pipe while nobody reads it would wait for ever.
    let ((), (), (), status) = tokio::join!(write, read_out, read_err, child.wait());
    match status {
        Ok(status) if status.success() => Tried::Yes(out),
        Ok(status) => Tried::No(format!("{program} ended with {status}{}", shown(&err))),
        Err(error) => Tried::Failed(format!("{program}: {error}")),
    }
}
