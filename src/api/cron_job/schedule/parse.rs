//! The grammar of `spec.schedule`, to the letter that of Kubernetes' cron library (robfig/cron v3,
//! `ParseStandard`).

use super::extended::{self, Extra};
use super::fields::Fields;
use super::zone::{Zone, ZoneError, shorten};
use super::{Form, Schedule, duration};

/// Reason why a schedule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("the schedule is empty: {ACCEPTED}")]
    Empty,
    #[error("expected exactly 5 fields, found {found}: {text}: {ACCEPTED}")]
    FieldCount { found: usize, text: String },
    #[error("expected 5 or 6 fields (seconds first), found {found}: {text}{}", years(*found))]
    ExtendedFieldCount { found: usize, text: String },
    #[error("{field}: {part:?}: {problem}; accepted: {}", field.accepted())]
    Field { field: Field, part: String, problem: Problem },
    #[error(
        "unrecognized descriptor: {0}: accepted: @yearly, @annually, @monthly, @weekly, @daily, \
         @midnight, @hourly, @every DURATION"
    )]
    Descriptor(String),
    #[error(
        "failed to parse duration {text}: {source}: accepted: numbers with the units h, m, s, ms, \
         us and ns, such as @every 1h30m"
    )]
    Every { text: String, source: duration::DurationError },
    #[error("provided bad location {text}: {source}")]
    Zone { text: String, source: ZoneError },
    #[error(
        "a time zone stands without a schedule: accepted: TZ=ZONE and a space before the fields"
    )]
    ZoneAlone,
}

const ACCEPTED: &str = "accepted: minute, hour, day of month, month and day of week, such as \
                        \"30 2 * * 1-5\", or @hourly, @daily, @weekly, @monthly, @yearly, \
                        @every 1h30m";

fn years(found: usize) -> &'static str {
    if found == 7 { ": a field for the year is not offered, since a schedule goes on" } else { "" }
}

/// A field of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

/// Problem with a part of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("not a number{}", hint.map(|h| format!(" ({h})")).unwrap_or_default())]
    NotANumber { hint: Option<&'static str> },
    #[error("negative numbers are not allowed")]
    Negative,
    #[error("too many hyphens")]
    TooManyHyphens,
    #[error("too many slashes")]
    TooManySlashes,
    #[error("beginning of range ({0}) below minimum ({1})")]
    Below(u64, u32),
    #[error("end of range ({0}) above maximum ({1})")]
    Above(u64, u32),
    #[error("beginning of range ({0}) beyond end of range ({1})")]
    Backwards(u64, u64),
    #[error("step of range should be a positive number")]
    StepZero,
    #[error("{0}")]
    Extended(&'static str),
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Field {
    pub(super) fn minimum(self) -> u32 {
        match self {
            Field::DayOfMonth | Field::Month => 1,
            _ => 0,
        }
    }

    pub(super) fn maximum(self) -> u32 {
        match self {
            Field::Second | Field::Minute => 59,
            Field::Hour => 23,
            Field::DayOfMonth => 31,
            Field::Month => 12,
            Field::DayOfWeek => 6,
        }
    }

    /// Returns the names of its values, the first of them for the minimum.
    fn names(self) -> &'static [&'static str] {
        match self {
            Field::Month => &MONTHS,
            Field::DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    fn accepted(self) -> &'static str {
        match self {
            Field::Second | Field::Minute => "0-59, with * ? , - /",
            Field::Hour => "0-23, with * ? , - /",
            Field::DayOfMonth => "1-31, with * ? , - /",
            Field::Month => "1-12 or JAN-DEC, with * ? , - /",
            Field::DayOfWeek => "0-6 or SUN-SAT (0 is Sunday), with * ? , - /",
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Field::Second => "second",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::DayOfMonth => "day of month",
            Field::Month => "month",
            Field::DayOfWeek => "day of week",
        })
    }
}

/// The values of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub bits: u64,
    /// True if it has a `*` or `?` without a step: the field does not restrict.
    pub star: bool,
}

