//! When the engine was last at work, and how the clock stood then: a durable fact, so that the next
//! start finds out how long no daemon ran, and whether the clock was set meanwhile.
//!
//! It is written along with what a turn writes anyway, at most once a second, and as the daemon
//! stops: an idle daemon is not woken for it.

use super::Engine;
use cronlet_api::time::{BootClock, ClockStep, Down, SignedDuration, Timestamp, WRITTEN_AT};

pub(super) const FACT: &str = "alive";

const WRITTEN_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// A smaller difference is the clock being slewed or read twice, no step.
const STEP_MILLISECONDS_MIN: i64 = 500;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Alive {
    at: Timestamp,
    boot_clock: Option<BootClock>,
    /// True if nothing was started from then on: the daemon was about to end.
    is_stopping: bool,
}

impl Alive {
    /// How the clock was set since, as far as that is known.
    ///
    /// Within one boot of the host its wall clock and its time since the boot move together. Of
    /// another boot it is known only that a clock from before this program was written was wrong.
    fn step_since(&self, clock: Option<&BootClock>, now: Timestamp) -> Option<ClockStep> {
        let same_boot = self.boot_clock.as_ref().zip(clock).filter(|(then, now)| then.id == now.id);
        if let Some((then, clock)) = same_boot {
            let by_milliseconds =
                clock.wall_minus_boot_milliseconds - then.wall_minus_boot_milliseconds;
            let from = now.checked_sub(SignedDuration::from_millis(by_milliseconds)).ok()?;
            let is_step = by_milliseconds.abs() >= STEP_MILLISECONDS_MIN;
            return is_step.then_some(ClockStep { from, by_milliseconds });
        }
        let was_wrong = self.at < WRITTEN_AT && now >= WRITTEN_AT;
        let by_milliseconds = now.as_millisecond() - self.at.as_millisecond();
        was_wrong.then_some(ClockStep { from: self.at, by_milliseconds })
    }
}

impl Engine {
    /// The first turn: takes note of what the clock did since the last turn of the daemon before,
    /// and of the time between.
    pub(super) fn follow_downtime(&mut self) {
        let now = self.turn.now;
        let last = self.alive.clone();
        let step =
            last.as_ref().and_then(|last| last.step_since(self.settings.boot_clock.as_ref(), now));
        self.keep_steps(|steps| match step {
            Some(step) => {
                steps.push(step);
                true
            }
            None => steps.set_back_unseen(now),
        });
        self.settings.down = last.and_then(|last| {
            let from = self.steps.as_set_now(last.at, now);
            (from <= now).then_some(Down { from, to: now, was_stopped: last.is_stopping })
        });
    }

    /// Stages the fact if something else is written, or if it is the first or the last to write.
    pub(super) fn stay_alive(&mut self) {
        let now = self.turn.now;
        let since = self.alive.as_ref().map(|alive| now.duration_since(alive.at));
        let is_old = since.is_none_or(|since| since.is_negative() || since >= WRITTEN_EVERY);
        if !(self.fresh || self.stopping || is_old && self.store.has_staged()) {
            return;
        }
        let boot_clock = self.settings.boot_clock.clone();
        let alive = Alive { at: now, boot_clock, is_stopping: self.stopping };
        let json = serde_json::to_vec(&alive).expect("plain data always serializes");
        self.store.put_fact(FACT, json);
        self.turn.alive = Some(alive);
    }

    /// The clock was set while the daemon ran.
    pub(super) fn move_boot_clock(&mut self, step: &ClockStep) {
        if let Some(clock) = &mut self.settings.boot_clock {
            clock.wall_minus_boot_milliseconds += step.by_milliseconds;
        }
    }
}
