//! Instants and clocks: wall time, its steps, and the door that daemon and simulator each open
//! their own way.

pub use jiff::{SignedDuration, Timestamp};

/// The door to time. The daemon opens it on the host's clocks, the simulator on virtual ones.
pub trait Clock {
    /// Returns the wall time, which schedules refer to.
    fn now(&self) -> Timestamp;
}

/// The host's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The time at which this program was written: a clock that reads less is wrong.
pub const WRITTEN_AT: Timestamp = Timestamp::constant(1_793_491_200, 0);

/// The present boot of the host, and the difference between its wall clock and the time since that
/// boot: it changes when the clock is set, and at no other time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BootClock {
    pub id: String,
    pub wall_minus_boot_milliseconds: i64,
}

/// The time in which no daemon ran, by the present clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down {
    pub from: Timestamp,
    pub to: Timestamp,
    /// True if the daemon was stopped at `from`. Else it was last known to run then.
    pub was_stopped: bool,
}

/// Jumps of the wall clock, to measure a duration (a backoff, a deadline) by the time that really
/// passed.
///
/// Kubernetes measures durations on the wall: a board without a battery that boots in 1970 and gets
/// the date from NTP would see every `activeDeadlineSeconds` exceeded at once. Steps are kept
/// newest last, at most `STEPS_MAX`; beyond that the smallest is dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClockSteps {
    steps: Vec<ClockStep>,
}

/// A jump: at wall time `from` the clock was set to `from + by`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClockStep {
    pub from: Timestamp,
    pub by_milliseconds: i64,
}

impl ClockStep {
    /// Returns the reading of the clock right after it.
    fn to(&self) -> Timestamp {
        let by = SignedDuration::from_millis(self.by_milliseconds);
        self.from.checked_add(by).unwrap_or(self.from)
    }
}

/// Returns an instant as a stamp as precise as `like`: objects keep whole seconds.
fn as_stamped(instant: Timestamp, like: Timestamp) -> Timestamp {
    if like.subsec_nanosecond() != 0 {
        return instant;
    }
    Timestamp::from_second(instant.as_nanosecond().div_euclid(1_000_000_000) as i64)
        .unwrap_or(instant)
}

const STEPS_MAX: usize = 32;

impl ClockSteps {
    pub fn push(&mut self, step: ClockStep) {
        self.steps.push(step);
        if self.steps.len() > STEPS_MAX {
            let size = |step: &ClockStep| step.by_milliseconds.unsigned_abs();
            let smallest = (0..self.steps.len()).min_by_key(|at| size(&self.steps[*at]));
            self.steps.remove(smallest.expect("it is longer than its limit"));
        }
    }

    /// Returns the reading of the clock right after its last known step.
    pub fn last_set_to(&self) -> Option<Timestamp> {
        self.steps.last().map(ClockStep::to)
    }

    /// Drops the steps if the clock was set back unseen: it reads less than right after its last
    /// step. It reads those times once more, so the steps cannot measure the stamps from now on.
    /// Returns true if they are dropped.
    pub fn set_back_unseen(&mut self, now: Timestamp) -> bool {
        let unseen = self.steps.last().is_some_and(|step| now < step.to());
        if unseen {
            self.steps.clear();
        }
        unseen
    }

    /// Returns the time that really passed between the wall-clock stamp `since` and `now`; never
    /// negative.
    ///
    /// A clock that was set back reads the same time twice: the stamp is of the latest stretch
    /// between two steps that has it. One that is of none was made after an unseen step.
    pub fn elapsed(&self, since: Timestamp, now: Timestamp) -> SignedDuration {
        let (mut passed, mut end) = (SignedDuration::ZERO, now);
        for step in self.steps.iter().rev() {
            let begin = step.to();
            // A stretch that ends before it begins: the clock was set back unseen.
            if end < begin {
                break;
            }
            if (as_stamped(begin, since)..=end).contains(&since) {
                return passed + end.duration_since(since.max(begin));
            }
            passed += end.duration_since(begin);
            end = step.from;
        }
        let passed = if since <= end {
            passed + end.duration_since(since)
        } else {
            now.duration_since(since)
        };
        passed.max(SignedDuration::ZERO)
    }

    /// Returns what the clock as it is set at `now` would have read at the instant of the stamp;
    /// the stamp itself if it is later than every known reading.
    pub fn as_set_now(&self, stamp: Timestamp, now: Timestamp) -> Timestamp {
        let passed = self.elapsed(stamp, now);
        if stamp > now && passed.is_zero() {
            return stamp;
        }
        now.checked_sub(passed).unwrap_or(stamp)
    }

