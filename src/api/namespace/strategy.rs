//! The strategy of Namespaces.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::names::{Faults, dns_label};
use crate::strategy::{Difference, Strategy, spec_and_status};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Namespace;

impl Strategy for Namespace {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const NAME: fn(&str) -> Faults = dns_label;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn prepare_create(&mut self) {
        defaults::prepare_create(self);
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    /// The finalizers of the spec have a subresource of their own.
    fn prepare_update(&mut self, old: &Self) {
        self.keep_spec(old);
    }

    fn validate_update(&self, _old: &Self, _causes: &mut Causes) {}

    spec_and_status!();
}
