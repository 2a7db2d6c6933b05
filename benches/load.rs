//! How many requests a second the load check sends on one core: `cargo bench --bench load`.
//!
//! The check runs on a thread with a runtime of its own, which is all that it may use; the server that answers has
//! another. Latency is what the check says, from the moment at which a request was due; beside it stands what the server
//! took itself, from the read of a request to the write of its answer: the rest is the way, and what the check adds. It
//! says so if the check did not keep the rate that it promises, which a busy machine can be the reason for; and ends with code 1 if
//! the check says less than the server took, which nothing excuses.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use bluegreen::{
    gates::load::{Plan, Shot, drive},
    model::Protocol,
};
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// What the check promises on one core, in requests a second.
const PROMISED: f64 = 5_000.0;

/// Of the due requests so many are sent in time, and so many of those are answered.
const KEPT: f64 = 0.999;

const SECONDS: u64 = 5;

/// Smallest answer of a server that keeps its connections.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn main() -> Result<(), Box<dyn Error>> {
    let (tell, told) = mpsc::channel();
    // Up to a minute, in nanoseconds: recorded values are cut to the bound.
    let own = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
    let own = Arc::new(Mutex::new(own));
    let kept_by_server = Arc::clone(&own);
    thread::spawn(move || serve(&tell, &kept_by_server));
    let address = told.recv()?;
    println!(
        "{:>10}  {:>10}  {:>8}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>8}",
        "rate", "answered", "failed", "p50", "p99", "max", "server p50", "p99", "CPU"
    );
    let (mut kept, mut honest) = (true, true);
    for rate in [1_000.0, PROMISED, 10_000.0] {
        own.lock().expect("no panic").reset();
        let row = thread::spawn(move || measure(address, rate)).join();
        let Ok(row) = row else {
            return Err("the load ended early".into());
        };
        let row = row.map_err(|error| error.to_string())?;
        let server = [0.5, 0.99].map(|quantile| {
            let own = own.lock().expect("no panic");
            Duration::from_nanos(own.value_at_quantile(quantile))
        });
        println!(
            "{rate:>8.0}/s  {:>8.0}/s  {:>8}  {:>10.2?}  {:>10.2?}  {:>10.2?}  {:>10.2?}  {:>10.2?}  {:>7.0}%",
            row.answered,
            row.failed,
            row.latencies[0],
            row.latencies[1],
            row.latencies[2],
            server[0],
            server[1],
            row.cpu * 100.0
        );
        kept &= rate > PROMISED || row.answered >= KEPT * rate;
        honest &= row.latencies[0] >= server[0];
    }
    println!("\nserver: what it took itself; CPU: of the one thread of the check, of one core");
    if !kept {
        println!(
            "NOT KEPT: {PROMISED} requests a second of one core. Did something else run on it?"
        );
    }
    if !honest {
        return Err("the check says less than the server took".into());
    }
    Ok(())
}

struct Row {
    /// Answered with success, a second.
    answered: f64,
    failed: u64,
    latencies: [Duration; 3],
    /// The share of one core.
    cpu: f64,
}

fn measure(address: SocketAddr, rate: f64) -> std::io::Result<Row> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let plan = Plan {
        addresses: vec![address],
        protocol: Protocol::Http1,
        tls: None,
        shots: vec![Shot {
            method: http::Method::POST,
            path: http::Uri::from_static("/score"),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from_static(br#"{"amount":43.2,"foreign":false,"hour":17}"#),
        }],
        rate,
        warm_up: Duration::from_secs(1),
        duration: Duration::from_secs(SECONDS),
        connections: 128,
        timeout: Duration::from_secs(5),
    };
    let (began, cpu) = (Instant::now(), used());
    let outcome = runtime.block_on(drive(plan));
    let share = (used() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let latency = |name: &str| {
        let percentile = name.parse().ok();
        percentile
            .and_then(|it| outcome.latency(it))
            .unwrap_or_default()
    };
    Ok(Row {
        answered: (outcome.requests - outcome.failed()) as f64 / outcome.lasted.as_secs_f64(),
        failed: outcome.failed(),
        latencies: [latency("p50"), latency("p99"), latency("max")],
        cpu: share,
    })
}

/// The CPU time of this thread.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

/// Answers whatever comes, without reading more of it than it must: the server is not what is measured.
/// Keeps how long it took, in nanoseconds.
fn serve(tell: &mpsc::Sender<SocketAddr>, own: &Arc<Mutex<Histogram<u64>>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        tell.send(listener.local_addr().expect("an address"))
            .expect("somebody listens");
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.set_nodelay(true);
            let own = Arc::clone(own);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                // One request at a time on a connection, each in one piece.
                while let Ok(1..) = socket.read(&mut buffer).await {
                    let began = Instant::now();
                    if socket.write_all(ANSWER).await.is_err() {
                        return;
                    }
                    let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    own.lock().expect("no panic").saturating_record(took);
                }
            });
        }
    });
}
