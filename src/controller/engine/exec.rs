//! Runs a hook's program: JSON on its standard input, exit code 0 means yes, and what it prints is the answer.

use std::process::Stdio;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy, sink},
    process::Command,
};

use super::tried::{Tried, shown};

/// The longest output that is kept: an answer with a thousand endpoints is far shorter.
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
    // All at once: a program that fills one pipe while nobody reads it would wait for ever.
    let ((), out, err, status) = tokio::join!(write, read(stdout), read(stderr), child.wait());
    match status {
        Ok(status) if status.success() => Tried::Yes(out),
        Ok(status) => Tried::No(format!("{program} ended with {status}{}", shown(&err))),
        Err(error) => Tried::Failed(format!("{program}: {error}")),
    }
}

/// The beginning of what a program prints. The rest is read as well: a pipe that is closed would kill it.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(MAX_OUTPUT).read_to_end(&mut kept).await;
        let _ = copy(&mut pipe, &mut sink()).await;
    }
    kept
}
