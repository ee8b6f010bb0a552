//! Effect of a change of the clocks on one run, to show beside the coming times.

use super::calendar::{DAY_SECONDS, date_of};
use super::fields::Fields;
use super::zone::{Zone, floor_second};
use crate::time::Timestamp;

/// The effect of a change of the clocks on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// The wall time that was due (seconds since 1970 on the zone's clock) does not exist; the run
    /// is right after.
    Moved { wall: i64 },
    /// The clock shows this time twice, and this is the first.
    FirstPass,
    /// The clock shows this time twice, and this is the second.
    SecondPass,
}

/// Returns the effect on the run at `at`, which is one of the schedule's.
pub(super) fn of(fields: &Fields, at: Timestamp, zone: Zone) -> Option<Shift> {
    let at = floor_second(at);
    let span = zone.span(at);
    let turn_back = |earlier: i64, later: i64| (earlier - later).max(0);
    if span.start != i64::MIN {
        let before = zone.span(span.start - 1);
        if at - span.start < turn_back(before.offset, span.offset) {
            return Some(Shift::SecondPass);
        }
        let begin = span.start + before.offset;
        if at == span.start && begin < at + span.offset && !fields.recurs {
            let year = date_of(begin.div_euclid(DAY_SECONDS)).year + 1;
            let wall = fields.next_wall(begin, year).filter(|wall| *wall < at + span.offset);
            return wall.map(|wall| Shift::Moved { wall });
        }
    }
    if span.end != i64::MAX && span.end - at <= turn_back(span.offset, zone.span(span.end).offset) {
        return Some(Shift::FirstPass);
    }
    None
}
