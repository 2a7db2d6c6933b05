//! Asks the client of a connection whether it is still there.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

/// A dead connection must not count as a connected proxy for longer than an operator looks at a status.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long the answer may take. A machine that is short of CPU answers late, and a fleet that reconnects then makes it
/// worse: with five seconds, proxies were lost where ten thousand started on two busy cores.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The client does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dead;

/// The pings of one connection.
pub(super) struct Keepalive {
    pings: Option<PingPong>,
    timer: Pin<Box<Sleep>>,
    asked: bool,
}

impl Keepalive {
    /// `pings` as a connection gives them, once.
    pub(super) fn new(pings: Option<PingPong>) -> Self {
        Self {
            pings,
            timer: Box::pin(sleep(INTERVAL)),
            asked: false,
        }
    }

    /// Ready: the connection is dead.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Dead> {
        let Some(pings) = &mut self.pings else {
            return Poll::Pending;
        };
        loop {
            // An error: the connection has broken, and says so itself.
            if self.asked && matches!(pings.poll_pong(cx), Poll::Ready(Ok(_))) {
                self.asked = false;
                self.timer.as_mut().reset(Instant::now() + INTERVAL);
            }
            ready!(self.timer.as_mut().poll(cx));
            if self.asked {
                return Poll::Ready(Dead);
            }
            self.asked = pings.send_ping(Ping::opaque()).is_ok();
            self.timer.as_mut().reset(Instant::now() + TIMEOUT);
        }
    }
}
