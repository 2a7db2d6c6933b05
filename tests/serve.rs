//! The server as a process: where it says it listens, health, reflection, the token, and a clean end.

mod support;

use std::{
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    process::{ExitStatus, Output, Stdio},
};

use envoy_types::pb::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{
        DiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
};
use rustix::{fs::OFlags, process::Signal};
use support::{
    document, http, ports, waiting,
    world::{BINARY, START},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use bluegreen::api::{GetServerInfoRequest, GetStatusRequest, admin_client::AdminClient};

struct Server {
    process: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
    xds: SocketAddr,
    admin: SocketAddr,
    http: SocketAddr,
    dir: tempfile::TempDir,
}

/// Starts the server on ports that it picks itself; the admin port may listen elsewhere.
async fn start(admin: &str, more: &[&str]) -> Server {
    start_by(Command::new(BINARY), admin, more).await
}

/// By a command that ends in the server's name.
async fn start_by(command: Command, admin: &str, more: &[&str]) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    run(command, dir, admin, more, log.into()).await
}

/// The same in that directory.
async fn run(
    mut command: Command,
    dir: tempfile::TempDir,
    admin: &str,
    more: &[&str],
    log: Stdio,
) -> Server {
    let mut process = command
        .args(["serve", "--xds=127.0.0.1:0", "--http=127.0.0.1:0"])
        .arg(format!("--admin={admin}"))
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .args(more)
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut addresses = Vec::new();
    for what in ["xds", "admin", "http"] {
        let line = tokio::time::timeout(START, stdout.next_line()).await;
        let line = line.expect("a line in time").unwrap().expect("a line");
        let address = line.strip_prefix(&format!("{what} listening on "));
        addresses.push(address.unwrap_or_else(|| panic!("{line}")).parse().unwrap());
    }
    Server {
        process,
        _stdout: stdout,
        xds: addresses[0],
        admin: addresses[1],
        http: addresses[2],
        dir,
    }
}

async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

