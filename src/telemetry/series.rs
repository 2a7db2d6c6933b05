//! Sums over time: a total, recent time in narrow buckets, older time in wide ones, and nothing beyond.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::sums::{Room, Sums};

/// Buckets of one width. Only those in which something happened exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tier {
    /// Seconds.
    pub width: i64,
    /// How many of them reach back from the newest.
    pub kept: i64,
}

impl Tier {
    fn index(self, second: i64) -> i64 {
        second.div_euclid(self.width)
    }

    /// The first bucket that holds nothing from before that moment.
    fn index_after(self, moment: Timestamp) -> i64 {
        let rounded = moment.as_second() + i64::from(moment.subsec_nanosecond() > 0);
        let index = self.index(rounded);
        index + i64::from(index * self.width < rounded)
    }
}

/// How finely and how long a series is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub fine: Tier,
    pub coarse: Tier,
}

/// What happened, by the time at which a report's period began: a window that begins at a moment then holds nothing
/// that happened before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    total: Sums,
    fine: VecDeque<(i64, Sums)>,
    coarse: VecDeque<(i64, Sums)>,
    /// The second up to which buckets were given up.
    lost_before: Option<i64>,
}

impl Series {
    /// Adds what happened in a period that began then.
    pub fn add(&mut self, began: Timestamp, sums: &Sums, shape: Shape, room: &mut Room) {
        self.total.add(sums, room);
        let second = began.as_second();
        let index = shape.fine.index(second);
        let newest = self.fine.back().map_or(index, |(newest, _)| *newest);
        if newest - index >= shape.fine.kept {
            return self.add_coarse(second, sums, shape, room);
        }
        put(&mut self.fine, index, sums, room);
        while let Some((oldest, _)) = self.fine.front()
            && index.max(newest) - oldest >= shape.fine.kept
            && let Some((oldest, sums)) = self.fine.pop_front()
        {
            sums.release(room);
            self.add_coarse(oldest * shape.fine.width, &sums, shape, room);
        }
    }

    fn add_coarse(&mut self, second: i64, sums: &Sums, shape: Shape, room: &mut Room) {
        let tier = shape.coarse;
        let index = tier.index(second);
        let newest = self.coarse.back().map_or(index, |(newest, _)| *newest);
        let mut lose = |index: i64| {
            let end = (index + 1) * tier.width;
            self.lost_before = self.lost_before.max(Some(end));
        };
        if newest - index >= tier.kept {
            return lose(index);
        }
        put(&mut self.coarse, index, sums, room);
        while let Some((oldest, _)) = self.coarse.front()
            && index.max(newest) - oldest >= tier.kept
            && let Some((oldest, sums)) = self.coarse.pop_front()
        {
            sums.release(room);
            lose(oldest);
        }
    }

    /// Everything ever added.
    pub fn total(&self) -> &Sums {
        &self.total
    }

    /// What happened in periods that began at that moment or later, and from which moment on it is whole.
    pub fn since(&self, moment: Timestamp, shape: Shape) -> (Sums, Timestamp) {
        // Reading takes no room.
        let room = &mut Room {
            free: usize::MAX,
            refused: 0,
        };
        let mut sums = Sums::default();
        let first = shape.fine.index_after(moment);
        let newest = self.fine.back().map(|(newest, _)| *newest);
        let from = if newest.is_none_or(|newest| first > newest - shape.fine.kept) {
            first * shape.fine.width
        } else {
            // Of older time only whole wide buckets can be told.
            let first = shape.coarse.index_after(moment);
            for (_, bucket) in self.coarse.iter().filter(|(index, _)| *index >= first) {
                sums.add(bucket, room);
            }
            first * shape.coarse.width
        };
        let narrow = self.fine.iter();
        for (_, bucket) in narrow.filter(|(index, _)| index * shape.fine.width >= from) {
            sums.add(bucket, room);
        }
        let from = self.lost_before.map_or(from, |lost| from.max(lost));
        let from = Timestamp::from_second(from).unwrap_or(moment);
        (sums, from.max(moment))
    }

    /// Gives back the room of all its metrics.
    pub fn release(&self, room: &mut Room) {
        self.total.release(room);
        for (_, sums) in self.fine.iter().chain(&self.coarse) {
            sums.release(room);
        }
    }

