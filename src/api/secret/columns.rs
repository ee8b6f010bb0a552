//! The table of Secrets: how much there is, and nothing of it.

use crate::columns::{Cell, Column, age, count, name};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Secret;

pub const COLUMNS: &[Column] =
    &[Column::name(), Column::text("Type"), Column::text("Data"), Column::text("Age")];

pub fn cells(secret: &Secret, now: Timestamp) -> Vec<Cell> {
    let meta = &secret.metadata;
    let kind = secret.type_.as_deref().unwrap_or_default();
    let data = secret.data.as_ref().map_or(0, |data| data.len());
    vec![name(meta), kind.into(), count(data), age(meta, now)]
}
