//! The next time as Kubernetes finds it: the walk of its cron library (robfig/cron v3), step for
//! step in effect.
//!
//! The library moves a time forward month by month, day by day, hour by hour, and looks again
//! whenever a field wraps around. Where the clocks change, its steps miss the full hour or the
//! midnight that they aimed at. Its results show it: after a gap of half an hour it misses
//! `0 3 * * *`, and where midnight is skipped it may miss the whole day. Such results are
//! Kubernetes' own, so the same steps are taken here; but between two changes of the clocks many
//! steps are taken at once.

use super::calendar::{DAY_SECONDS, Date, date_of, days_of};
use super::fields::{Fields, next_bit};
use super::zone::{Span, Zone};

/// At most this many years are searched, as in the library.
pub(super) const YEARS_MAX: i64 = 5;

/// Returns the first match at or after the Unix second `from`.
pub(super) fn next(fields: &Fields, from: i64, zone: Zone) -> Option<i64> {
    if fields.month == 0 || fields.hour == 0 || fields.minute == 0 || fields.second == 0 {
        return None;
    }
    let mut walk = Walk { fields, zone, span: zone.span(from), at: from, moved: false };
    let year_last = walk.date().year + YEARS_MAX;
    while walk.date().year <= year_last {
        let found = walk.month() && walk.day() && walk.hour() && walk.minute() && walk.second();
        if found {
            return Some(walk.at);
        }
    }
    None
}

struct Walk<'a> {
    fields: &'a Fields,
    zone: Zone,
    /// The span that `at` lies in.
    span: Span,
    /// Unix seconds.
    at: i64,
    /// True if a field was moved, so that the fields below it are at their start already.
    moved: bool,
}

/// Steps that move one field until it matches; each returns `false` when the field wrapped around.
impl Walk<'_> {
    fn month(&mut self) -> bool {
        loop {
            let Date { month, day, .. } = self.date();
            if self.fields.month_matches(month) {
                return true;
            }
            if !self.moved {
                self.moved = true;
                self.go_to_wall(self.today() - i64::from(day) + 1, 0);
            }
            // Where a gap hides the month's start, the clock shows another day by now.
            let Date { year, month, day } = self.date();
            self.go_to_wall(days_of(year, i64::from(month) + 1, day.into()), self.time());
            if self.date().month == 1 {
                return false;
            }
        }
    }

    fn day(&mut self) -> bool {
        loop {
            let date = self.date();
            let days = self.fields.days_in(date.year, date.month);
            if days >> date.day & 1 == 1 {
                return true;
            }
            if !self.moved {
                self.moved = true;
                self.go_to_wall(self.today(), 0);
            }
            let before = self.at;
            if !self.skip_days(days) {
                self.step_day();
            }
            if self.at <= before {
                // In a zone that skipped a whole day, the library never leaves this loop.
                self.go_to(self.span.end);
            }
            if self.date().day == 1 {
                return false;
            }
        }
    }

    fn hour(&mut self) -> bool {
        loop {
            let hour = self.time() / 3600;
            if self.fields.hour >> hour & 1 == 1 {
                return true;
            }
            if !self.moved {
                self.moved = true;
                self.go_to_wall(self.today(), self.time() / 3600 * 3600);
            }
            let hour = self.time() / 3600;
            let next = next_bit(self.fields.hour.into(), hour as u32 + 1).unwrap_or(24);
            self.steps(3600, i64::from(next) - hour);
            if self.time() / 3600 == 0 {
                return false;
            }
        }
    }

    fn minute(&mut self) -> bool {
        loop {
            let minute = self.time() / 60 % 60;
            if self.fields.minute >> minute & 1 == 1 {
                return true;
            }
            if !self.moved {
                self.moved = true;
                self.at -= self.at.rem_euclid(60);
                self.go_to(self.at);
            }
            let next = next_bit(self.fields.minute, minute as u32 + 1).unwrap_or(60);
            self.steps(60, i64::from(next) - minute);
            if self.time() / 60 % 60 == 0 {
                return false;
            }
        }
    }

    fn second(&mut self) -> bool {
        loop {
            let second = self.time() % 60;
            if self.fields.second >> second & 1 == 1 {
                return true;
            }
            self.moved = true;
            let next = next_bit(self.fields.second, second as u32 + 1).unwrap_or(60);
            self.steps(1, i64::from(next) - second);
            if self.time() % 60 == 0 {
                return false;
            }
        }
    }

    /// Moves on by a calendar day, then to the nearest midnight if a change of the clocks led
    /// beside it.
    fn step_day(&mut self) {
        self.go_to_wall(self.today() + 1, self.time());
        match self.time() / 3600 {
            0 => {}
            hour @ 13.. => self.go_to(self.at + (24 - hour) * 3600),
            hour => self.go_to(self.at - hour * 3600),
        }
    }

    /// Jumps to the next matching day of this month, or to the next month, if no change of the
    /// clocks is near; far from a change no correction is needed.
    fn skip_days(&mut self, days: u32) -> bool {
        const NEAR_SECONDS: i64 = 2 * DAY_SECONDS;
        let Date { year, month, day } = self.date();
        let next = next_bit(days.into(), day + 1).map_or_else(
            || days_of(year, i64::from(month) + 1, 1),
            |next| days_of(year, month.into(), next.into()),
        );
        let at = self.at + (next - self.today()) * DAY_SECONDS;
        let calm = self.span.contains(self.at.saturating_sub(NEAR_SECONDS))
            && self.span.contains(at.saturating_add(NEAR_SECONDS));
        if !calm || self.time() >= 3600 {
            return false;
        }
        self.at = at;
        true
    }

    /// Takes `count` steps of `seconds` each, or fewer if the clocks change on the way.
    fn steps(&mut self, seconds: i64, count: i64) {
        let until_change = self.span.end.saturating_sub(self.at);
        let to_change = (until_change - 1).div_euclid(seconds) + 1;
        self.go_to(self.at + seconds * count.min(to_change));
    }

    fn go_to(&mut self, at: i64) {
        self.at = at;
        self.span = self.span_at(at);
    }

    /// Moves to a wall time, given as day and seconds of the day. One that does not exist, or
    /// exists twice, is read as in Go's `time.Date`.
    fn go_to_wall(&mut self, day: i64, time: i64) {
        let wall = day * DAY_SECONDS + time;
        self.span = self.span_at(wall);
        self.span = self.span_at(wall - self.span.offset);
        self.go_to(wall - self.span.offset);
    }

    fn span_at(&self, at: i64) -> Span {
        if self.span.contains(at) { self.span } else { self.zone.span(at) }
    }

    fn wall(&self) -> i64 {
        self.at + self.span.offset
    }

    /// Returns the days since 1970 on the zone's clock.
    fn today(&self) -> i64 {
        self.wall().div_euclid(DAY_SECONDS)
    }

    /// Returns the seconds since midnight on the zone's clock.
    fn time(&self) -> i64 {
        self.wall().rem_euclid(DAY_SECONDS)
    }

    fn date(&self) -> Date {
        date_of(self.today())
    }
}
