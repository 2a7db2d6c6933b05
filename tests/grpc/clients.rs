//! gRPC clients and backends as processes, and what their calls say.

use std::{net::SocketAddr, path::Path, process::Stdio};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
    task::JoinHandle,
};

use crate::support::{
    document,
    world::{START, World},
};

/// Calls a second of one client.
const RATE: &str = "100";

/// As many calls show which environment answers: a tenth of a second of them.
const SOME_CALLS: usize = 10;

/// As many calls show both environments where a fifth goes to one of them: 0.8 to the power of this is one in ten billion.
const MANY_CALLS: usize = 100;

/// One call that has ended.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// What the test had begun last when the call began.
    pub during: String,
    /// The same when it ended.
    pub until: String,
    /// The label of the backend that answered.
    pub answer: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A process, what it is told, and what it says.
type Spoken = (Child, ChildStdin, Lines<BufReader<ChildStdout>>);

/// One of the scripts beside this file.
async fn script(name: &str) -> Command {
    let folder = repository().join("tests/grpc");
    let python = Command::new(folder.join("get-python")).output().await;
    let python = python.expect("get-python runs");
    assert!(python.status.success(), "{python:?}");
    let python = String::from_utf8(python.stdout).expect("a path");
    let mut command = Command::new(python.trim_end());
    command.arg(folder.join("python").join(name));
    command
}

/// What calls: the Python client, or another program that is told, and says, the same.
async fn caller() -> Command {
    match std::env::var_os("BLUEGREEN_TEST_GRPC_CALLER") {
        Some(program) => Command::new(program),
        None => script("call.py").await,
    }
}

fn start(command: &mut Command) -> Spoken {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let stdin = process.stdin.take().expect("a pipe");
    let stdout = process.stdout.take().expect("a pipe");
    (process, stdin, BufReader::new(stdout).lines())
}

/// A gRPC server per label. Dropped, they are gone.
pub struct Backends {
    addresses: Vec<SocketAddr>,
    _process: Child,
    // They end with it.
    _stdin: ChildStdin,
}

