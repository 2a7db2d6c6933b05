//! Runs a hook's program: JSON on its standard input, exit code 0 means yes, and what it prints is the answer.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy, sink},
    process::Command,
    time::timeout,
};

use super::tried::{Tried, late, shown};

/// The longest output that is kept: an answer with a thousand endpoints is far shorter.
const MAX_OUTPUT: u64 = 1024 * 1024;

/// What a program has printed when it ends is there to be read; what it left running may keep its output open for ever.
const REST: Duration = Duration::from_secs(1);

/// The processes of a program that is not to go on: it and all that it has started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // An error: they have ended.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Runs it until it ends. After `limit`, or dropped, the program is killed, with what it has started. What it leaves running when it ends
/// by itself goes on: it may be the environment that it was to make.
pub(super) async fn run(command: &[String], input: Vec<u8>, limit: Duration) -> Tried {
    let Some((program, arguments)) = command.split_first() else {
        return Tried::No("it names no program".to_owned());
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Tried::No(format!("{program} can't be started: {error}")),
    };
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(leader.and_then(Pid::from_raw));
    let stdin = child.stdin.take();
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input has its reasons.
            let _ = stdin.write_all(&input).await;
        }
    };
    // All at once: a program that fills one pipe while nobody reads it would wait for ever.
    let status = {
        let talk = async {
            tokio::join!(
                write,
                read(&mut stdout, &mut out),
                read(&mut stderr, &mut err)
            );
        };
        tokio::pin!(talk);
        let mut said_all = false;
        let ended = timeout(limit, async {
            tokio::select! {
                () = &mut talk => {
                    said_all = true;
                    child.wait().await
                }
                status = child.wait() => status,
            }
        })
        .await;
        let Ok(status) = ended else {
            return late(limit);
        };
        // It was in time: what is read of it now does not count.
        if !said_all {
            let _ = timeout(REST, &mut talk).await;
        }
        status
    };
    group.0 = None;
    // A pipe that is closed would end what was left running as soon as it prints something.
    tokio::spawn(async move { tokio::join!(leave(stdout), leave(stderr)) });
    match status {
        Ok(status) if status.success() => Tried::Yes(out),
        Ok(status) => Tried::No(format!("{program} ended with {status}{}", shown(&err))),
        Err(error) => Tried::Failed(format!("{program}: {error}")),
    }
}

/// The beginning of what a program prints. The rest is read as well: a pipe that is closed would kill it.
async fn read(pipe: &mut Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    if let Some(pipe) = pipe {
        let mut first = pipe.take(MAX_OUTPUT);
        while let Ok(1..) = first.read_buf(kept).await {}
        let _ = copy(pipe, &mut sink()).await;
    }
}

/// Reads on for whoever still writes.
async fn leave(pipe: Option<impl AsyncRead + Unpin>) {
    if let Some(mut pipe) = pipe {
        let _ = copy(&mut pipe, &mut sink()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    /// Neither gone nor only waiting to be reaped.
    fn runs(pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn what_a_program_leaves_running_keeps_it_from_nothing_and_goes_on() {
        let command = shell("sleep 300 & echo $!");
        // Also where it has no longer than its output is waited for.
        let ended = timeout(Duration::from_secs(30), run(&command, Vec::new(), REST));
        let Tried::Yes(answer) = ended.await.expect("it has ended") else {
            panic!("it said yes");
        };
        let pid: i32 = String::from_utf8(answer).unwrap().trim().parse().unwrap();
        assert!(runs(pid));
        let pid = Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn what_is_given_up_is_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", file.display());
        let running = tokio::spawn(async move {
            run(&shell(&script), Vec::new(), Duration::from_secs(300)).await
        });
        let pid: i32 = loop {
            let written = std::fs::read_to_string(&file).unwrap_or_default();
            match written.trim().parse() {
                Ok(pid) => break pid,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert!(runs(pid));
        running.abort();
        let gone = async {
            while runs(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), gone)
            .await
            .expect("killed");
    }
}
