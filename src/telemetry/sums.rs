//! Counts and sums, and the room that the metrics among them may take.

/// An ORCA metric over a time: how many answers told it, and the sum of what they told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metric {
    /// Answers that told it.
    pub count: u64,
    /// The sum of what they told.
    pub sum: f64,
}

impl Metric {
    pub(super) fn new(count: u64, sum: f64) -> Self {
        Self { count, sum }
    }

    /// What an answer told on average; None without an answer.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// A backend may write "NaN" into its header, which would spoil every sum after it.
    pub(super) fn is_sound(&self) -> bool {
        self.sum.is_finite()
    }

    pub(super) fn add(&mut self, other: Metric) {
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
    }
}

/// A metric's name, interned per fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MetricId(pub u16);

/// What happened within some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub issued: u64,
    pub successful: u64,
    pub errors: u64,
    pub dropped: u64,
    /// By id.
    pub metrics: Vec<(MetricId, Metric)>,
}

/// How many more metrics may be kept, over all buckets of a fleet.
#[derive(Debug)]
pub(super) struct Room {
    pub free: usize,
    /// Metrics that found no room.
    pub refused: u64,
}

impl Room {
    fn take(&mut self) -> bool {
        let Some(free) = self.free.checked_sub(1) else {
            self.refused = self.refused.saturating_add(1);
            return false;
        };
        self.free = free;
        true
    }
}

impl Sums {
    /// Adds `other`. Metrics that this does not have yet need room.
    pub fn add(&mut self, other: &Sums, room: &mut Room) {
        self.issued = self.issued.saturating_add(other.issued);
        self.successful = self.successful.saturating_add(other.successful);
        self.errors = self.errors.saturating_add(other.errors);
        self.dropped = self.dropped.saturating_add(other.dropped);
        for (id, metric) in &other.metrics {
            match self.metrics.binary_search_by_key(id, |(id, _)| *id) {
                Ok(at) => self.metrics[at].1.add(*metric),
                Err(at) => {
                    if room.take() {
                        self.metrics.insert(at, (*id, *metric));
                    }
                }
            }
        }
    }

    /// Gives back the room of its metrics.
    pub fn release(&self, room: &mut Room) {
        room.free += self.metrics.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(id: u16, count: u64, sum: f64) -> Sums {
        Sums {
            issued: count,
            metrics: vec![(MetricId(id), Metric::new(count, sum))],
            ..Sums::default()
        }
    }

    #[test]
    fn metrics_beyond_the_room_are_refused_and_counted_and_the_rest_goes_on() {
        let mut room = Room {
            free: 1,
            refused: 0,
        };
        let mut sums = Sums::default();
        sums.add(&with(7, 2, 1.0), &mut room);
        sums.add(&with(3, 1, 9.0), &mut room);
        sums.add(&with(7, 2, 3.0), &mut room);
        assert_eq!(sums.metrics, [(MetricId(7), Metric::new(4, 4.0))]);
        assert_eq!((sums.issued, room.free, room.refused), (5, 0, 1));
        sums.release(&mut room);
        assert_eq!(room.free, 1);
    }

    #[test]
    fn a_mean_needs_an_answer() {
        assert_eq!(Metric::new(4, 3.0).mean(), Some(0.75));
        assert_eq!(Metric::default().mean(), None);
    }
}