impl Backends {
    /// Two that answer `blue` and two that answer `green`.
    pub async fn start() -> Self {
        let labels = ["blue", "blue", "green", "green"];
        let (process, stdin, mut lines) = start(script("answer.py").await.args(labels));
        let mut addresses = Vec::new();
        while addresses.len() < labels.len() {
            let line = tokio::time::timeout(START, lines.next_line()).await;
            let line = line.expect("in time").expect("readable").expect("a port");
            let port = line.parse().expect("a port");
            addresses.push(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        Self {
            addresses,
            _process: process,
            _stdin: stdin,
        }
    }

    /// `spec.environments` of a service.
    pub fn environments(&self) -> String {
        let (blue, green) = self.addresses.split_at(2);
        document::environments(blue, green)
    }

    /// The same with nothing in green yet.
    pub fn blue_alone(&self) -> String {
        document::environments(&self.addresses[..2], &[])
    }

    /// Where those run that answer `green`.
    pub fn green(&self) -> Vec<String> {
        self.addresses[2..]
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

/// Calls that have ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub answered: usize,
    pub failed: usize,
    /// Begun and ended during what was begun last.
    pub latest: usize,
}

/// A client that calls all the time.
pub struct Client {
    process: Child,
    stdin: ChildStdin,
    began: watch::Receiver<String>,
    seen: watch::Receiver<Seen>,
    calls: JoinHandle<Vec<Call>>,
}

impl Client {
    /// A client of fleet `payments` that dials `xds:///TARGET`, with the bootstrap that users get.
    pub async fn start(world: &World, node: &str, target: &str) -> Self {
        let example = repository().join("envoy/grpc-bootstrap.json");
        let text = std::fs::read_to_string(example).expect("the bootstrap");
        let mut bootstrap: Value = serde_json::from_str(&text).expect("JSON");
        bootstrap["xds_servers"][0]["server_uri"] = json!(world.xds.to_string());
        bootstrap["node"]["id"] = json!(node);
        assert_eq!(bootstrap["node"]["cluster"], "payments");
        let file = world.dir.path().join(format!("{node}.json"));
        std::fs::write(&file, bootstrap.to_string()).expect("a file");
        let file = file.display().to_string();
        Self::dialling(
            &format!("xds:///{target}"),
            &[("GRPC_XDS_BOOTSTRAP", &file)],
        )
        .await
    }

    /// A client of that address, which may be an Envoy's.
    pub async fn of(address: SocketAddr) -> Self {
        Self::dialling(&address.to_string(), &[]).await
    }

    async fn dialling(target: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = caller().await;
        command.args([target, RATE]);
        let (process, stdin, mut lines) = start(command.envs(environment.iter().copied()));
        let (begins, began) = watch::channel(String::new());
        let (sees, seen) = watch::channel(Seen::default());
        let calls = tokio::spawn(async move {
            let mut calls = Vec::new();
            while let Some(line) = lines.next_line().await.expect("readable output") {
                let value: Value = serde_json::from_str(&line).expect("JSON");
                if let Some(name) = value["began"].as_str() {
                    // First: who is told that this has begun must not see what was counted before.
                    sees.send_modify(|seen| seen.latest = 0);
                    begins.send_replace(name.to_owned());
                    continue;
                }
                let call: Call = serde_json::from_value(value).expect("a call");
                sees.send_modify(|seen| {
                    let ended = match call.error {
                        Some(_) => &mut seen.failed,
                        None => &mut seen.answered,
                    };
                    *ended += 1;
                    seen.latest += usize::from(call.during == *begins.borrow());
                });
                calls.push(call);
            }
            calls
        });
        Self {
            process,
            stdin,
            began,
            seen,
            calls,
        }
    }

    /// From now on calls are made during this: whatever is begun later bears the name.
    pub async fn during(&mut self, name: &str) {
        let line = format!("{name}\n");
        self.stdin
            .write_all(line.as_bytes())
            .await
            .expect("it reads");
        let began = self.began.wait_for(|began| began == name);
        tokio::time::timeout(START, began)
            .await
            .expect("in time")
            .expect("it runs");
    }

    /// The same, and waits until some calls that were made during this have ended.
    pub async fn throughout(&mut self, name: &str) {
        self.during(name).await;
        self.until(|seen| seen.latest >= SOME_CALLS).await;
    }

    /// The same, until so many have that both environments show.
    pub async fn throughout_many(&mut self, name: &str) {
        self.during(name).await;
        self.until(|seen| seen.latest >= MANY_CALLS).await;
    }

    /// Waits until its calls say so.
    pub async fn until(&mut self, says: impl FnMut(&Seen) -> bool) {
        let seen = tokio::time::timeout(START, self.seen.wait_for(says)).await;
        seen.expect("in time").expect("it runs");
    }

    /// Ends it after its last call; what its calls have said.
    pub async fn stop(self) -> Vec<Call> {
        let Self {
            mut process,
            stdin,
            calls,
            ..
        } = self;
        drop(stdin);
        let calls = tokio::time::timeout(2 * START, calls)
            .await
            .expect("in time");
        process.wait().await.expect("it ends");
        calls.expect("readable output")
    }
}

/// The calls that were made during this from beginning to end: one that is still open when the next thing begins may go where that
/// leads.
pub fn made<'a>(calls: &'a [Call], during: &'a str) -> impl Iterator<Item = &'a Call> {
    let all = move |call: &&Call| call.during == during && call.until == during;
    calls.iter().filter(all)
}

/// No call failed, there were some during each of these, and those were answered by that environment.
#[track_caller]
pub fn answered(calls: &[Call], expected: &[(&str, &str)]) {
    let failed = calls.iter().find(|call| call.error.is_some());
    assert!(failed.is_none(), "{failed:?}");
    for (during, label) in expected {
        let mut found = made(calls, during).peekable();
        assert!(found.peek().is_some(), "no call during {during}");
        let wrong = found.find(|call| call.answer.as_deref() != Some(*label));
        assert!(
            wrong.is_none(),
            "{wrong:?} should have been answered by {label}"
        );
    }
}