#[tokio::test]
async fn it_says_where_it_listens_and_that_it_is_well() {
    let server = start("127.0.0.1:0", &[]).await;
    for path in ["/healthz", "/readyz"] {
        let (status, _) = http::get(server.http, path).await.unwrap();
        assert_eq!(status, 200, "{path}");
    }
    for address in [server.admin, server.xds] {
        let mut health = HealthClient::new(channel(address).await);
        let answer = health.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
}

#[tokio::test]
async fn its_metrics_are_open_metrics() {
    let server = start("127.0.0.1:0", &[]).await;
    let (status, text) = http::get(server.http, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    let text = String::from_utf8(text.to_vec()).unwrap();
    for line in [
        concat!(
            "bluegreen_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
        "bluegreen_fleets_waiting 0",
        "bluegreen_xds_responses_total{type=\"RouteConfiguration\"} 0",
        "# TYPE bluegreen_proxies gauge",
        "# TYPE bluegreen_nacks counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    // Each family is described once, or a scraper refuses all of them.
    let mut types: Vec<_> = text.lines().filter(|l| l.starts_with("# TYPE")).collect();
    let count = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), count, "{text}");
}

#[tokio::test]
async fn reflection_names_the_admin_api() {
    let server = start("127.0.0.1:0", &[]).await;
    let mut reflection = ServerReflectionClient::new(channel(server.admin).await);
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection
        .server_reflection_info(tokio_stream::once(list))
        .await;
    let answer = answers.unwrap().into_inner().message().await.unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.unwrap().message_response else {
        panic!("another answer");
    };
    let names: Vec<String> = list.service.into_iter().map(|one| one.name).collect();
    assert!(
        names.contains(&"bluegreen.admin.v1.Admin".to_owned()),
        "{names:?}"
    );
}

impl Server {
    /// Asks the server to end, as an orchestrator does, and waits until it has.
    async fn terminate(&mut self) {
        terminate(&mut self.process).await;
    }
}

async fn terminate(process: &mut Child) {
    signal(process, Signal::TERM);
    assert!(end(process).await.success());
}

fn signal(process: &Child, signal: Signal) {
    let id = process.id().unwrap();
    let id = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
}

async fn end(process: &mut Child) -> ExitStatus {
    let ended = tokio::time::timeout(START, process.wait()).await;
    ended.expect("an end in time").unwrap()
}

#[tokio::test]
async fn it_ends_cleanly_on_each_signal_that_asks_for_it() {
    for asks in [Signal::TERM, Signal::INT, Signal::HUP] {
        // The tests themselves may have been told to outlive their terminal.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", BINARY]);
        let mut server = start_by(command, "127.0.0.1:0", &[]).await;
        signal(&server.process, asks);
        assert!(end(&mut server.process).await.success(), "{asks:?}");
    }
}

#[tokio::test]
async fn what_is_started_to_outlive_its_terminal_does() {
    let mut command = Command::new("nohup");
    command.arg(BINARY);
    let server = start_by(command, "127.0.0.1:0", &[]).await;
    let status = format!("/proc/{}/status", server.process.id().unwrap());
    let status = std::fs::read_to_string(status).unwrap();
    let mut lines = status.lines();
    let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_eq!(ignored & 1, 1, "SIGHUP is the first of {ignored:x}");
}

/// A commit on a disk that hangs is waited for: here its file is a pipe that is full. Who insists is heard.
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = start("127.0.0.1:0", &[]).await;
    let head = server.dir.path().join("data/HEAD.new");
    let made = Command::new("mkfifo").arg(&head).status().await;
    assert!(made.unwrap().success());
    let mut pipe = std::fs::File::options();
    let pipe = pipe
        .read(true)
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let mut pipe = pipe.open(&head).unwrap();
    while std::io::Write::write(&mut pipe, &[0; 4096]).is_ok() {}

    let open_files = format!("/proc/{}/fd", server.process.id().unwrap());
    let has_it_open = async || {
        let mut files = std::fs::read_dir(&open_files).unwrap();
        files.any(|file| std::fs::read_link(file.unwrap().path()).is_ok_and(|it| it == head))
    };
    tokio::select! {
        ran = server.apply(9) => panic!("{ran:?}"),
        _ = waiting::until("in the commit", has_it_open, |open| *open) => {}
    }
    let path = server.dir.path().join("log");
    let log = async || std::fs::read_to_string(&path).unwrap();
    signal(&server.process, Signal::TERM);
    waiting::until("stopping", log, |log| log.contains("stopping")).await;
    signal(&server.process, Signal::TERM);
    assert_eq!(end(&mut server.process).await.code(), Some(1));
    let log = log().await;
    assert!(log.contains("told to stop a second time"), "{log}");
}

/// A store on a disk that hangs: here a pipe in the place of a file, into which nobody writes.
#[tokio::test]
async fn while_it_starts_it_is_alive_and_not_ready_and_ends_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let head = data.join("HEAD");
    let made = Command::new("mkfifo").arg(&head).status().await;
    assert!(made.unwrap().success());
    let address = ports::free().unwrap();
    let mut process = Command::new(BINARY)
        .args(["serve", "--xds=127.0.0.1:0", "--admin=127.0.0.1:0"])
        .args([&format!("--http={address}"), "--data-dir"])
        .arg(&data)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // It can be opened once the server reads it.
    let opened = tokio::task::spawn_blocking(|| std::fs::File::options().write(true).open(head));
    let opened = tokio::time::timeout(START, opened).await;
    let _silent = opened.expect("it begins in time").unwrap().unwrap();
    for (path, expected) in [("/healthz", 200), ("/readyz", 503), ("/metrics", 503)] {
        let asked = tokio::time::timeout(START, http::get(address, path));
        let (status, _) = asked.await.expect("an answer in time").unwrap();
        assert_eq!(status, expected, "{path}");
    }
    terminate(&mut process).await;
}

/// A pipe that is full, as behind a log collector that hangs, is no reason not to switch, nor not to end.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let command = Command::new(BINARY);
    let log = Stdio::piped();
    let mut server = run(command, dir, "127.0.0.1:0", &["--log=trace"], log).await;
    let _pipe = server.process.stderr.take().unwrap();
    let mut admin = AdminClient::new(channel(server.admin).await);
    let mut lost = 0;
    // Each call says a lot. Once lines are lost, the pipe is full and so is what waits for it.
    for _ in 0..200 {
        for _ in 0..20 {
            let info = admin.get_server_info(GetServerInfoRequest {});
            info.await.unwrap();
        }
        let (_, text) = http::get(server.http, "/metrics").await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let mut lines = text.lines();
        let counted = lines.find_map(|it| it.strip_prefix("bluegreen_log_lines_lost_total "));
        lost = counted.expect("the count").parse().unwrap();
        if lost > 0 {
            break;
        }
    }
    assert!(lost > 0, "all that was said was taken");
    admin
        .get_server_info(GetServerInfoRequest {})
        .await
        .unwrap();
    server.terminate().await;
}

#[tokio::test]
async fn connections_that_say_nothing_or_half_of_it_do_not_keep_it() {
    let mut server = start("127.0.0.1:0", &[]).await;
    let mut open = Vec::new();
    for address in [server.xds, server.admin, server.http] {
        for said in ["", "GET /metrics HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n"] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(said.as_bytes()).await.unwrap();
            open.push(connection);
        }
        // What came before it has been accepted.
        http::get(server.http, "/healthz").await.unwrap();
    }
    server.terminate().await;
}

