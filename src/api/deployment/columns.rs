//! The table of Deployments.

use crate::columns::{Cell, Column, NONE, age, containers, name, selector};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Ready"),
    Column::text("Up-to-date"),
    Column::text("Available"),
    Column::text("Age"),
    Column::wide("Containers"),
    Column::wide("Images"),
    Column::wide("Selector"),
];

pub fn cells(deployment: &Deployment, now: Timestamp) -> Vec<Cell> {
    let (meta, spec) = (&deployment.metadata, deployment.spec.as_ref());
    let status = deployment.status.clone().unwrap_or_default();
    let ready = status.ready_replicas.unwrap_or(0);
    let desired = spec.and_then(|spec| spec.replicas).unwrap_or(0);
    let [names, images] =
        spec.map_or([NONE.into(), NONE.into()], |spec| containers(&spec.template));
    vec![
        name(meta),
        format!("{ready}/{desired}").into(),
        Cell::Number(status.updated_replicas.unwrap_or(0).into()),
        Cell::Number(status.available_replicas.unwrap_or(0).into()),
        age(meta, now),
        names,
        images,
        selector(spec.map(|spec| &spec.selector)),
    ]
}
