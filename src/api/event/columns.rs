//! The table of Events.

use crate::columns::{Cell, Column, name, since};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

pub const COLUMNS: &[Column] = &[
    Column::text("Last Seen"),
    Column::text("Type"),
    Column::text("Reason"),
    Column::text("Object"),
    Column::wide("Subobject"),
    Column::wide("Source"),
    Column::text("Message"),
    Column::wide("First Seen"),
    Column::wide("Count"),
    Column { format: "name", ..Column::wide("Name") },
];

pub fn cells(event: &Event, now: Timestamp) -> Vec<Cell> {
    let text = |text: &Option<String>| Cell::from(text.as_deref().unwrap_or_default());
    let micro = |time: &Option<MicroTime>| time.as_ref().map(|time| Time(time.0));
    let first = event.first_timestamp.clone().or_else(|| micro(&event.event_time));
    let mut last = event.last_timestamp.clone().or_else(|| first.clone());
    let mut times_seen = event.count.filter(|count| *count > 0).unwrap_or(1);
    if let Some(series) = &event.series {
        last = micro(&series.last_observed_time);
        times_seen = series.count.unwrap_or(0);
    }
    let object = &event.involved_object;
    vec![
        since(last.as_ref(), now).into(),
        text(&event.type_),
        text(&event.reason),
        target(event).into(),
        text(&object.field_path),
        source(event).into(),
        event.message.as_deref().unwrap_or_default().trim().into(),
        since(first.as_ref(), now).into(),
        Cell::Number(times_seen.into()),
        name(&event.metadata),
    ]
}

/// Returns the object of the event as `pod/name`.
fn target(event: &Event) -> String {
    let object = &event.involved_object;
    let kind = object.kind.as_deref().unwrap_or_default().to_lowercase();
    match object.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => format!("{kind}/{name}"),
        None => kind,
    }
}

/// Returns the component that reports the event, and its host.
fn source(event: &Event) -> String {
    let source = event.source.as_ref();
    let first = |one: Option<&String>, other: Option<&String>| {
        [one, other].into_iter().flatten().find(|text| !text.is_empty()).cloned()
    };
    let component = first(
        source.and_then(|source| source.component.as_ref()),
        event.reporting_component.as_ref(),
    );
    let host =
        first(source.and_then(|source| source.host.as_ref()), event.reporting_instance.as_ref());
    match (component.unwrap_or_default(), host) {
        (component, Some(host)) => format!("{component}, {host}"),
        (component, None) => component,
    }
}
