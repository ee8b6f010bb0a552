//! The strategy of ConfigMaps.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::strategy::Strategy;
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;

impl Strategy for ConfigMap {
    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }
}
