//! Asks the client of a connection whether it is still there, once it has been silent for a while.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep_until};

use super::ear::Heard;

/// A dead connection must not count as a connected proxy for longer than an operator looks at a status. Who has just said
/// something is not asked: in a fleet that accepts a push, questions and answers would be a part of what the push costs.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long the answer may take. A machine that is short of CPU answers late, and a fleet that reconnects then makes it
/// worse: with five seconds, proxies were lost where ten thousand started on two busy cores.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The client does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dead;

/// What is due at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Nothing before that time.
    Wait(Instant),
    /// The client is to be asked.
    Ask,
    /// It was asked, and has not answered in time.
    GiveUp,
}

/// For how long a client has been silent, and whether it was asked.
#[derive(Debug)]
struct Silence {
    /// When it last said anything.
    since: Instant,
    asked: Option<Instant>,
}

impl Silence {
    fn due(&self, now: Instant) -> Due {
        let (at, then) = match self.asked {
            Some(asked) => (asked + TIMEOUT, Due::GiveUp),
            None => (self.since + INTERVAL, Due::Ask),
        };
        match now < at {
            true => Due::Wait(at),
            false => then,
        }
    }
}

/// The pings of one connection.
pub(super) struct Keepalive {
    pings: Option<PingPong>,
    heard: Heard,
    silence: Silence,
    timer: Pin<Box<Sleep>>,
}

impl Keepalive {
    /// `pings` as a connection gives them, once; `heard` is what is read from it.
    pub(super) fn new(pings: Option<PingPong>, heard: Heard) -> Self {
        let since = Instant::now();
        Self {
            pings,
            heard,
            silence: Silence { since, asked: None },
            timer: Box::pin(sleep_until(since + INTERVAL)),
        }
    }

    /// To be called when everything was read that is there. Ready: the connection is dead.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Dead> {
        let Some(pings) = &mut self.pings else {
            return Poll::Pending;
        };
        if self.heard.take() {
            self.silence.since = Instant::now();
            // An error: the connection has broken, and says so itself.
            if self.silence.asked.is_some() && matches!(pings.poll_pong(cx), Poll::Ready(Ok(_))) {
                self.silence.asked = None;
            }
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            match self.silence.due(now) {
                Due::Wait(until) => self.timer.as_mut().reset(until),
                Due::Ask => {
                    // It fails if the connection has broken, which says so itself.
                    let _ = pings.send_ping(Ping::opaque());
                    self.silence.asked = Some(now);
                }
                Due::GiveUp => return Poll::Ready(Dead),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_is_asked_and_who_does_not_answer_is_given_up() {
        let start = Instant::now();
        let mut silence = Silence {
            since: start,
            asked: None,
        };
        let moment = Duration::from_millis(1);
        assert_eq!(silence.due(start), Due::Wait(start + INTERVAL));
        assert_eq!(silence.due(start + INTERVAL), Due::Ask);
        let asked = start + INTERVAL;
        silence.asked = Some(asked);
        assert_eq!(silence.due(asked), Due::Wait(asked + TIMEOUT));
        // Something else that it says is no answer: a ping is answered at once.
        silence.since = asked + moment;
        assert_eq!(silence.due(asked + TIMEOUT), Due::GiveUp);
    }

    #[test]
    fn who_says_something_is_not_asked_until_it_has_been_silent_for_as_long_again() {
        let start = Instant::now();
        let silence = Silence {
            since: start + INTERVAL / 2,
            asked: None,
        };
        let next = start + INTERVAL / 2 + INTERVAL;
        assert_eq!(silence.due(start + INTERVAL), Due::Wait(next));
        assert_eq!(silence.due(next), Due::Ask);
    }
}