/// The grammar to parse: Kubernetes' own, or with the additions of the annotation
/// `cronlet.dev/schedule`.
#[derive(Clone, Copy)]
pub(super) enum Grammar<'a> {
    Kubernetes,
    /// The additions too, and the text that `H` is drawn from.
    Extended(&'a str),
}

pub(super) fn schedule(text: &str, grammar: Grammar<'_>) -> Result<Schedule, ScheduleError> {
    if text.is_empty() {
        return Err(ScheduleError::Empty);
    }
    let (zone, text) = zone_prefix(text)?;
    let form = match grammar {
        Grammar::Extended(_) if text == "@reboot" => Form::Reboot,
        _ if text.starts_with('@') => descriptor(text)?,
        _ => Form::Fields(fields(text, grammar)?),
    };
    Ok(Schedule { form, zone })
}

/// Splits off a prefix such as `TZ=Europe/Paris`. The library reads it, though the API refuses it
/// in favour of `spec.timeZone`.
fn zone_prefix(text: &str) -> Result<(Option<Zone>, &str), ScheduleError> {
    let Some(rest) = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) else {
        return Ok((None, text));
    };
    let (name, rest) = rest.split_once(' ').ok_or(ScheduleError::ZoneAlone)?;
    // `Local` means the caller's zone, as in the library.
    let zone = match name {
        "Local" => None,
        name => Some(
            Zone::load(name)
                .map_err(|source| ScheduleError::Zone { text: shorten(name), source })?,
        ),
    };
    Ok((zone, rest.trim()))
}

fn descriptor(text: &str) -> Result<Form, ScheduleError> {
    let spelled_out = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let every = text.strip_prefix("@every ");
            return every
                .map_or_else(|| Err(ScheduleError::Descriptor(shorten(text))), self::every);
        }
    };
    fields(spelled_out, Grammar::Kubernetes).map(Form::Fields)
}

/// Parses the period of `@every`, rounded down to whole seconds and up to one, as in the library.
fn every(text: &str) -> Result<Form, ScheduleError> {
    let nanoseconds = duration::parse(text)
        .map_err(|source| ScheduleError::Every { text: shorten(text), source })?;
    Ok(Form::Every { seconds: (nanoseconds / 1_000_000_000).max(1) })
}

fn fields(text: &str, grammar: Grammar<'_>) -> Result<Fields, ScheduleError> {
    // One more than the most that any grammar takes; a long line is not worth more memory.
    let parts: Vec<&str> = text.split_whitespace().take(8).collect();
    let found = parts.len();
    let (second, rest) = match (&parts[..], grammar) {
        (rest @ [_, _, _, _, _], _) => (None, rest),
        ([second, rest @ ..], Grammar::Extended(_)) if found == 6 => (Some(*second), rest),
        (_, Grammar::Kubernetes) => {
            let found = text.split_whitespace().count();
            return Err(ScheduleError::FieldCount { found, text: shorten(text) });
        }
        (_, Grammar::Extended(_)) => {
            let found = text.split_whitespace().count();
            return Err(ScheduleError::ExtendedFieldCount { found, text: shorten(text) });
        }
    };
    let mut extra = Extra::default();
    let mut set = |field, text| set(field, text, grammar, &mut extra);
    let second = set(Field::Second, second.unwrap_or("0"))?;
    let minute = set(Field::Minute, rest[0])?;
    let hour = set(Field::Hour, rest[1])?;
    let day = set(Field::DayOfMonth, rest[2])?;
    let month = set(Field::Month, rest[3])?;
    let weekday = set(Field::DayOfWeek, rest[4])?;
    Ok(Fields {
        second: second.bits,
        minute: minute.bits,
        hour: hour.bits as u32,
        day: day.bits as u32,
        month: month.bits as u16,
        weekday: weekday.bits as u8,
        both_days: day.star || weekday.star,
        recurs: [rest[0], rest[1]].iter().any(|text| text.contains(['*', '?', '/'])),
        special: extra.days,
    })
}

