//! Ports for programs that cannot be given port 0: Envoys that share a listener, a server that must come back
//! where it was.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::atomic::{AtomicU16, Ordering},
};

use socket2::{Domain, Socket, Type};

/// Ports are taken from here: below the range from which Linux takes the local ports of outgoing connections
/// (32768 up), so that no client can sit on a port while its server is down, or connect to itself there.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A loopback port that is ours as long as this value lives. Others of the same user may listen on it by
/// `SO_REUSEPORT`, as Envoy does; this socket never listens, so it takes no connection away from them.
#[derive(Debug)]
pub struct ReservedPort {
    addr: SocketAddr,
    _socket: Socket,
}

impl ReservedPort {
    /// Takes a free port.
    ///
    /// # Errors
    /// If none of the range is free.
    pub fn take() -> io::Result<Self> {
        let socket = bind_free()?;
        // Only after the bind: bound like this from the start, a port that somebody else has reserved in the same
        // way would look free.
        socket.set_reuse_port(true)?;
        let addr = address(&socket)?;
        Ok(Self {
            addr,
            _socket: socket,
        })
    }

    /// The address to listen on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// A loopback address that was free a moment ago, for a server that binds it exclusively.
///
/// # Errors
/// If no port of the range is free.
pub fn free() -> io::Result<SocketAddr> {
    address(&bind_free()?)
}

fn bind_free() -> io::Result<Socket> {
    // Processes start at different places, and one process never tries the same port twice in a row.
    static TURN: AtomicU16 = AtomicU16::new(0);
    let start = u32::from(FIRST) + std::process::id().wrapping_mul(37) % u32::from(COUNT);
    for _ in 0..COUNT {
        let turn = u32::from(TURN.fetch_add(1, Ordering::Relaxed));
        let offset = (start - u32::from(FIRST) + turn) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).unwrap_or_default();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let addr = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        match socket.bind(&SocketAddr::V4(addr).into()) {
            Ok(()) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "no loopback port between 20000 and 32000 is free",
    ))
}

fn address(socket: &Socket) -> io::Result<SocketAddr> {
    socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("the socket has no IP address"))
}
