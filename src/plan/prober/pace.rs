//! When a probe is asked: its delay, its period, and what spreads many of them over time.
//!
//! The kubelet asks once in each period from the pod's beginning on, so that the first answer that
//! counts comes up to a period after the delay. Here a liveness probe waits out its first period,
//! and the others, which hold a container back, are asked at once and a few times more in the first
//! period: an early look that finds nothing is no failure, one that finds the container well saves
//! the wait. A user who sets `initialDelaySeconds` has said when to begin: no looks then.

use crate::kubelet::probe::{Probe, ProbeKind};
use cronlet_api::seed::Seed;
use std::time::Duration;

/// The first repeated look; the next ones double it.
const LOOK_MILLISECONDS: u64 = 50;

/// When one probe is asked next, counted from when its watching began.
#[derive(Debug, Clone)]
pub struct Pace {
    period: Duration,
    /// The next question that counts.
    due: Duration,
    /// The next early look, if there is one to come.
    look: Option<Duration>,
}

impl Pace {
    /// `running`: for how long the container runs. `fresh`: it has just started, or its startup
    /// probe has just passed; else the daemon has, and all its probes begin together.
    pub fn new(probe: &Probe, running: Duration, fresh: bool, seed: &mut Seed) -> Pace {
        let period = Duration::from_secs(probe.period_seconds.max(1).into());
        let delay = Duration::from_secs(probe.initial_delay_seconds.into());
        let left = delay.saturating_sub(running);
        let mut part_of = |whole: Duration| {
            let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
            Duration::from_nanos(seed.below(nanos))
        };
        let tenth = part_of(period / 10);
        let (due, look) = match probe.kind {
            _ if !fresh => (left + part_of(period), None),
            ProbeKind::Liveness => (left.max(period - tenth), None),
            _ if delay.is_zero() => (period - tenth, Some(Duration::ZERO)),
            _ => (left + tenth, None),
        };
        Pace { period, due, look }
    }

    /// When to ask.
    pub fn next(&self) -> Duration {
        self.look.unwrap_or(self.due)
    }

    /// Does the question that is due now count, whatever its answer?
    pub fn counts(&self) -> bool {
        self.look.is_none()
    }

    /// It was asked, and answered at `now`.
    pub fn asked(&mut self, passed: bool, now: Duration) {
        match self.look.take() {
            Some(at) if !passed => {
                let again = (at * 2).max(Duration::from_millis(LOOK_MILLISECONDS)).max(now);
                self.look = (again < self.due).then_some(again);
            }
            Some(at) => self.due = at + self.period,
            None => self.due += self.period,
        }
        // After a long sleep of the host, no question is made up for.
        if self.due < now {
            let late = (now - self.due).as_nanos() / self.period.as_nanos();
            self.due += self.period * u32::try_from(late).unwrap_or(u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Handler;
    use cronlet_api::time::Timestamp;

    fn probe(kind: ProbeKind, delay: u32, period: u32) -> Probe {
        Probe {
            container: "main".into(),
            attempt: 0,
            kind,
            handler: Handler::Exec(Vec::new()),
            answered_by: None,
            started_at: Timestamp::UNIX_EPOCH,
            initial_delay_seconds: delay,
            period_seconds: period,
            timeout_seconds: 1,
            success_threshold: 1,
            failure_threshold: 3,
        }
    }

    /// The questions, in tenths of a period: `~` before a look, jitter rounded up to a tenth.
    fn asked(probe: &Probe, running: u64, fresh: bool, answers: &str) -> Vec<String> {
        let (mut seed, running) = (Seed::new(7), Duration::from_secs(running));
        let mut pace = Pace::new(probe, running, fresh, &mut seed);
        let ask = |answer: char| {
            let (at, sort) = (pace.next(), if pace.counts() { "" } else { "~" });
            pace.asked(answer == '+', at);
            format!("{sort}{}", (at.as_secs_f64() * 10.0).ceil() / 10.0)
        };
        answers.chars().map(ask).collect()
    }

    #[test]
    fn a_probe_is_asked_in_its_period() {
        let check = |kind, delay, fresh, running, answers: &str, want: &[&str]| {
            let got = asked(&probe(kind, delay, 1), running, fresh, answers);
            assert_eq!(got, want, "{kind:?} {delay} {fresh} {answers}");
        };
        check(ProbeKind::Liveness, 0, true, 0, "+-+", &["1", "2", "3"]);
        check(ProbeKind::Liveness, 5, true, 1, "++", &["4", "5"]);
        check(ProbeKind::Startup, 0, true, 0, "+++", &["~0", "1", "2"]);
        let looks = ["~0", "~0.1", "~0.1", "~0.2", "~0.4", "~0.8", "1", "2"];
        check(ProbeKind::Readiness, 0, true, 0, "--------", &looks);
        check(ProbeKind::Readiness, 0, true, 0, "--+--", &["~0", "~0.1", "~0.1", "1.1", "2.1"]);
        check(ProbeKind::Readiness, 3, true, 0, "--", &["3.1", "4.1"]);
        check(ProbeKind::Readiness, 3, true, 60, "--", &["0.1", "1.1"]);
    }

    #[test]
    fn probes_that_begin_together_are_spread() {
        let probe = probe(ProbeKind::Liveness, 0, 10);
        let mut seed = Seed::new(1);
        let long = Duration::from_secs(1000);
        let mut tenths = [0; 10];
        for _ in 0..1000 {
            let at = Pace::new(&probe, long, false, &mut seed).next();
            tenths[at.as_secs() as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (50..200).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_host_that_slept_makes_up_for_nothing() {
        let mut seed = Seed::new(1);
        let probe = probe(ProbeKind::Liveness, 0, 1);
        let mut pace = Pace::new(&probe, Duration::ZERO, true, &mut seed);
        pace.asked(true, Duration::from_secs(1000));
        assert!(pace.next() > Duration::from_secs(998), "{pace:?}");
    }
}
