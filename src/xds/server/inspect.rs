//! The streams that are open, and how to ask one what its session knows of its client: nothing is stored for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Context,
};

use futures::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::{
    fleet::{ProxyInfo, StreamId},
    model::Name,
    xds::session::ResourceStatus,
};

/// What a client has and has refused, per resource.
pub(super) type ClientStatus = Vec<ResourceStatus>;

/// The open streams of a server.
#[derive(Debug, Default)]
pub struct Streams(Mutex<BTreeMap<StreamId, Arc<Seat>>>);

/// One open stream.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: StreamId,
    pub(super) fleet: Name,
    pub(super) proxy: ProxyInfo,
    questions: Mutex<Vec<oneshot::Sender<ClientStatus>>>,
    asked: AtomicWaker,
}

/// A stream's own place among the open ones; it is left when this is dropped.
pub(super) struct Seated {
    streams: Arc<Streams>,
    seat: Arc<Seat>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamId, Arc<Seat>>> {
        // Every change is one insertion or removal: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream began.
    pub(super) fn enter(self: &Arc<Self>, id: StreamId, fleet: Name, proxy: ProxyInfo) -> Seated {
        let seat = Arc::new(Seat {
            id,
            fleet,
            proxy,
            questions: Mutex::default(),
            asked: AtomicWaker::new(),
        });
        self.lock().insert(id, seat.clone());
        Seated {
            streams: self.clone(),
            seat,
        }
    }

    /// The streams of the proxies that fit, in the order in which they began.
    pub(super) fn of(&self, fits: impl Fn(&Seat) -> bool) -> Vec<Arc<Seat>> {
        self.lock()
            .values()
            .filter(|seat| fits(seat))
            .cloned()
            .collect()
    }
}

impl Seat {
    fn questions(&self) -> MutexGuard<'_, Vec<oneshot::Sender<ClientStatus>>> {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the stream; None if it has ended.
    pub(super) async fn ask(&self) -> Option<ClientStatus> {
        let (question, answer) = oneshot::channel();
        self.questions().push(question);
        self.asked.wake();
        answer.await.ok()
    }
}

impl Seated {
    /// Answers all who have asked, and sees to it that the stream is woken when the next one does.
    pub(super) fn answer(&self, cx: &Context<'_>, status: impl Fn() -> ClientStatus) {
        self.seat.asked.register(cx.waker());
        let questions = std::mem::take(&mut *self.seat.questions());
        for question in questions {
            // Whoever asked may be gone.
            let _ = question.send(status());
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.seat.id);
        // Nobody answers any more.
        self.seat.questions().clear();
    }
}