    /// Returns the wall time at which `wait` will have passed since the stamp `since`; `now` or
    /// earlier if it has.
    pub fn due(&self, since: Timestamp, wait: SignedDuration, now: Timestamp) -> Timestamp {
        let left = wait.saturating_sub(self.elapsed(since, now));
        now.checked_add(left).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn elapsed_in(steps: &ClockSteps, since: i64, now: i64) -> i128 {
        steps.elapsed(at(since), at(now)).as_millis()
    }

    #[test]
    fn steps_do_not_outlive_a_clock_that_was_set_back_unseen() {
        let back = ClockStep { from: at(100), by_milliseconds: -1000 };
        let mut steps = ClockSteps { steps: vec![back] };
        let passed = |steps: &ClockSteps| steps.elapsed(at(90), at(130)).as_secs();
        assert!(!steps.set_back_unseen(at(99)));
        assert_eq!(passed(&steps), 41);
        assert!(steps.set_back_unseen(at(98)));
        assert_eq!(passed(&steps), 40);
        assert!(!steps.set_back_unseen(at(98)), "nothing is left to forget");
    }

    #[test]
    fn a_stamp_is_read_as_the_clock_is_set_now() {
        let check = |steps: &[(i64, i64)], stamp: i64, now: i64, want: i64| {
            let mut known = ClockSteps::default();
            for (from, by) in steps {
                known.push(ClockStep { from: at(*from), by_milliseconds: by * 1000 });
            }
            let found = known.as_set_now(at(stamp), at(now));
            assert_eq!(found, at(want), "{steps:?} {stamp} {now}");
        };
        check(&[], 90, 100, 90);
        check(&[], 110, 100, 110);
        check(&[(100, 5000)], 90, 5200, 5090);
        check(&[(100, 5000)], 5150, 5200, 5150);
        check(&[(5000, -4900)], 4990, 105, 90);
        check(&[(5000, -4900), (110, 4900)], 4990, 5020, 4990);
        check(&[(100, -50)], 500, 60, 500);
        // Many small steps do not make the great one unknown.
        let small = (0..40).map(|number| (100_000 + number, 1));
        let steps: Vec<(i64, i64)> = [(100, 90_000)].into_iter().chain(small).collect();
        let mut known = ClockSteps::default();
        for (from, by) in steps {
            known.push(ClockStep { from: at(from), by_milliseconds: by * 1000 });
        }
        assert!(known.as_set_now(at(90), at(100_100)) > at(90_000));
    }

    #[test]
    fn a_step_is_not_time_that_passed() {
        let check = |by: i64, since: i64, now: i64, want: i64| {
            let mut steps = ClockSteps::default();
            steps.push(ClockStep { from: at(100), by_milliseconds: by * 1000 });
            assert_eq!(
                steps.elapsed(at(since), at(now)).as_secs(),
                want,
                "by {by} since {since} now {now}"
            );
        };
        check(3600, 90, 3710, 20);
        check(3600, 3705, 3710, 5);
        check(-50, 95, 60, 15);
        check(-50, 55, 60, 5);
        check(-50, 40, 60, 70);
        let step = |from, by: i64| ClockStep { from: at(from), by_milliseconds: by * 1000 };
        // Set forward, and back again: 3705 is of the second stretch, 45 of the third.
        let steps = ClockSteps { steps: vec![step(100, 3600), step(3710, -3670)] };
        let elapsed = |since| steps.elapsed(at(since), at(50)).as_secs();
        assert_eq!([90, 3705, 45].map(elapsed), [30, 15, 5]);
        assert_eq!(steps.elapsed(at(10), at(20)).as_secs(), 10, "set back unseen");
        // Set forward, and back again unseen.
        let steps = ClockSteps { steps: vec![step(100, 6000)] };
        let elapsed = |since, now| steps.elapsed(at(since), at(now)).as_secs();
        assert_eq!([elapsed(6000, 6050), elapsed(6000, 6200)], [50, 200]);
        // Set back, and forward by a part of a second: 250 stands for what came after 250.5.
        let part = ClockStep { from: at(150), by_milliseconds: 100_500 };
        let steps = ClockSteps { steps: vec![step(300, -200), part] };
        assert_eq!([250, 251].map(|since| elapsed_in(&steps, since, 252)), [1500, 1000]);
        assert_eq!(elapsed_in(&steps, 249, 252), 102_500);
        assert_eq!(ClockSteps::default().due(at(10), SignedDuration::from_secs(5), at(12)), at(15));
    }
}
