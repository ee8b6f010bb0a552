//! The table of ConfigMaps.

use crate::columns::{Cell, Column, age, count, name};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;

pub const COLUMNS: &[Column] = &[Column::name(), Column::text("Data"), Column::text("Age")];

pub fn cells(config_map: &ConfigMap, now: Timestamp) -> Vec<Cell> {
    let texts = config_map.data.as_ref().map_or(0, |data| data.len());
    let bytes = config_map.binary_data.as_ref().map_or(0, |data| data.len());
    let meta = &config_map.metadata;
    vec![name(meta), count(texts + bytes), age(meta, now)]
}
