//! The table of Namespaces.

use crate::columns::{Cell, Column, age, name};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Namespace;

pub const COLUMNS: &[Column] = &[Column::name(), Column::text("Status"), Column::text("Age")];

pub fn cells(namespace: &Namespace, now: Timestamp) -> Vec<Cell> {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    let meta = &namespace.metadata;
    vec![name(meta), phase.unwrap_or_default().into(), age(meta, now)]
}
