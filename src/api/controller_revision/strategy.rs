//! The strategy of ControllerRevisions.

use super::{check, columns};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::strategy::Strategy;
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;

impl Strategy for ControllerRevision {
    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }
}
