//! The events of an object, the oldest first.

use super::page::Page;
use cronlet_api::columns::human_duration;
use cronlet_api::kind::Object;
use cronlet_api::time::{Clock, SystemClock, Timestamp};
use k8s_openapi::api::core::v1::Event;

pub(super) fn describe(page: &mut Page, found: &[Object]) {
    let mut events: Vec<&Event> = found
        .iter()
        .filter_map(|object| match object {
            Object::Event(event) => Some(&**event),
            _ => None,
        })
        .collect();
    if events.is_empty() {
        return page.field(0, "Events", "<none>");
    }
    events.sort_by_key(|event| last_seen(event));
    page.line(0, "Events:");
    page.line(1, "Type\tReason\tAge\tFrom\tMessage");
    page.line(1, "----\t------\t----\t----\t-------");
    for event in events {
        let source = event.source.as_ref().and_then(|source| source.component.as_deref());
        let source = source.or(event.reporting_component.as_deref()).unwrap_or_default();
        page.line(
            1,
            format_args!(
                "{}\t{}\t{}\t{source}\t{}",
                event.type_.as_deref().unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default(),
                age(event, SystemClock.now()),
                event.message.as_deref().unwrap_or_default().trim(),
            ),
        );
    }
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    let time = event.last_timestamp.as_ref().map(|time| time.0);
    time.or(event.event_time.as_ref().map(|time| time.0))
}

/// `6s`, or `27s (x4 over 69s)`
fn age(event: &Event, now: Timestamp) -> String {
    let since = |time: Option<Timestamp>| match time {
        Some(time) => human_duration(now.duration_since(time)),
        None => "<unknown>".to_owned(),
    };
    let first = event.first_timestamp.as_ref().map(|time| time.0).or(last_seen(event));
    match event.count {
        Some(count) if count > 1 => {
            format!("{} (x{count} over {})", since(last_seen(event)), since(first))
        }
        _ => since(first),
    }
}
