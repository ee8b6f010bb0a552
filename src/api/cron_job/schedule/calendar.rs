//! The civil calendar on plain numbers: days since 1970-01-01, seconds of wall time.

pub(super) const DAY_SECONDS: i64 = 86_400;

/// A day of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// The date that lies `days` after 1970-01-01.
///
/// Counts from 0000-03-01, so that the leap day is the last of its year, and in eras of 400 years,
/// which repeat.
pub(super) fn date_of(days: i64) -> Date {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Date { year, month: month as u32, day: day as u32 }
}

/// Days since 1970-01-01. A month beyond December and a day beyond the month's end count on, as in
/// Go.
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let year_from_march = year - i64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 + day - 1
}

/// 0 is Sunday.
pub(super) fn weekday_of(days: i64) -> u32 {
    (days + 4).rem_euclid(7) as u32
}

/// Days in a month, 28 to 31.
pub(super) fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_jiff_on_every_day_of_five_centuries() {
        let mut date = jiff::civil::date(1800, 1, 1);
        let mut days = days_of(1800, 1, 1);
        while date.year() < 2300 {
            let ours = date_of(days);
            assert_eq!(
                (ours.year, ours.month, ours.day),
                (date.year().into(), date.month() as u32, date.day() as u32)
            );
            assert_eq!(days_of(ours.year, ours.month.into(), ours.day.into()), days);
            assert_eq!(weekday_of(days), date.weekday().to_sunday_zero_offset() as u32);
            assert_eq!(month_length(ours.year, ours.month), date.days_in_month() as u32);
            date = date.tomorrow().expect("in range");
            days += 1;
        }
        assert_eq!(days_of(2024, 14, 31), days_of(2025, 2, 31));
        assert_eq!(days_of(2025, 2, 31), days_of(2025, 3, 3));
    }
}
