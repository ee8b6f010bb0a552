//! The next time as cronlet finds it unless told otherwise: what a change of the clocks leaves out
//! is made up for, and what it repeats runs once.
//!
//! A schedule of fixed times (neither `*` nor a step in minute or hour) has one run for each
//! matching wall time: one in a gap runs when the gap ends, and one that comes twice runs the first
//! time. Any other schedule means intervals: it runs at every instant at which the clock shows a
//! matching time, so in both passes of a fold and not in a gap.

use super::calendar::{DAY_SECONDS, date_of};
use super::fields::Fields;
use super::kubernetes::YEARS_MAX;
use super::zone::{Span, Zone};

/// The first run at or after the Unix second `from`.
pub(super) fn next(fields: &Fields, from: i64, zone: Zone) -> Option<i64> {
    let span = zone.span(from);
    let year_last = date_of((from + span.offset).div_euclid(DAY_SECONDS)).year + YEARS_MAX;
    if fields.recurs {
        next_shown(fields, from, zone, year_last)
    } else {
        next_fixed(fields, from, zone, year_last)
    }
}

/// The first instant at which the clock shows a matching time.
fn next_shown(fields: &Fields, from: i64, zone: Zone, year_last: i64) -> Option<i64> {
    let mut span = zone.span(from);
    let mut asked = from + span.offset;
    let mut wall = fields.next_wall(asked, year_last)?;
    while wall - span.offset >= span.end {
        span = zone.span(span.end);
        let begin = span.start + span.offset;
        if begin < asked || begin > wall {
            wall = fields.next_wall(begin, year_last)?;
        }
        asked = begin;
    }
    Some(wall - span.offset)
}

/// The first run of a matching wall time. The spans share the wall times out among them without
/// overlap: to each belong those from where the one before stopped showing (`first_wall`) to where
/// it stops itself.
fn next_fixed(fields: &Fields, from: i64, zone: Zone, year_last: i64) -> Option<i64> {
    let mut span = zone.span(from);
    let first = first_wall(zone, span);
    let begin = if from == span.start { first } else { first.max(from + span.offset) };
    let wall = fields.next_wall(begin, year_last)?;
    while wall >= span.end.saturating_add(span.offset) {
        span = zone.span(span.end);
    }
    Some((wall - span.offset).max(span.start))
}

fn first_wall(zone: Zone, span: Span) -> i64 {
    if span.start == i64::MIN {
        return i64::MIN;
    }
    span.start + zone.span(span.start - 1).offset
}
