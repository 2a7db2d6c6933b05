//! Wakers of the two parts of a connection's task, which know when the task is running: what wakes a part then is done in the
//! same go, and frames are not looked at because of streams.
//!
//! The frames of HTTP/2 and the streams on them wake each other all the time, in one task. Through the runtime's waker, each
//! time would put the task at the end of the runtime's queue once more, behind thousands of others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::task::AtomicWaker;

/// So often a task goes on at once before others have their turn. Two or three are usual. It must have an end: what the
/// runtime's budget for one turn forbids wakes the task too, and is allowed again only in the next.
const ROUNDS: usize = 8;

/// Bits of the state: the parts that were woken and not looked at since, and whether the task is running.
const FRAMES: u8 = 1;
const STREAMS: u8 = 2;
const RUNNING: u8 = 4;

/// Of one task.
pub(super) struct Gate {
    shared: Arc<Shared>,
    frames: Waker,
    streams: Waker,
}

struct Shared {
    task: AtomicWaker,
    state: AtomicU8,
}

/// Wakes one part.
struct Part {
    gate: Arc<Shared>,
    bit: u8,
}

impl Wake for Part {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let before = self.gate.state.fetch_or(self.bit, SeqCst);
        // A task that is running looks once more before it rests; one that rests was woken with the first part.
        if before & (RUNNING | self.bit) == 0 {
            self.gate.task.wake();
        }
    }
}

/// The parts of a task. Each is polled with a waker of its own.
pub(super) trait Parts {
    /// Reads all frames that are there, and writes those that are due. Ready: the connection has ended.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Runs every stream whose turn it is. It is called after [`poll_frames`](Self::poll_frames) too.
    fn poll_streams(&mut self, cx: &mut Context<'_>);
}

impl Gate {
    /// Both parts are to be looked at.
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared {
            task: AtomicWaker::new(),
            state: AtomicU8::new(FRAMES | STREAMS),
        });
        let waker = |bit| {
            let gate = shared.clone();
            Waker::from(Arc::new(Part { gate, bit }))
        };
        Self {
            frames: waker(FRAMES),
            streams: waker(STREAMS),
            shared,
        }
    }

    /// Both parts are to be looked at again, when the task runs next.
    pub(super) fn wake_all(&self) {
        self.frames.wake_by_ref();
        self.streams.wake_by_ref();
    }

    /// Polls the parts that were woken, until none is.
    pub(super) fn run(&self, cx: &Context<'_>, parts: &mut impl Parts) -> Poll<()> {
        let Shared { task, state } = &*self.shared;
        task.register(cx.waker());
        state.fetch_or(RUNNING, SeqCst);
        for _ in 0..ROUNDS {
            if state.fetch_and(!FRAMES, SeqCst) & FRAMES != 0 {
                let polled = parts.poll_frames(&mut Context::from_waker(&self.frames));
                if polled.is_ready() {
                    return polled;
                }
                // A stream that has just been opened wakes nobody.
                state.fetch_or(STREAMS, SeqCst);
            }
            if state.fetch_and(!STREAMS, SeqCst) & STREAMS != 0 {
                parts.poll_streams(&mut Context::from_waker(&self.streams));
            }
            // It rests only if nothing was woken up to this very moment.
            let rests = state.compare_exchange(RUNNING, 0, SeqCst, SeqCst);
            if rests.is_ok() {
                return Poll::Pending;
            }
        }
        state.fetch_and(!RUNNING, SeqCst);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// Parts that wake each other so many times, and count how often each is polled.
    #[derive(Default)]
    struct Pair {
        frames: usize,
        streams: usize,
        wakes: usize,
        wakers: [Option<Waker>; 2],
    }

    impl Pair {
        fn polled(&mut self, part: usize, cx: &Context<'_>) {
            self.wakers[part] = Some(cx.waker().clone());
            if let (Some(other), true) = (&self.wakers[1 - part], self.wakes > 0) {
                self.wakes -= 1;
                other.wake_by_ref();
            }
        }
    }

    impl Parts for Pair {
        fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            self.frames += 1;
            self.polled(0, cx);
            Poll::Pending
        }

        fn poll_streams(&mut self, cx: &mut Context<'_>) {
            self.streams += 1;
            self.polled(1, cx);
        }
    }

    fn run(gate: &Gate, outer: &Arc<Count>, parts: &mut Pair) {
        let task = Waker::from(outer.clone());
        assert_eq!(gate.run(&Context::from_waker(&task), parts), Poll::Pending);
    }

    #[test]
    fn what_wakes_a_part_while_the_task_runs_is_done_at_once_and_what_comes_later_wakes_the_task() {
        let (gate, outer) = (Gate::new(), Arc::new(Count::default()));
        let mut parts = Pair {
            wakes: 3,
            ..Pair::default()
        };
        run(&gate, &outer, &mut parts);
        assert_eq!((parts.frames, parts.streams), (3, 3));
        assert_eq!(outer.0.load(SeqCst), 0);
        gate.streams.wake_by_ref();
        gate.streams.wake_by_ref();
        assert_eq!(outer.0.load(SeqCst), 1);
        run(&gate, &outer, &mut parts);
        assert_eq!((parts.frames, parts.streams), (3, 4), "only what was woken");
    }

    #[test]
    fn a_task_that_always_wakes_itself_lets_others_have_their_turn() {
        let (gate, outer) = (Gate::new(), Arc::new(Count::default()));
        let mut parts = Pair {
            wakes: usize::MAX,
            ..Pair::default()
        };
        run(&gate, &outer, &mut parts);
        assert_eq!(outer.0.load(SeqCst), 1);
        assert_eq!(parts.streams, ROUNDS);
        run(&gate, &outer, &mut parts);
        assert_eq!(parts.streams, 2 * ROUNDS);
    }
}
