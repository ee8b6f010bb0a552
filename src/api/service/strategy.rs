//! The strategy of Services.

use super::{addresses, check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::names::{Faults, dns_label};
use crate::strategy::{Difference, Strategy, spec_and_status};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Service;
use serde_json::Value;

impl Strategy for Service {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const NAME: fn(&str) -> Faults = dns_label;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn allocate(&mut self, old: Option<&Self>) -> Causes {
        let mut causes = Causes::default();
        addresses::settle(old, self, &mut causes);
        if let Some(old) = old.filter(|_| causes.found.is_empty()) {
            defaults::drop_dependent(old, self);
        }
        causes
    }

    fn prepare_create(&mut self) {
        defaults::prepare_create(self);
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn prepare_update(&mut self, old: &Self) {
        defaults::prepare_update(old, self);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }

    fn show_allocated(&self, shown: &mut Value) {
        addresses::show_allocated(self, shown);
    }

    spec_and_status!();
}
