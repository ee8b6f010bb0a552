//! The walk of `kubernetes` in small steps and from another source of offsets: slow and plain, it
//! verifies every jump of the real one.

use super::fields::Fields;
use crate::time::Timestamp;
use jiff::tz::TimeZone;

/// Returns the first match at or after `from`; the error is a walk that does not end (a day that
/// its zone skipped).
pub(super) fn next(fields: &Fields, from: i64, zone: &TimeZone) -> Result<Option<i64>, NeverEnds> {
    let mut at = from;
    let mut moved = false;
    let year_last = clock(zone, at).year() + 5;
    let mut steps = 0;
    'wrapped: loop {
        if clock(zone, at).year() > year_last {
            return Ok(None);
        }
        while fields.month >> clock(zone, at).month() & 1 == 0 {
            if !moved {
                let date = clock(zone, at).date();
                at = instant(zone, date.first_of_month().at(0, 0, 0, 0));
            }
            moved = true;
            at = instant(zone, a_month_on(clock(zone, at)));
            if clock(zone, at).month() == 1 {
                continue 'wrapped;
            }
        }
        while !day_matches(fields, clock(zone, at)) {
            steps += 1;
            if steps > 10_000 {
                return Err(NeverEnds);
            }
            if !moved {
                at = instant(zone, clock(zone, at).date().at(0, 0, 0, 0));
            }
            moved = true;
            at = a_day_on(zone, at);
            if clock(zone, at).day() == 1 {
                continue 'wrapped;
            }
        }
        while fields.hour >> clock(zone, at).hour() & 1 == 0 {
            if !moved {
                let wall = clock(zone, at);
                at = instant(zone, wall.date().at(wall.hour(), 0, 0, 0));
            }
            moved = true;
            at += 3600;
            if clock(zone, at).hour() == 0 {
                continue 'wrapped;
            }
        }
        while fields.minute >> clock(zone, at).minute() & 1 == 0 {
            if !moved {
                at -= at.rem_euclid(60);
            }
            moved = true;
            at += 60;
            if clock(zone, at).minute() == 0 {
                continue 'wrapped;
            }
        }
        while fields.second >> clock(zone, at).second() & 1 == 0 {
            moved = true;
            at += 1;
            if clock(zone, at).second() == 0 {
                continue 'wrapped;
            }
        }
        return Ok(Some(at));
    }
}

#[derive(Debug)]
pub(super) struct NeverEnds;

fn clock(zone: &TimeZone, at: i64) -> jiff::civil::DateTime {
    zone.to_datetime(Timestamp::from_second(at).expect("in range"))
}

/// Returns the instant of a wall time like Go's `time.Date`: the offset at the wall time, taken for
/// an instant, is the first guess.
fn instant(zone: &TimeZone, wall: jiff::civil::DateTime) -> i64 {
    let seconds = TimeZone::UTC.to_timestamp(wall).expect("in range").as_second();
    let offset =
        |at| i64::from(zone.to_offset(Timestamp::from_second(at).expect("in range")).seconds());
    seconds - offset(seconds - offset(seconds))
}

/// Returns the next midnight, or where the library's search for it lands.
fn a_day_on(zone: &TimeZone, at: i64) -> i64 {
    let wall = clock(zone, at);
    let tomorrow = wall.date().tomorrow().expect("in range");
    let at = instant(zone, tomorrow.to_datetime(wall.time()));
    match i64::from(clock(zone, at).hour()) {
        hour @ 13.. => at + (24 - hour) * 3600,
        hour => at - hour * 3600,
    }
}

/// Adds a month like Go's `AddDate`: days beyond the month count into the next.
fn a_month_on(wall: jiff::civil::DateTime) -> jiff::civil::DateTime {
    let first = wall.date().first_of_month().saturating_add(jiff::Span::new().months(1));
    let days = jiff::Span::new().days(i64::from(wall.day()) - 1);
    first.saturating_add(days).to_datetime(wall.time())
}

fn day_matches(fields: &Fields, wall: jiff::civil::DateTime) -> bool {
    let by_day = fields.day >> wall.day() & 1 == 1;
    let by_weekday = fields.weekday >> wall.weekday().to_sunday_zero_offset() & 1 == 1;
    if fields.both_days { by_day && by_weekday } else { by_day || by_weekday }
}
