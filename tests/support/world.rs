//! A whole installation for one test: the real server as a process, its command line, real Envoys, all on loopback.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{envoy, envoy::Envoy, ports, ports::ReservedPort};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_bluegreen");

/// A server that has to open a store and a machine that compiles beside it.
pub const START: Duration = Duration::from_secs(30);

/// How long an Envoy may take to be ready.
pub const READY: Duration = Duration::from_secs(60);

/// The server, its data directory and its fleet. Dropped, everything is ended and removed.
pub struct World {
    /// Files of this test.
    pub dir: TempDir,
    /// Where Envoys connect.
    pub xds: SocketAddr,
    /// Where commands go.
    pub admin: SocketAddr,
    /// The port that the fleet's Envoys share.
    pub listener: ReservedPort,
    /// The fleet.
    pub envoys: Vec<Envoy>,
    /// Where health and metrics are.
    pub http: SocketAddr,
    server: Mutex<Option<Child>>,
}

/// Whether the Envoys of this run speak delta: `BLUEGREEN_TEST_XDS_MODE=delta`. Every test is one of both modes.
pub fn delta() -> bool {
    match std::env::var("BLUEGREEN_TEST_XDS_MODE").as_deref() {
        Ok("delta") => true,
        Ok("sotw") | Err(_) => false,
        Ok(other) => panic!("BLUEGREEN_TEST_XDS_MODE is sotw or delta, not {other}"),
    }
}

/// What a command of the CLI answered.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 when it was killed.
    pub code: i32,
    /// Its data.
    pub stdout: String,
    /// Everything else it said.
    pub stderr: String,
    /// When it was started.
    pub started: Instant,
    /// When it had returned.
    pub returned: Instant,
}

impl Ran {
    /// Its data, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The same, after checking that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl World {
    /// A running server without any Envoy.
    pub async fn start() -> Self {
        let world = Self::stopped();
        world.serve(&[]).await;
        world
    }

    /// Everything prepared, nothing running.
    pub fn stopped() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            // Not port 0: after a crash the server must come back where its proxies look for it.
            xds: ports::free().expect("a free port"),
            admin: ports::free().expect("a free port"),
            http: ports::free().expect("a free port"),
            listener: ReservedPort::take().expect("a free port"),
            envoys: Vec::new(),
            server: Mutex::new(None),
        }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The server's process, not started yet: for environment variables and further flags.
    pub fn server_command(&self) -> Command {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("server.log"))
            .expect("a log file");
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--log", "info,bluegreen=debug"])
            .arg(format!("--xds={}", self.xds))
            .arg(format!("--admin={}", self.admin))
            .arg(format!("--http={}", self.http))
            .arg(format!("--data-dir={}", self.data().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        command
    }

    /// Starts the server with these variables, and waits until it listens.
    pub async fn serve(&self, environment: &[(&str, &str)]) {
        let mut server = self
            .server_command()
            .envs(environment.iter().copied())
            .spawn()
            .expect("the server starts");
        let stdout = server.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(stdout).lines();
        // The bound addresses are printed once everything listens; the http one is last.
        let listening = async {
            while let Some(line) = lines.next_line().await.expect("readable output") {
                if line.contains(&self.http.to_string()) {
                    return true;
                }
            }
            false
        };
        let listening = tokio::time::timeout(START, listening).await;
        assert_eq!(listening, Ok(true), "{}", self.log());
        *self.server() = Some(server);
    }

    /// The process id of the running server.
    pub fn server_id(&self) -> u32 {
        let id = self.server().as_ref().and_then(Child::id);
        id.expect("a running server")
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// Kills the server with signal 9.
    pub async fn kill(&self) {
        let server = self.server().take();
        let mut server = server.expect("a running server");
        server.kill().await.expect("the server dies");
    }

    /// Asks the server to end, and waits until it has.
    pub async fn terminate(&self) {
        self.signal(Signal::TERM);
        self.ended().await;
    }

    /// Sends the running server a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.server_id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("a signal");
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(&self) {
        let server = self.server().take();
        let mut server = server.expect("a running server");
        tokio::time::timeout(START, server.wait())
            .await
            .expect("the server ends in time")
            .expect("the server's exit status");
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server
            .lock()
            .expect("no test panics while it holds this")
    }

    /// Runs one command.
    pub async fn cli(&self, args: &[&str]) -> Ran {
        self.cli_command(args, None).await
    }

    /// Runs one command with `-o json`; it must succeed.
    pub async fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        self.cli(&args).await.ok().json()
    }

    /// Applies documents; `args` are further flags.
    pub async fn apply(&self, documents: &str, args: &[&str]) -> Ran {
        let args: Vec<&str> = ["apply", "-f", "-", "--yes", "-o", "json"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        self.cli_command(&args, Some(documents)).await
    }

    async fn cli_command(&self, args: &[&str], stdin: Option<&str>) -> Ran {
        use tokio::io::AsyncWriteExt;
        let started = Instant::now();
        let mut child = Command::new(BINARY)
            .args(args)
            .env("BLUEGREEN_SERVER", format!("http://{}", self.admin))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the CLI starts");
        let mut input = child.stdin.take().expect("a pipe");
        // A command that reads no input may be gone before all is written.
        let _ = input.write_all(stdin.unwrap_or_default().as_bytes()).await;
        drop(input);
        let output = child.wait_with_output().await.expect("the CLI ends");
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            started,
            returned: Instant::now(),
        }
    }

    /// Starts one more Envoy of fleet `payments`; it need not become ready.
    pub async fn envoy(&mut self, node: &str) -> &mut Envoy {
        self.envoy_of("payments", node, self.xds).await
    }

    /// Starts one more Envoy of that fleet, whose control plane is at `xds`; it need not become ready.
    pub async fn envoy_of(&mut self, fleet: &str, node: &str, xds: SocketAddr) -> &mut Envoy {
        self.envoy_set(fleet, node, xds, |_| ()).await
    }

    /// The same, with a bootstrap that is changed so.
    pub async fn envoy_set(
        &mut self,
        fleet: &str,
        node: &str,
        xds: SocketAddr,
        set: impl FnOnce(&mut Value),
    ) -> &mut Envoy {
        let binary = envoy::binary().await.expect("an Envoy");
        let mut bootstrap = envoy::bootstrap(xds).expect("the bootstrap");
        if delta() {
            bootstrap["dynamic_resources"]["ads_config"]["api_type"] = "DELTA_GRPC".into();
        }
        set(&mut bootstrap);
        let dir: &Path = self.dir.path();
        let envoy = Envoy::start(&binary, &bootstrap, node, fleet, dir)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        self.envoys.push(envoy);
        self.envoys.last_mut().expect("just pushed")
    }

    /// Starts `count` Envoys `proxy-1`, `proxy-2`, … and waits until each is ready.
    pub async fn fleet(&mut self, count: usize) {
        for number in 1..=count {
            self.envoy(&format!("proxy-{number}")).await;
        }
        self.ready().await;
    }

    /// Waits until every Envoy is ready.
    pub async fn ready(&mut self) {
        for envoy in &mut self.envoys {
            envoy
                .ready(READY)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// The sum of a counter over the fleet, for all names that match the regular expression. What the tests ask of
    /// the admin ports is not counted.
    pub async fn counter(&self, filter: &str) -> u64 {
        let mut sum = 0;
        for envoy in &self.envoys {
            let stats = envoy.stats(filter).await.expect("the admin port answers");
            let traffic = stats.iter().filter(|(name, _)| !name.contains("admin."));
            sum += traffic.map(|(_, count)| count).sum::<u64>();
        }
        sum
    }
}
