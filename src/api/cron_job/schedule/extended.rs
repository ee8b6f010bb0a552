//! Additions of the annotation `cronlet.dev/schedule` to Kubernetes' grammar: `L`, `W`, `#`, `H`.
//!
//! | field | text | days or values |
//! |---|---|---|
//! | day of month | `L`, `L-2` | the last day; two days before it |
//! | day of month | `15W`, `LW` | the Monday to Friday nearest to that day, in its month |
//! | day of week | `5L`, `FRIL` | the last Friday of the month |
//! | day of week | `5#2`, `FRI#2` | the second Friday of the month |
//! | any | `H`, `H(0-7)`, `H/15`, `H(0-29)/10` | a value, or a start of steps, drawn by the name |

use super::fields::SpecialDays;
use super::parse::{Field, Problem, Set, bits, number, range, value};
use crate::seed::Seed;

/// Parts of a schedule that the fields cannot hold as plain values.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub days: SpecialDays,
}

/// The last day of the month that `H` may draw: every month has it.
const DAY_MAX_OF_EVERY_MONTH: u64 = 28;

/// Parses a part of a field, between commas. `seed` is the text that `H` is drawn from. A part that
/// Kubernetes accepts means the same here.
pub(super) fn part(
    field: Field,
    part: &str,
    seed: &str,
    extra: &mut Extra,
) -> Result<Set, Problem> {
    match range(field, part) {
        Err(Problem::NotANumber { .. }) => {}
        read => return read,
    }
    if let Some(rest) = part.strip_prefix('H') {
        return hashed(field, rest, seed);
    }
    let special = match field {
        Field::DayOfMonth => special_day(part, &mut extra.days)?,
        Field::DayOfWeek => special_weekday(part, &mut extra.days)?,
        _ => false,
    };
    if special { Ok(Set::default()) } else { Err(refusal(field, part)) }
}

/// Explains why a part that is no plain range is not one of the additions either.
fn refusal(field: Field, part: &str) -> Problem {
    let says = |letter: char| part.contains(letter) && part.bytes().any(|b| b.is_ascii_digit());
    Problem::Extended(match field {
        Field::DayOfMonth if says('W') => "W takes one day, such as 15W, or LW; no ranges or steps",
        Field::DayOfMonth if part.starts_with('L') => {
            "L takes days back from the last, as L-2; no steps"
        }
        Field::DayOfMonth if part.contains('#') => "# counts weekdays, in the day of week",
        Field::DayOfWeek if part == "L" => {
            "L alone is Saturday to some programs: write 6, or 6L for the month's last Saturday"
        }
        Field::DayOfWeek if part.contains('#') => "# takes a weekday and 1 to 5, such as FRI#2",
        Field::DayOfWeek if says('W') => "W stands in the day of month only",
        Field::DayOfWeek if part.ends_with('L') => "L takes one weekday, such as 5L or FRIL",
        Field::DayOfMonth | Field::DayOfWeek => "not a number",
        _ if part.contains(['L', 'W', '#']) => "L, W and # stand in the two day fields only",
        _ => "not a number",
    })
}

fn special_day(part: &str, days: &mut SpecialDays) -> Result<bool, Problem> {
    if part == "L" {
        days.from_end |= 1;
    } else if part == "LW" {
        days.last_workday = true;
    } else if let Some(back) = part.strip_prefix("L-") {
        let back = number(back).map_err(|_| refusal(Field::DayOfMonth, part))?;
        if back > 30 {
            return Err(Problem::Extended("no month has more than 30 days before its last"));
        }
        days.from_end |= 1 << back;
    } else if let Some(day) = part.strip_suffix('W') {
        let day = number(day).map_err(|_| refusal(Field::DayOfMonth, part))?;
        days.nearest |= bits(Field::DayOfMonth, day, day, 1)? as u32;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn special_weekday(part: &str, days: &mut SpecialDays) -> Result<bool, Problem> {
    let refused = |_| refusal(Field::DayOfWeek, part);
    let weekday = |text| {
        let day = value(Field::DayOfWeek, text).map_err(refused)?;
        bits(Field::DayOfWeek, day, day, 1).map(|bits| bits as u8)
    };
    if let Some((day, week)) = part.split_once('#') {
        let week = number(week).map_err(refused)?;
        if !(1..=5).contains(&week) {
            return Err(refusal(Field::DayOfWeek, part));
        }
        days.nth_weekday[week as usize - 1] |= weekday(day)?;
    } else if let Some(day) = part.strip_suffix('L').filter(|day| !day.is_empty()) {
        days.last_weekday |= weekday(day)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Parses the text after `H`: a range in brackets, a step, both or nothing.
fn hashed(field: Field, rest: &str, seed: &str) -> Result<Set, Problem> {
    const FORM: Problem = Problem::Extended("H is written H, H(0-7), H/15 or H(0-29)/10");
    let (rest, step) = match rest.split_once('/') {
        None => (rest, None),
        Some((rest, step)) => (rest, Some(number(step).map_err(|_| FORM)?)),
    };
    let (first, last) = if rest.is_empty() {
        let last = field.maximum().into();
        let last = if field == Field::DayOfMonth { DAY_MAX_OF_EVERY_MONTH } else { last };
        (field.minimum().into(), last)
    } else {
        let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or(FORM)?;
        let (first, last) = inner.split_once('-').ok_or(FORM)?;
        (value(field, first).map_err(|_| FORM)?, value(field, last).map_err(|_| FORM)?)
    };
    bits(field, first, last, step.unwrap_or(1))?;
    let width = last - first + 1;
    if step.is_some_and(|step| step > width) {
        return Err(Problem::Extended("the step of H is longer than its range"));
    }
    let start = first + seed_of(field, seed).below(step.unwrap_or(width));
    let last = if step.is_some() { last } else { start };
    Ok(Set { bits: bits(field, start, last, step.unwrap_or(1))?, star: false })
}

/// Returns the seed of `H`: FNV-1a over the field and the text. It is the same on every host and in
/// every version, or else schedules would move.
fn seed_of(field: Field, text: &str) -> Seed {
    let hash = std::iter::once(field as u8)
        .chain(text.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Seed::new(hash)
}
