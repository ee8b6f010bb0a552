//! Time zones by their IANA names, from the database inside the binary; and Kubernetes' rules for
//! `spec.timeZone`.
//!
//! Offsets are needed far more often than zones, so each zone is laid out once as a table of its
//! offsets and kept for good: the database has some six hundred, and a host uses a few.

use crate::time::Timestamp;
use jiff::tz::TimeZoneDatabase;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A time zone; as small as a pointer.
#[derive(Clone, Copy)]
pub struct Zone {
    table: &'static Table,
}

/// Reason why a time zone was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    #[error("timeZone must be nil or non-empty string")]
    Empty,
    #[error("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")]
    Local,
    #[error("unknown time zone {name}{}", suggestion(near.as_deref()))]
    Unknown { name: String, near: Option<String> },
}

fn suggestion(near: Option<&str>) -> String {
    near.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// The offsets of one zone; span `i` begins at `starts[i]` (Unix seconds) and ends where the next
/// begins.
struct Table {
    name: String,
    starts: Vec<i64>,
    /// Seconds east of Greenwich.
    offsets: Vec<i32>,
}

/// A stretch of time in which a zone keeps one offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Unix seconds; `i64::MIN` for the first.
    pub start: i64,
    /// Exclusive; `i64::MAX` for the last.
    pub end: i64,
    /// Seconds east of Greenwich.
    pub offset: i64,
}

/// The last year that rules of daylight saving time are applied to, since later rules are unknown.
const LAST_YEAR: i16 = 2200;

/// At most this many bytes per part of a name, as in Kubernetes.
const PART_LENGTH_MAX: usize = 14;

impl Zone {
    /// Loads the zone of this name, with upper and lower case as IANA writes it (as Go's
    /// `time.LoadLocation`).
    pub fn load(name: &str) -> Result<Zone, ZoneError> {
        static LOADED: Mutex<BTreeMap<&'static str, Zone>> = Mutex::new(BTreeMap::new());
        let name = if name.is_empty() { "UTC" } else { name };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = loaded.get(name) {
            return Ok(*zone);
        }
        let table: &'static Table = Box::leak(Box::new(read(name)?));
        let zone = Zone { table };
        loaded.insert(&table.name, zone);
        Ok(zone)
    }

    pub fn utc() -> Zone {
        static UTC: OnceLock<Zone> = OnceLock::new();
        *UTC.get_or_init(|| Zone::load("UTC").expect("the database has UTC"))
    }

    pub fn name(&self) -> &'static str {
        &self.table.name
    }

    /// Returns every name in the database, in order.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> =
            database().available().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    }

    /// Returns the seconds east of Greenwich at an instant.
    pub fn offset_seconds(&self, at: Timestamp) -> i64 {
        self.span(floor_second(at)).offset
    }

    /// Returns the instant at which the zone's clock shows `wall` (seconds since 1970 on that
    /// clock). If a change of the clocks leaves none, it is one nearby; if two, one of them.
    pub fn instant_of(&self, wall: i64) -> Option<Timestamp> {
        let near = wall - self.span(wall).offset;
        Timestamp::from_second(wall - self.span(near).offset).ok()
    }

    pub(super) fn span(&self, second: i64) -> Span {
        let table = self.table;
        // The first start is the least number there is, so at least one lies at or before `second`.
        let index = table.starts.partition_point(|&start| start <= second) - 1;
        Span {
            start: table.starts[index],
            end: table.starts.get(index + 1).copied().unwrap_or(i64::MAX),
            offset: table.offsets[index].into(),
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Zone::utc()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        std::ptr::eq(self.table, other.table)
    }
}

impl Eq for Zone {}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl Span {
    pub(super) fn contains(&self, second: i64) -> bool {
        self.start <= second && second < self.end
    }
}

/// Returns what violates Kubernetes' rules for `spec.timeZone` (`validateTimeZone`); `local` breaks
/// two rules at once.
pub fn time_zone_problems(name: &str) -> Vec<ZoneError> {
    if name.is_empty() {
        return vec![ZoneError::Empty];
    }
    if !name.split('/').all(is_part) {
        return vec![ZoneError::Unknown { name: shorten(name), near: None }];
    }
    let mut problems = Vec::new();
    if name.eq_ignore_ascii_case("local") {
        problems.push(ZoneError::Local);
    }
    if name != "Local" {
        problems.extend(Zone::load(name).err());
    }
    problems
}

