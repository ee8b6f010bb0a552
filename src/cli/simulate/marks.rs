//! Where a change of the clocks moves, skips or doubles a run, and the other rule would not.

use super::{Scene, Subject};
use crate::times::{local, wall_time};
use cronlet_api::cron_job::schedule::Shift;
use cronlet_api::settings::Dst;
use cronlet_api::time::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What the changes of the clocks did to one CronJob.
#[derive(Default)]
pub(super) struct Marks {
    /// Words for runs, by slot.
    pub on: BTreeMap<Timestamp, String>,
    /// What is left out, by the instant at which the other rule runs it: why.
    pub left_out: Vec<(Timestamp, String)>,
}

impl Marks {
    /// Compares the slots up to `until` with those of the other rule.
    pub(super) fn new(
        subject: &Subject,
        scene: &Scene,
        until: Timestamp,
        slots_max: usize,
    ) -> Marks {
        let own = slots(subject, subject.timing.dst, scene, until, slots_max);
        let other_rule = match subject.timing.dst {
            Dst::Kubernetes => Dst::Once,
            Dst::Once => Dst::Kubernetes,
        };
        let other = slots(subject, other_rule, scene, until, slots_max);
        // What lies behind the end of the shorter list was not looked at.
        let full = [&own, &other].into_iter().filter(|slots| slots.len() == slots_max);
        let end = full.filter_map(|slots| slots.last().copied()).min().unwrap_or(until);
        let mut marks = Marks::default();
        for slot in own.difference(&other).filter(|slot| **slot <= end) {
            marks.of_own(subject, *slot);
        }
        for slot in other.difference(&own).filter(|slot| **slot <= end) {
            marks.of_other(subject, *slot, &own);
        }
        marks
    }

    /// The other rule has no such run.
    fn of_own(&mut self, subject: &Subject, slot: Timestamp) {
        let words = match subject.timing.schedule.shift(slot, &subject.timing.zone) {
            Some(Shift::Moved { wall }) => {
                let wall = wall_time(wall);
                format!("moved: a clock change skips {wall} (Kubernetes leaves it out)")
            }
            Some(Shift::SecondPass) => "second pass of the clock (under `once` not run)".to_owned(),
            _ => return,
        };
        self.on.insert(slot, words);
    }

    /// The other rule has one more.
    fn of_other(&mut self, subject: &Subject, slot: Timestamp, own: &BTreeSet<Timestamp>) {
        let zone = subject.timing.zone;
        let why = match subject.timing.schedule.shift(slot, &zone) {
            Some(Shift::Moved { wall }) => {
                let wall = wall_time(wall);
                format!("a clock change skips {wall} (under `once` run right after)")
            }
            Some(Shift::SecondPass) => {
                let wall = |at: Timestamp| at.as_second() + zone.offset_seconds(at);
                let day_before = slot.checked_sub(SignedDuration::from_hours(24)).unwrap_or(slot);
                let mut near = own.range(day_before..slot).rev();
                if let Some(first) = near.find(|at| wall(**at) == wall(slot)) {
                    let words = "first of two passes of the clock (Kubernetes runs both)";
                    self.on.insert(*first, words.to_owned());
                }
                return;
            }
            _ => format!("a clock change skips {}", local(slot, zone)),
        };
        self.left_out.push((slot, why));
    }
}

/// The slots of a rule from the beginning on, before `until`, at most so many.
pub(super) fn slots(
    subject: &Subject,
    rule: Dst,
    scene: &Scene,
    until: Timestamp,
    slots_max: usize,
) -> BTreeSet<Timestamp> {
    let Subject { timing, .. } = subject;
    // A period counts from the beginning; on the clock a slot may be the beginning itself.
    let before = SignedDuration::from_secs(i64::from(timing.schedule.period_seconds().is_none()));
    let after = scene.from.checked_sub(before).unwrap_or(scene.from);
    let slots = timing.schedule.upcoming(after, &timing.zone, rule);
    slots.take_while(|slot| *slot < until).take(slots_max).collect()
}
