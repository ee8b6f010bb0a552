//! Times as people write and read them: on a zone's own clock, and how far off.

use anyhow::Context;
use cronlet_api::cron_job::schedule::Zone;
use cronlet_api::settings::Dst;
use cronlet_api::time::{SignedDuration, Timestamp};
use jiff::civil;

/// `--dst`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DstRule {
    /// A skipped time is left out, a repeated one comes twice
    Kubernetes,
    /// A skipped time comes right after the gap, a repeated one once
    Once,
}

impl From<DstRule> for Dst {
    fn from(rule: DstRule) -> Dst {
        match rule {
            DstRule::Kubernetes => Dst::Kubernetes,
            DstRule::Once => Dst::Once,
        }
    }
}

/// An instant with its offset, or a time on the zone's own clock.
pub(crate) fn time(text: &str, zone: &Zone) -> anyhow::Result<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let wall = text.parse::<civil::DateTime>().ok().and_then(|wall| {
        let wall = jiff::tz::TimeZone::UTC.to_timestamp(wall).ok()?;
        zone.instant_of(wall.as_second())
    });
    wall.with_context(|| {
        format!("{text:?} is no time: accepted: 2026-03-29T00:00:00Z, 2026-03-29T00:00, 2026-03-29")
    })
}

/// A time that the clock does not show.
pub(crate) fn wall_time(wall: i64) -> String {
    Timestamp::from_second(wall)
        .map(|wall| wall.strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

/// Such as `Sun 2026-03-29 03:00:00 +02:00 Europe/Paris`.
pub(crate) fn local(at: Timestamp, zone: Zone) -> String {
    let offset = i32::try_from(zone.offset_seconds(at)).unwrap_or_default();
    let offset = jiff::tz::Offset::from_seconds(offset).unwrap_or(jiff::tz::Offset::UTC);
    let clock = at.to_zoned(offset.to_time_zone());
    format!("{} {}", clock.strftime("%a %F %T %:z"), zone.name())
}

/// The two largest units that count: `1d2h`, `3m20s`, `45s`.
pub(crate) fn how_long(wait: SignedDuration) -> String {
    let seconds = ((wait.as_millis() + 999) / 1000).max(0);
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units {
        if left >= size {
            parts.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts[..parts.len().min(2)].concat() }
}
