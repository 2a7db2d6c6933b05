//! A waker that knows when its task is running: what wakes it then is done in the same go.
//!
//! HTTP/2 and the streams on it wake each other all the time, in one task. Through the runtime's waker, each time would put
//! the task at the end of the runtime's queue once more, behind thousands of others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::task::AtomicWaker;

/// So often a task goes on at once before others have their turn. Two or three are usual. It must have an end: what the
/// runtime's budget for one turn forbids wakes the task too, and is allowed again only in the next.
const ROUNDS: usize = 8;

/// Of one task.
#[derive(Default)]
pub(super) struct Gate {
    task: AtomicWaker,
    running: AtomicBool,
    woken: AtomicBool,
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order: either the task sees it before it rests, or it is seen here that the task rests.
        self.woken.store(true, SeqCst);
        if !self.running.load(SeqCst) {
            self.task.wake();
        }
    }
}

impl Gate {
    /// Calls `poll` until nothing has woken it meanwhile. `waker` is this gate's.
    pub(super) fn run<T>(
        &self,
        waker: &Waker,
        cx: &Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.task.register(cx.waker());
        for _ in 0..ROUNDS {
            self.running.store(true, SeqCst);
            self.woken.store(false, SeqCst);
            let polled = poll(&mut Context::from_waker(waker));
            self.running.store(false, SeqCst);
            if polled.is_ready() || !self.woken.load(SeqCst) {
                return polled;
            }
        }
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

    #[test]
    fn what_wakes_it_while_it_runs_is_done_at_once_and_what_comes_later_wakes_the_task() {
        let (gate, outer) = (Arc::new(Gate::default()), Arc::new(Count::default()));
        let (waker, task) = (Waker::from(gate.clone()), Waker::from(outer.clone()));
        let mut polled = 0;
        let rests = gate.run(&waker, &Context::from_waker(&task), |cx| {
            polled += 1;
            if polled < 3 {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert_eq!((rests, polled), (Poll::Pending, 3));
        assert_eq!(outer.0.load(SeqCst), 0);
        waker.wake_by_ref();
        assert_eq!(outer.0.load(SeqCst), 1);
    }

    #[test]
    fn a_task_that_always_wakes_itself_lets_others_have_their_turn() {
        let (gate, outer) = (Arc::new(Gate::default()), Arc::new(Count::default()));
        let (waker, task) = (Waker::from(gate.clone()), Waker::from(outer.clone()));
        let mut polled = 0;
        let rests = gate.run(&waker, &Context::from_waker(&task), |cx| {
            polled += 1;
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!((rests, polled), (Poll::Pending, ROUNDS));
        assert_eq!(outer.0.load(SeqCst), 1);
    }
}
