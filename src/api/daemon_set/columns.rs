//! The table of DaemonSets.

use crate::columns::{Cell, Column, NONE, age, containers, labels, name, selector};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::number("Desired"),
    Column::number("Current"),
    Column::number("Ready"),
    Column::number("Up-to-date"),
    Column::number("Available"),
    Column::text("Node Selector"),
    Column::text("Age"),
    Column::wide("Containers"),
    Column::wide("Images"),
    Column::wide("Selector"),
];

pub fn cells(set: &DaemonSet, now: Timestamp) -> Vec<Cell> {
    let (meta, spec) = (&set.metadata, set.spec.as_ref());
    let status = set.status.clone().unwrap_or_default();
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let [names, images] =
        spec.map_or([NONE.into(), NONE.into()], |spec| containers(&spec.template));
    let count = |number: i32| Cell::Number(number.into());
    vec![
        name(meta),
        count(status.desired_number_scheduled),
        count(status.current_number_scheduled),
        count(status.number_ready),
        count(status.updated_number_scheduled.unwrap_or(0)),
        count(status.number_available.unwrap_or(0)),
        labels(pod.and_then(|pod| pod.node_selector.as_ref())),
        age(meta, now),
        names,
        images,
        selector(spec.map(|spec| &spec.selector)),
    ]
}
