//! A TCP relay in front of the control plane that a test can halt: the proxy behind it keeps its connection, and
//! nothing reaches either side. A proxy that is slow, or half of a fleet that has not heard the news yet.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// A running relay. Dropped, all its connections are cut.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    open: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Relays to `target`, which need not listen yet.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (open, gate) = watch::channel(true);
        let task = tokio::spawn(accept(listener, target, gate));
        Self {
            addr,
            open: Arc::new(open),
            task,
        }
    }

    /// Where to connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on nothing gets through, in any direction.
    pub fn halt(&self) {
        self.open.send_replace(false);
    }

    /// What was held back goes on its way.
    pub fn resume(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, gate: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(relay(client, target, gate.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn relay(client: TcpStream, target: SocketAddr, gate: watch::Receiver<bool>) {
    // Nobody listens: the client sees its connection end, as without a relay.
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    // With either direction the whole connection ends.
    tokio::select! {
        () = pump(from_client, to_server, gate.clone()) => {}
        () = pump(from_server, to_client, gate) => {}
    }
}

async fn pump(
    mut from: ReadHalf<TcpStream>,
    mut to: WriteHalf<TcpStream>,
    mut gate: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        // Also what ends the connection waits: a halted proxy hears nothing.
        if gate.wait_for(|open| *open).await.is_err() {
            return;
        }
        let Ok(length @ 1..) = read else {
            return;
        };
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