/// Reads one field: parts between commas. Empty parts do not count, as in the library.
fn set(
    field: Field,
    text: &str,
    grammar: Grammar<'_>,
    extra: &mut Extra,
) -> Result<Set, ScheduleError> {
    let mut whole = Set::default();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let read = match grammar {
            Grammar::Kubernetes => range(field, part),
            Grammar::Extended(seed) => extended::part(field, part, seed, extra),
        };
        let one =
            read.map_err(|problem| ScheduleError::Field { field, part: shorten(part), problem })?;
        whole.bits |= one.bits;
        whole.star |= one.star;
    }
    Ok(whole)
}

/// Parses `*`, `5` or `1-5`, each with an optional `/step`. Text after the hyphen of a `*-` is
/// ignored, as in the library.
pub(super) fn range(field: Field, part: &str) -> Result<Set, Problem> {
    let (bounds, step) = match part.split_once('/') {
        None => (part, None),
        Some((bounds, step)) => (bounds, Some(step)),
    };
    let (low, high) = match bounds.split_once('-') {
        None => (bounds, None),
        Some((low, high)) => (low, Some(high)),
    };
    let (first, mut last, mut star) = if low == "*" || low == "?" {
        (field.minimum().into(), field.maximum().into(), true)
    } else {
        let first = value(field, low)?;
        let last = match high {
            None => first,
            Some(high) if high.contains('-') => return Err(Problem::TooManyHyphens),
            Some(high) => value(field, high)?,
        };
        (first, last, false)
    };
    let mut every = 1;
    if let Some(step) = step {
        if step.contains('/') {
            return Err(Problem::TooManySlashes);
        }
        every = number(step)?;
        if high.is_none() {
            last = field.maximum().into();
        }
        star &= every <= 1;
    }
    Ok(Set { bits: bits(field, first, last, every)?, star })
}

/// Returns the bits of `first`, `first + step` and so on up to `last`.
pub(super) fn bits(field: Field, first: u64, last: u64, step: u64) -> Result<u64, Problem> {
    if first < field.minimum().into() {
        return Err(Problem::Below(first, field.minimum()));
    }
    if last > field.maximum().into() {
        return Err(Problem::Above(last, field.maximum()));
    }
    if first > last {
        return Err(Problem::Backwards(first, last));
    }
    if step == 0 {
        return Err(Problem::StepZero);
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value))
}

/// Parses a number or one of the field's names, in any case.
pub(super) fn value(field: Field, text: &str) -> Result<u64, Problem> {
    let lower: String = text.chars().take(4).flat_map(|c| c.to_lowercase().next()).collect();
    match field.names().iter().position(|name| *name == lower) {
        Some(index) if text.chars().count() == 3 => Ok(index as u64 + u64::from(field.minimum())),
        _ => number(text),
    }
}

/// Parses a number like Go's `strconv.Atoi`: a sign is allowed, and at most 64 bits.
pub(super) fn number(text: &str) -> Result<u64, Problem> {
    match text.parse::<i64>() {
        Ok(number) => u64::try_from(number).map_err(|_| Problem::Negative),
        Err(_) => Err(Problem::NotANumber { hint: hint(text) }),
    }
}

/// Returns a hint at what a text that is no number may have meant.
fn hint(text: &str) -> Option<&'static str> {
    let beyond = text == "L"
        || text.starts_with('H')
        || text.contains('#')
        || text.strip_suffix(['L', 'W']).is_some_and(|day| day.parse::<u8>().is_ok());
    let long_name = text.len() > 3
        && text.get(..3).is_some_and(|start| {
            let start = start.to_ascii_lowercase();
            MONTHS.iter().chain(&WEEKDAYS).any(|name| *name == start)
        });
    match () {
        () if beyond => Some("L, W, # and H are read in the annotation cronlet.dev/schedule"),
        () if long_name => Some("names have three letters"),
        () => None,
    }
}