    #[cfg(test)]
    fn buckets(&self) -> (usize, usize) {
        (self.fine.len(), self.coarse.len())
    }
}

/// Adds to the bucket of that index. Reports come nearly in order, so the place is near the end.
fn put(buckets: &mut VecDeque<(i64, Sums)>, index: i64, sums: &Sums, room: &mut Room) {
    let after = buckets
        .iter()
        .rposition(|(other, _)| *other <= index)
        .map_or(0, |at| at + 1);
    if let Some((_, bucket)) = after
        .checked_sub(1)
        .and_then(|at| buckets.get_mut(at))
        .filter(|(other, _)| *other == index)
    {
        return bucket.add(sums, room);
    }
    let mut bucket = Sums::default();
    bucket.add(sums, room);
    buckets.insert(after, (index, bucket));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::sums::{Metric, MetricId};

    const SHAPE: Shape = Shape {
        fine: Tier { width: 1, kept: 10 },
        coarse: Tier { width: 5, kept: 4 },
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000 + second).unwrap()
    }

    fn one() -> Sums {
        Sums {
            issued: 1,
            metrics: vec![(MetricId(0), Metric::new(1, 0.5))],
            ..Sums::default()
        }
    }

    fn room() -> Room {
        Room {
            free: 1_000,
            refused: 0,
        }
    }

    fn filled(seconds: i64, room: &mut Room) -> Series {
        let mut series = Series::default();
        for second in 0..seconds {
            series.add(at(second), &one(), SHAPE, room);
        }
        series
    }

    #[test]
    fn a_window_holds_nothing_from_before_its_begin() {
        let series = filled(10, &mut room());
        let issued = |moment| series.since(moment, SHAPE).0.issued;
        assert_eq!(issued(at(0)), 10);
        assert_eq!(issued(at(7)), 3);
        // In the middle of a bucket: that bucket may hold something older.
        let middle = at(7) + jiff::SignedDuration::from_millis(1);
        let (sums, from) = series.since(middle, SHAPE);
        assert_eq!((sums.issued, from), (2, at(8)));
        assert_eq!(issued(at(10)), 0);
    }

    #[test]
    fn older_time_is_told_by_whole_wide_buckets_and_says_from_when() {
        let series = filled(20, &mut room());
        // The last ten seconds are in narrow buckets, those before in two wide ones.
        assert_eq!(series.since(at(13), SHAPE).0.issued, 7);
        assert_eq!(series.since(at(5), SHAPE).0.issued, 15);
        let (sums, from) = series.since(at(3), SHAPE);
        assert_eq!((sums.issued, from), (15, at(5)));
    }

    #[test]
    fn what_is_too_old_is_given_up_but_for_the_total_and_a_window_says_so() {
        let mut room = room();
        let series = filled(100, &mut room);
        let (fine, coarse) = series.buckets();
        assert!(fine <= 10 && coarse <= 4, "{fine} {coarse}");
        assert_eq!(series.total().issued, 100);
        let (sums, from) = series.since(at(0), SHAPE);
        assert_eq!(from, at(70));
        assert_eq!(sums.issued, 30);
        // Not one metric more than what is kept holds room.
        assert_eq!(room.free, 1_000 - fine - coarse - 1);
        series.release(&mut room);
        assert_eq!((room.free, room.refused), (1_000, 0));
    }

    #[test]
    fn reports_that_come_out_of_order_are_put_where_they_belong() {
        let mut room = room();
        let mut series = filled(12, &mut room);
        for second in [11, 4, 8, 1, 11] {
            series.add(at(second), &one(), SHAPE, &mut room);
        }
        assert_eq!(series.since(at(11), SHAPE).0.issued, 3);
        assert_eq!(series.since(at(8), SHAPE).0.issued, 4 + 1 + 2);
        assert_eq!(series.since(at(0), SHAPE).0.issued, 17);
        assert_eq!(series.total().issued, 17);
    }

    #[test]
    fn a_report_from_long_ago_changes_the_total_alone() {
        let mut room = room();
        let mut series = filled(60, &mut room);
        let before = series.since(at(0), SHAPE).0.issued;
        series.add(at(0), &one(), SHAPE, &mut room);
        assert_eq!(series.since(at(0), SHAPE).0.issued, before);
        assert_eq!(series.total().issued, 61);
    }
}
