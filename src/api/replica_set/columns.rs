//! The table of ReplicaSets.

use crate::columns::{Cell, Column, NONE, age, containers, name, selector};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::number("Desired"),
    Column::number("Current"),
    Column::number("Ready"),
    Column::text("Age"),
    Column::wide("Containers"),
    Column::wide("Images"),
    Column::wide("Selector"),
];

pub fn cells(set: &ReplicaSet, now: Timestamp) -> Vec<Cell> {
    let (meta, spec) = (&set.metadata, set.spec.as_ref());
    let status = set.status.as_ref();
    let template = spec.and_then(|spec| spec.template.as_ref());
    let [names, images] = template.map_or([NONE.into(), NONE.into()], containers);
    vec![
        name(meta),
        Cell::Number(spec.and_then(|spec| spec.replicas).unwrap_or(0).into()),
        Cell::Number(status.map_or(0, |status| status.replicas).into()),
        Cell::Number(status.and_then(|status| status.ready_replicas).unwrap_or(0).into()),
        age(meta, now),
        names,
        images,
        selector(spec.map(|spec| &spec.selector)),
    ]
}
