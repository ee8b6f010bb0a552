//! The fields of a schedule as sets of bits, and their matches on a plain calendar, without time
//! zones.

use super::calendar::{DAY_SECONDS, Date, date_of, days_of, month_length, weekday_of};

/// The values that a schedule of five or six fields matches; bit `n` stands for the value `n`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fields {
    pub second: u64,
    pub minute: u64,
    pub hour: u32,
    /// Days of the month, bits 1 to 31.
    pub day: u32,
    /// Bits 1 to 12.
    pub month: u16,
    /// Bit 0 is Sunday.
    pub weekday: u8,
    /// True if the day of the month and the weekday must both match, since one of them is `*`; else
    /// one of them is enough.
    pub both_days: bool,
    /// True if the minute or the hour has a `*` or a step: it means intervals, not a fixed time of
    /// day.
    pub recurs: bool,
    pub special: SpecialDays,
}

/// Days that depend on the month: `L`, `W` and `#`, beyond Kubernetes' grammar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SpecialDays {
    /// `L-n` in the day of the month: bit `n`; `L` is bit 0.
    pub from_end: u32,
    /// `nW`: bit `n`, the weekday (Monday to Friday) nearest to day `n` within its month.
    pub nearest: u32,
    /// True if `LW` is set: the last weekday (Monday to Friday) of the month.
    pub last_workday: bool,
    /// `nL` in the weekday: bit `n`, the last such weekday of the month.
    pub last_weekday: u8,
    /// `n#k`: bit `n` of entry `k - 1`, the k-th such weekday of the month.
    pub nth_weekday: [u8; 5],
}

impl Fields {
    /// Returns the matching days of a month, bits 1 to 31, whether or not the month itself matches.
    pub(super) fn days_in(&self, year: i64, month: u32) -> u32 {
        let month = Month::new(year, month);
        let by_day = (self.day | self.special.days(&month)) & month.every_day();
        let by_weekday = month.weekdays(self.weekday) | self.special.weekdays(&month);
        if self.both_days { by_day & by_weekday } else { by_day | by_weekday }
    }

    pub(super) fn month_matches(&self, month: u32) -> bool {
        self.month >> month & 1 == 1
    }

    /// Returns the first matching wall time at or after `wall`, both in seconds since 1970 on the
    /// zone's own clock; `None` if it is after `year_last`.
    pub(super) fn next_wall(&self, wall: i64, year_last: i64) -> Option<i64> {
        let (today, time) = (wall.div_euclid(DAY_SECONDS), wall.rem_euclid(DAY_SECONDS) as u32);
        let first = self.next_time(0)?;
        if let Some(time) = self.next_time(time)
            && self.next_day(today, year_last)? == today
        {
            return Some(today * DAY_SECONDS + i64::from(time));
        }
        Some(self.next_day(today + 1, year_last)? * DAY_SECONDS + i64::from(first))
    }

    /// Returns the first matching day at or after `days` since 1970.
    fn next_day(&self, days: i64, year_last: i64) -> Option<i64> {
        let mut date = date_of(days);
        while date.year <= year_last {
            let left = self.days_in(date.year, date.month) & (u32::MAX << date.day);
            if left != 0 && self.month_matches(date.month) {
                return Some(days_of(date.year, date.month.into(), left.trailing_zeros().into()));
            }
            let year = date.year + i64::from(date.month == 12);
            date = Date { year, month: date.month % 12 + 1, day: 1 };
        }
        None
    }

    /// Returns the first matching time of day at or after `time`, in seconds since midnight.
    fn next_time(&self, time: u32) -> Option<u32> {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let at = |h: u32, m: u32, s: u32| Some(h * 3600 + m * 60 + s);
        let second_first = next_bit(self.second, 0)?;
        if self.hour >> hour & 1 == 1 {
            if self.minute >> minute & 1 == 1
                && let Some(second) = next_bit(self.second, second)
            {
                return at(hour, minute, second);
            }
            if let Some(minute) = next_bit(self.minute, minute + 1) {
                return at(hour, minute, second_first);
            }
        }
        at(next_bit(self.hour.into(), hour + 1)?, next_bit(self.minute, 0)?, second_first)
    }
}

/// Returns the lowest bit that is set at or above `from`.
pub(super) fn next_bit(bits: u64, from: u32) -> Option<u32> {
    let above = bits.checked_shr(from)?;
    (above != 0).then(|| from + above.trailing_zeros())
}

impl SpecialDays {
    fn days(&self, month: &Month) -> u32 {
        let mut days = 0;
        for back in bits(self.from_end).filter(|&back| back < month.length) {
            days |= 1 << (month.length - back);
        }
        for day in bits(self.nearest).filter(|&day| day <= month.length) {
            days |= 1 << month.workday_nearest(day);
        }
        if self.last_workday {
            days |= 1 << month.workday_nearest(month.length);
        }
        days
    }

    fn weekdays(&self, month: &Month) -> u32 {
        let mut days = 0;
        for (week, &weekdays) in self.nth_weekday.iter().enumerate() {
            days |= month.first_week(weekdays) << (7 * week);
        }
        let last_week = month.every_day() & (u32::MAX << (month.length - 6));
        (days & month.every_day()) | (month.weekdays(self.last_weekday) & last_week)
    }
}

struct Month {
    length: u32,
    /// The weekday of its first day; 0 is Sunday.
    first: u32,
}

impl Month {
    fn new(year: i64, month: u32) -> Month {
        let first = weekday_of(days_of(year, month.into(), 1));
        Month { length: month_length(year, month), first }
    }

    fn every_day(&self) -> u32 {
        (u32::MAX >> (31 - self.length)) & !1
    }

    /// Returns the days 1 to 7 that fall on one of the weekdays.
    fn first_week(&self, weekdays: u8) -> u32 {
        let two_weeks = u32::from(weekdays) | u32::from(weekdays) << 7;
        (two_weeks >> self.first & 0x7f) << 1
    }

    fn weekdays(&self, weekdays: u8) -> u32 {
        let week = u64::from(self.first_week(weekdays));
        (week | week << 7 | week << 14 | week << 21 | week << 28) as u32 & self.every_day()
    }

    /// Returns the Monday to Friday nearest to `day` in the same month.
    fn workday_nearest(&self, day: u32) -> u32 {
        match (self.first + day - 1) % 7 {
            0 if day == self.length => day - 2,
            0 => day + 1,
            6 if day == 1 => 3,
            6 => day - 1,
            _ => day,
        }
    }
}

fn bits(set: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |bit| set >> bit & 1 == 1)
}
