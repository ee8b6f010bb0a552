//! When the engine's thread wakes next, and what it does before a slot so that none is late.

use cronlet_api::time::{SignedDuration, Timestamp};

/// When the engine wants to be called though nothing happens.
#[derive(Default)]
pub(crate) struct Wake {
    pub at: Option<Timestamp>,
    /// How many pods will be started at once then.
    pub pods: usize,
    /// What is done before that, the next one last.
    ahead: Vec<(Timestamp, Ahead)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// The runtime makes ready what the pods need.
    Expect,
    /// The engine decides what is certain; it is done at the slot.
    Decide,
}

/// Before the slot, at least: enough to be awake, to plan and to reach the disk on a busy host.
const AHEAD_AT_LEAST: SignedDuration = SignedDuration::from_millis(20);
/// To make ready what one pod needs, on a slow host.
const EXPECT_PER_POD: SignedDuration = SignedDuration::from_millis(1);
/// To plan one run, put it on disk, and bring its program up to its first instruction.
const DECIDE_PER_POD: SignedDuration = SignedDuration::from_millis(1);
/// Whoever asks for something between the decision and the slot waits for the slot.
const DECIDE_AHEAD_AT_MOST: SignedDuration = SignedDuration::from_millis(750);

impl Wake {
    pub(crate) fn new(at: Option<Timestamp>, pods: usize) -> Wake {
        let factor = i32::try_from(pods).unwrap_or(i32::MAX);
        let decide = AHEAD_AT_LEAST + DECIDE_PER_POD.saturating_mul(factor);
        let decide = decide.min(DECIDE_AHEAD_AT_MOST);
        let expect = decide + EXPECT_PER_POD.saturating_mul(factor);
        let steps = [(decide, Ahead::Decide), (expect, Ahead::Expect)];
        let before = |(by, step)| Some((at?.checked_sub(by).ok()?, step));
        let ahead = match pods {
            0 => Vec::new(),
            _ => steps.into_iter().filter_map(before).collect(),
        };
        Wake { at, pods, ahead }
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.ahead.last().map_or(self.at, |(begin, _)| Some(*begin))
    }

    /// What is to be done now, before the slot. Each once.
    pub(crate) fn take_ahead(&mut self, now: Timestamp) -> Option<(Timestamp, Ahead)> {
        let slot = self.at.filter(|at| now < *at)?;
        let (_, step) = self.ahead.pop_if(|(begin, _)| *begin <= now)?;
        Some((slot, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(pods: usize) -> Vec<(i64, Ahead)> {
        let slot: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        let mut wake = Wake::new(Some(slot), pods);
        let mut steps = Vec::new();
        while let Some(at) = wake.next().filter(|at| *at < slot) {
            let early = at - SignedDuration::from_millis(1);
            assert_eq!(wake.take_ahead(early), None, "not before its time");
            let (of, step) = wake.take_ahead(at).expect("it is time");
            assert_eq!(of, slot);
            steps.push((slot.duration_since(at).as_millis() as i64, step));
        }
        assert_eq!((wake.next(), wake.take_ahead(slot)), (Some(slot), None));
        steps
    }

    #[test]
    fn more_pods_are_made_ready_earlier_up_to_a_bound() {
        assert_eq!(steps(0), [], "nothing to make ready");
        assert_eq!(steps(1), [(22, Ahead::Expect), (21, Ahead::Decide)]);
        assert_eq!(steps(500), [(1020, Ahead::Expect), (520, Ahead::Decide)]);
        assert_eq!(steps(5000), [(5750, Ahead::Expect), (750, Ahead::Decide)]);
    }

    #[test]
    fn what_is_ahead_of_a_slot_is_passed_over_once_it_is_here() {
        let slot: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        assert_eq!(Wake::new(Some(slot), 3).take_ahead(slot), None);
        assert_eq!(Wake::new(None, 3).next(), None, "nothing is due");
    }
}
