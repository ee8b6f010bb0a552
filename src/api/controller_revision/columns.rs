//! The table of ControllerRevisions.

use crate::columns::{Cell, Column, age, name, or_none};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;

pub const COLUMNS: &[Column] =
    &[Column::name(), Column::text("Controller"), Column::text("Revision"), Column::text("Age")];

pub fn cells(revision: &ControllerRevision, now: Timestamp) -> Vec<Cell> {
    let meta = &revision.metadata;
    let mut owners = meta.owner_references.iter().flatten();
    let controller = owners.find(|owner| owner.controller == Some(true)).map(|owner| {
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let dot = if group.is_empty() { "" } else { "." };
        format!("{}{dot}{group}/{}", owner.kind.to_lowercase(), owner.name)
    });
    vec![
        name(meta),
        or_none(controller.as_deref()),
        Cell::Number(revision.revision),
        age(meta, now),
    ]
}
