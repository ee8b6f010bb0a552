//! The strategy of Nodes.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::strategy::{Difference, Strategy, spec_and_status};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Node;

impl Strategy for Node {
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

    spec_and_status!();
}
