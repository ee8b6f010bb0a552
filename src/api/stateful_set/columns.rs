//! The table of StatefulSets.

use crate::columns::{Cell, Column, NONE, age, containers, name};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Ready"),
    Column::text("Age"),
    Column::wide("Containers"),
    Column::wide("Images"),
];

pub fn cells(set: &StatefulSet, now: Timestamp) -> Vec<Cell> {
    let (meta, spec) = (&set.metadata, set.spec.as_ref());
    let ready = set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
    let desired = spec.and_then(|spec| spec.replicas).unwrap_or(0);
    let [names, images] =
        spec.map_or([NONE.into(), NONE.into()], |spec| containers(&spec.template));
    vec![name(meta), format!("{ready}/{desired}").into(), age(meta, now), names, images]
}