/// A server that may open 64 files, and its log.
async fn with_few_files() -> Server {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\"", BINARY]);
    start_by(command, "127.0.0.1:0", &[]).await
}

impl Server {
    /// A command that commits, by a client of its own, succeeds.
    async fn applies(&self, port: u16) {
        let ran = self.apply(port).await;
        assert!(ran.status.success(), "{ran:?}");
    }

    async fn apply(&self, port: u16) -> Output {
        let file = self.dir.path().join("service.yaml");
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let blue = document::environments(&[at(port)], &[]);
        let spec = [&*document::listener(at(10000)), &*blue];
        let text = document::service("fraud-model", &spec);
        std::fs::write(&file, text).unwrap();
        let command = Command::new(BINARY)
            .args([
                "apply",
                "--force",
                "--server",
                &self.admin.to_string(),
                "-f",
            ])
            .arg(&file)
            .output();
        command.await.unwrap()
    }
}

#[tokio::test]
async fn proxies_leave_files_for_whoever_wants_to_roll_back() {
    let mut server = with_few_files().await;
    let url = format!("http://{}", server.xds);
    let proxy = || {
        let channel = Channel::from_shared(url.clone()).unwrap();
        HealthClient::new(channel.connect_lazy())
    };
    let mut fleet = Vec::new();
    for _ in 0..100 {
        let mut health = proxy();
        let request = HealthCheckRequest::default();
        if let Ok(watch) = health.watch(request).await {
            let mut watch = watch.into_inner();
            if let Ok(Some(_)) = watch.message().await {
                fleet.push((health, watch));
            }
        }
    }
    assert!((10..50).contains(&fleet.len()), "{}", fleet.len());
    server.applies(9).await;
    // Who has a place keeps it.
    for (health, _) in &mut fleet {
        health.check(HealthCheckRequest::default()).await.unwrap();
    }
    // One place that is free again is another's.
    fleet.pop();
    loop {
        let mut health = proxy();
        if health.check(HealthCheckRequest::default()).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    server.terminate().await;
    let log = std::fs::read_to_string(server.dir.path().join("log")).unwrap();
    let told = |what| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(told("only 64 files may be open"), 1, "{log}");
    assert_eq!(told("a proxy's connection was closed"), 1, "{log}");
}

#[tokio::test]
async fn connections_that_say_nothing_leave_their_place_to_operators() {
    let mut server = with_few_files().await;
    let mut silent = Vec::new();
    for address in [server.admin, server.http] {
        for _ in 0..60 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
    }
    // Not all of them have a place at once.
    let mut first = silent.swap_remove(0);
    first.read_to_end(&mut Vec::new()).await.unwrap();
    silent.retain(|one| one.peer_addr().is_ok_and(|peer| peer != server.admin));
    server.applies(9).await;
    drop(silent);
    let (status, _) = http::get(server.http, "/healthz").await.unwrap();
    assert_eq!(status, 200);
    server.terminate().await;
}

#[tokio::test]
async fn whoever_watches_does_not_keep_it_from_ending() {
    let mut server = start("127.0.0.1:0", &[]).await;
    let mut admin = AdminClient::new(channel(server.admin).await);
    let mut watch = admin
        .watch_status(GetStatusRequest::default())
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap().expect("a first answer");
    server.terminate().await;
    assert!(matches!(watch.message().await, Ok(None)), "it is let go");
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_keep_it_from_ending() {
    let mut server = start("127.0.0.1:0", &[]).await;
    let mut health = HealthClient::new(channel(server.admin).await);
    let request = HealthCheckRequest::default();
    let mut watch = health.watch(request).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("a first answer");
    server.terminate().await;
}

/// A disk that hangs, as a network mount that is away: here a pipe into which nobody writes. It keeps a check from its data, and
/// nothing else.
#[tokio::test]
async fn a_file_that_never_ends_does_not_keep_it_from_ending() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("requests.jsonl");
    let made = Command::new("mkfifo").arg(&file).status().await;
    assert!(made.unwrap().success());
    let folder = files.path().to_str().unwrap();
    let mut server = start("127.0.0.1:0", &["--check-data", folder]).await;
    let document = server.dir.path().join("service.yaml");
    let text = "apiVersion: bluegreen/v1
kind: Service
metadata: { name: fraud-model }
spec:
  fleet: payments
  listener: { address: 127.0.0.1, port: 10000 }
  hosts: [\"*\"]
  routes: [ { match: { prefix: / } } ]
  environments: { blue: { version: v1.2, endpoints: [\"127.0.0.1:9\"] } }
  release:
    validation:
      - name: load
        load: { rate: { perSecond: 1 }, duration: 1s, data: { file: requests.jsonl }, limits: { errorRate: 0.0 } }
";
    std::fs::write(&document, text).unwrap();
    let cli = |args: &[&str]| {
        let url = format!("http://{}", server.admin);
        let mut command = Command::new(BINARY);
        let command = command.args(args).env("BLUEGREEN_SERVER", url);
        command.kill_on_drop(true).spawn().unwrap()
    };
    let applied = cli(&["apply", "-f", document.to_str().unwrap()])
        .wait()
        .await;
    assert!(applied.unwrap().success());
    let to = "127.0.0.1:9";
    let _release = cli(&["release", "fraud-model", "--version=v1.3", "--endpoint", to]);
    // It can be opened once the server reads it.
    let opened = tokio::task::spawn_blocking(|| std::fs::File::options().write(true).open(file));
    let opened = tokio::time::timeout(START, opened).await;
    let _silent = opened.expect("the check begins in time").unwrap().unwrap();
    server.terminate().await;
}

/// Its disk fails where a commit can't be taken back any more, and works again. Whoever gave the command is not told that nothing
/// has come of it.
#[tokio::test]
async fn a_command_that_may_be_done_yet_says_so() {
    let mut server = start("127.0.0.1:0", &[]).await;
    server.applies(9).await;
    let (data, away) = (
        server.dir.path().join("data"),
        server.dir.path().join("away"),
    );
    std::fs::rename(&data, &away).unwrap();
    let ran = server.apply(10).await;
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(38), "{said}");
    assert!(said.contains("outcome is unknown"), "{said}");
    std::fs::rename(&away, &data).unwrap();
    let mut admin = AdminClient::new(channel(server.admin).await);
    let watch = admin.watch_status(GetStatusRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    let done = async {
        while let Some(status) = watch.message().await.unwrap() {
            let blue = status.services[0].blue.clone().unwrap();
            if blue.endpoints == ["127.0.0.1:10"] {
                break;
            }
        }
    };
    tokio::time::timeout(START, done).await.expect("it is done");
    server.terminate().await;
}

#[tokio::test]
async fn an_admin_port_of_the_network_needs_a_token_and_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut refused = Command::new(BINARY)
        .args(["serve", "--admin=0.0.0.0:0", "--data-dir"])
        .arg(dir.path().join("data"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = refused.stderr.take().unwrap();
    stderr.read_to_string(&mut said).await.unwrap();
    assert_eq!(refused.wait().await.unwrap().code(), Some(2));
    assert!(said.contains("--admin-token-file"), "{said}");
    assert!(!dir.path().join("data").exists());

    let file = dir.path().join("token");
    std::fs::write(&file, "correct-horse-battery\n").unwrap();
    let server = start("0.0.0.0:0", &["--admin-token-file", file.to_str().unwrap()]).await;
    let admin = SocketAddr::from(([127, 0, 0, 1], server.admin.port()));
    let mut client = AdminClient::new(channel(admin).await);
    for (token, code) in [
        (None, Some(Code::Unauthenticated)),
        (
            Some("Bearer wrong-horse-battery"),
            Some(Code::Unauthenticated),
        ),
        (Some("Bearer correct-horse-battery"), None),
    ] {
        let mut request = Request::new(GetServerInfoRequest {});
        if let Some(token) = token {
            let value = token.parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let answer = client.get_server_info(request).await;
        assert_eq!(answer.err().map(|status| status.code()), code, "{token:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_refused_is_counted_and_named_in_the_log_once() {
    let mut server = start("127.0.0.1:0", &["--unknown-fleet=reject"]).await;
    let mut discovery = AggregatedDiscoveryServiceClient::new(channel(server.xds).await);
    for proxy in ["p1", "p2"] {
        let node = Node {
            id: proxy.to_owned(),
            cluster: "paymens".to_owned(),
            ..Node::default()
        };
        let first = DiscoveryRequest {
            node: Some(node),
            type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
            ..DiscoveryRequest::default()
        };
        let answer = discovery.stream_aggregated_resources(tokio_stream::once(first));
        let refused = answer.await.unwrap().into_inner().message().await;
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    }
    let (_, text) = http::get(server.http, "/metrics").await.unwrap();
    let counted = "bluegreen_xds_streams_refused_total{code=\"NOT_FOUND\"} 2";
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.lines().any(|line| line == counted), "{text}");
    server.terminate().await;
    let log = std::fs::read_to_string(server.dir.path().join("log")).unwrap();
    let told = log
        .lines()
        .filter(|line| line.contains("no fleet paymens is declared"));
    assert_eq!(told.count(), 1, "{log}");
}