/// Returns the whole second at or before an instant.
pub(super) fn floor_second(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

/// Returns a user's text for a message, cut if it is long.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 64;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn is_part(part: &str) -> bool {
    let known = |c: u8| c.is_ascii_alphanumeric() || b".-_+".contains(&c);
    (1..=PART_LENGTH_MAX).contains(&part.len())
        && part.bytes().all(known)
        && part != "."
        && part != ".."
        && !part.starts_with('-')
}

fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

fn read(name: &str) -> Result<Table, ZoneError> {
    let unknown = |near| ZoneError::Unknown { name: shorten(name), near };
    let Ok(zone) = database().get(name) else {
        return Err(unknown(nearest(name)));
    };
    // The database takes any case; Go and thus Kubernetes do not.
    match zone.iana_name() {
        Some(exact) if exact == name => {}
        exact => return Err(unknown(exact.map(str::to_owned))),
    }
    let mut table = Table {
        name: name.to_owned(),
        starts: vec![i64::MIN],
        offsets: vec![zone.to_offset(Timestamp::MIN).seconds()],
    };
    let past = jiff::civil::date(LAST_YEAR + 1, 1, 1)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .expect("the year is in range")
        .timestamp();
    for change in zone.following(Timestamp::MIN).take_while(|change| change.timestamp() < past) {
        let offset = change.offset().seconds();
        if table.offsets.last() != Some(&offset) {
            table.starts.push(change.timestamp().as_second());
            table.offsets.push(offset);
        }
    }
    table.starts.shrink_to_fit();
    table.offsets.shrink_to_fit();
    Ok(table)
}

/// Returns the name that was probably meant: the same city, or few letters away.
fn nearest(name: &str) -> Option<String> {
    if name.len() > 3 * PART_LENGTH_MAX {
        return None;
    }
    let wanted = name.to_ascii_lowercase();
    let score = |one: &String| strsim::jaro_winkler(&wanted, &one.to_ascii_lowercase());
    let city = |one: &String| one.to_ascii_lowercase().ends_with(&format!("/{wanted}"));
    let names = Zone::names();
    if let Some(name) = names.iter().find(|one| city(one)) {
        return Some(name.clone());
    }
    let best = names.into_iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(&best) > 0.85).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_kubernetes_takes_them() {
        let check = |name: &str, problems: usize| {
            assert_eq!(time_zone_problems(name).len(), problems, "{name:?}");
        };
        for good in ["UTC", "Europe/Paris", "EST", "Etc/GMT+5", "America/Argentina/ComodRivadavia"]
        {
            check(good, 0);
        }
        for bad in
            ["", "Europe/paris", "america/new_york", "utc", "Local/", "../UTC", "-x", "Mars/X"]
        {
            check(bad, 1);
        }
        check("Local", 1);
        check("local", 2);
        check(&"x".repeat(1 << 20), 1);
        let near = |name: &str| time_zone_problems(name)[0].to_string();
        assert_eq!(near("paris"), "unknown time zone paris; did you mean Europe/Paris?");
        assert_eq!(
            near("europe/paris"),
            "unknown time zone europe/paris; did you mean Europe/Paris?"
        );
        assert!(near("Europe/Pariss").ends_with("did you mean Europe/Paris?"));
        assert_eq!(near("Nowhere"), "unknown time zone Nowhere");
    }

    #[test]
    fn every_zone_loads_and_its_spans_agree_with_the_database() {
        let names = Zone::names();
        assert!(names.len() > 500, "{} zones", names.len());
        for name in names {
            let zone = Zone::load(&name).expect("a name of the database");
            let truth = database().get(&name).expect("a name of the database");
            for second in (-2_000_000_000..6_000_000_000).step_by(86_400 * 13 + 1234) {
                let at = Timestamp::from_second(second).expect("in range");
                assert_eq!(zone.offset_seconds(at), truth.to_offset(at).seconds() as i64, "{name}");
                let span = zone.span(second);
                assert!(span.contains(second), "{name} {second}");
                let last = span.end == i64::MAX;
                assert!(last || zone.span(span.end).offset != span.offset, "{name} {second}");
            }
        }
    }
}
