//! One row: a fleet is warmed up, switched, and sent through reconnects.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use crate::{
    BoxError,
    args::RunArgs,
    board::Board,
    envoy::Envoy,
    process,
    proxy::{Order, Proxy, Shared},
    report::{Clocks, Reconnect, Row, Switch},
    server::{Ports, Server},
    shape::Shape,
    trigger::{Trigger, TriggerError},
    wire::{self, Mode},
};

/// A switch's CPU time is read so long after its last ACK: by then the server has done what ACKs make it do.
const AFTERMATH: Duration = Duration::from_secs(1);

/// What a row is about.
pub struct Case {
    pub proxies: usize,
    pub mode: Mode,
    /// None: a server that runs already.
    pub shape: Option<Shape>,
}

/// A running row.
struct Fleet<'a> {
    args: &'a RunArgs,
    shared: Arc<Shared>,
    orders: watch::Sender<Order>,
    trigger: Trigger,
    pid: Option<u32>,
    /// Proxies that read.
    active: usize,
    rounds: usize,
}

/// Measures one row.
pub async fn row(args: &RunArgs, case: Case) -> Result<Row, BoxError> {
    let (address, pid, trigger) = match (args.server, case.shape) {
        (None, Some(shape)) => {
            let server = Server::start(shape, Ports { xds: 0 }).await?;
            let (address, pid) = (server.xds, Some(server.pid));
            (address, pid, Trigger::Own(Box::new(server)))
        }
        (Some(address), _) => (address, args.pid, Trigger::parse(args.trigger.as_deref())?),
        (None, None) => return Err("a row needs a shape or --server".into()),
    };
    let slow = args.slow.min(case.proxies);
    let mut fleet = Fleet {
        args,
        shared: Arc::new(Shared {
            server: address,
            mode: case.mode,
            window: args.window,
            stall: args.stall,
            connecting: Semaphore::new(args.connecting),
            board: Board::new(case.proxies, slow),
        }),
        orders: watch::Sender::new(Order::Serve),
        trigger,
        pid,
        active: case.proxies - slow,
        rounds: 0,
    };
    let mut row = Row {
        shape: case.shape.map(|shape| shape.to_string()),
        mode: case.mode.to_string(),
        proxies: case.proxies,
        slow,
        extensions: args.extensions,
        server_before: pid.and_then(process::memory).map(|memory| memory.resident),
        ..Row::default()
    };
    if fleet.warm_up(&mut row).await {
        sleep(args.settle.0).await;
        let settled = pid.and_then(process::memory);
        fleet.orders.send_replace(Order::Stall);
        let switches = match fleet.trigger {
            Trigger::None => 0,
            _ => args.switches,
        };
        for _ in 0..switches {
            row.switches.push(fleet.switch().await?);
        }
        for _ in 0..args.reconnects {
            let reconnect = fleet.reconnect().await?;
            row.reconnects.push(reconnect);
        }
        row.remember(settled, pid.and_then(process::memory));
    }
    let board = &fleet.shared.board;
    row.distinct_resources = board.resources.distinct();
    row.failed = board.failed.load(Ordering::SeqCst);
    row.failures = board.failures();
    row.retried = board.retried.load(Ordering::SeqCst);
    Ok(row)
}

impl Fleet<'_> {
    /// Starts all proxies; true once every one of them has everything.
    async fn warm_up(&mut self, row: &mut Row) -> bool {
        let cpu = Clocks::now(self.pid);
        let began = Instant::now();
        for number in 0..row.proxies {
            let id = format!("proxy-{number:05}");
            let node = wire::node(&id, &self.args.fleet, self.args.extensions);
            let proxy = Proxy {
                number,
                slow: number >= self.active,
                envoy: Envoy::new(self.shared.mode, node.into()),
                shared: self.shared.clone(),
                orders: self.orders.subscribe(),
                heard: false,
            };
            tokio::spawn(proxy.run());
        }
        let board = &self.shared.board;
        let warm = board
            .until(&board.warm, row.proxies, self.args.patience())
            .await;
        row.warm_s = began.elapsed().as_secs_f64();
        row.warm_cpu_s = cpu.elapsed();
        if !warm {
            let count = board.warm.load(Ordering::SeqCst);
            board.fail(count, &format!("only {count} proxies became warm"));
        }
        warm
    }

    async fn switch(&mut self) -> Result<Switch, TriggerError> {
        let board = &self.shared.board;
        let before = board.weights(self.active);
        board.clear();
        let cpu = Clocks::now(self.pid);
        let mut began = board.now();
        let started = || began = board.now();
        let fired = self.trigger.fire(self.rounds, self.active, started).await?;
        self.rounds += 1;
        let all = board
            .until(&board.acks, self.active, self.args.patience())
            .await;
        let proof = match fired {
            Some(proof) => timeout(self.args.patience(), proof)
                .await
                .ok()
                .and_then(Result::ok),
            None => None,
        };
        sleep(AFTERMATH).await;
        let cpu_s = cpu.elapsed();
        let weights = board.weights(self.active);
        let expected = match (&self.trigger, self.args.expect.len()) {
            (Trigger::Own(server), _) => Some(server.weights()),
            (_, 0) => None,
            (_, count) => Some(self.args.expect[(self.rounds - 1) % count].clone()),
        };
        let right = match expected {
            Some(expected) => weights == [expected],
            None => weights.len() == 1 && weights != before,
        };
        let proven = proof.is_none_or(|proof| proof.acked as usize == self.active);
        let (receipts, acks) = (board.receipts(began), board.ack_times(began));
        Ok(Switch {
            ok: all && right && proven,
            weights,
            acked: acks.len(),
            first_receipt_ms: at(&receipts, 0.0),
            median_receipt_ms: at(&receipts, 0.5),
            first_ack_ms: at(&acks, 0.0),
            p99_ack_ms: at(&acks, 0.99),
            last_ack_ms: at(&acks, 1.0),
            cpu_s,
            proof,
        })
    }

    /// Every proxy drops its connection and makes another at once; the moment that all are back there is a switch.
    async fn reconnect(&mut self) -> Result<Reconnect, TriggerError> {
        let board = &self.shared.board;
        // All at once: nobody waits for his turn.
        let waiting = self.active.saturating_sub(self.args.connecting);
        self.shared.connecting.add_permits(waiting);
        board.open.store(0, Ordering::SeqCst);
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::SeqCst);
        let (bytes, responses) = (read(&board.bytes), read(&board.responses));
        let cpu = Clocks::now(self.pid);
        let began = Instant::now();
        self.orders.send_replace(Order::Reconnect(self.rounds));
        board
            .until(&board.open, self.active, self.args.patience())
            .await;
        let open_s = began.elapsed().as_secs_f64();
        let cpu_s = cpu.elapsed();
        let (bytes, responses) = (
            read(&board.bytes) - bytes,
            read(&board.responses) - responses,
        );
        let switch = self.switch().await?;
        self.shared.connecting.forget_permits(waiting);
        Ok(Reconnect {
            open_s,
            bytes,
            responses,
            cpu_s,
            switch,
        })
    }
}

/// The value at that share of a sorted list; 0 if it is empty.
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (last as f64 * share).ceil() as usize;
    sorted.get(place).copied().unwrap_or_default()
}
