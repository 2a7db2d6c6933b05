//! One version that is asked many questions: its doors in turn, and no more once it is clear that it does not answer.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use super::{
    Door,
    client::{Answer, Ask, Client},
};

/// A version that has not answered so many questions at the beginning answers none: the rest is not asked, so that a dead
/// endpoint costs seconds and not the whole time limit.
const GIVE_UP: usize = 20;

/// So much of an answer is shown where it is an error, in characters.
const SHOWN: usize = 200;

/// One version, as it is asked.
pub(super) struct AskedSide {
    doors: Vec<Door>,
    next: AtomicUsize,
    answered: AtomicUsize,
    unanswered: AtomicUsize,
    deadline: Instant,
    /// The longest for one question.
    patience: Duration,
}

impl AskedSide {
    /// At these doors, of which there is at least one.
    pub(super) fn new(doors: Vec<Door>, deadline: Instant, patience: Duration) -> Self {
        Self {
            doors,
            next: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            deadline,
            patience,
        }
    }

    /// Asks at the next door. `make` makes the request for a door, which may take so long.
    ///
    /// # Errors
    /// Why there is no whole answer with a 2xx.
    pub(super) async fn ask(
        &self,
        client: &Client,
        make: impl FnOnce(&Door, Duration) -> Result<Ask, String> + Send,
    ) -> Result<Answer, String> {
        let unanswered = self.unanswered.load(Ordering::Relaxed);
        if unanswered >= GIVE_UP && self.answered.load(Ordering::Relaxed) == 0 {
            return Err(format!("not asked: {unanswered} others got no answer"));
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("not asked: the check's time limit was over".to_owned());
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.doors.len().max(1);
        let door = self.doors.get(turn).ok_or("there is nobody to ask")?;
        let answer = client.ask(make(door, left.min(self.patience))?).await;
        let counter = if answer.is_ok() {
            &self.answered
        } else {
            &self.unanswered
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let answer = answer.map_err(|error| format!("{}: {error}", door.address))?;
        good(&answer)?;
        Ok(answer)
    }
}

/// # Errors
/// If the status is no 2xx.
pub(super) fn good(answer: &Answer) -> Result<(), String> {
    if answer.status.is_success() {
        return Ok(());
    }
    Err(told(answer.status, &answer.body))
}

fn told(status: StatusCode, body: &[u8]) -> String {
    let head = &body[..body.len().min(4 * SHOWN)];
    let text = String::from_utf8_lossy(head);
    let shown: String = text.trim().chars().take(SHOWN).collect();
    if shown.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}: {shown}")
    }
}
