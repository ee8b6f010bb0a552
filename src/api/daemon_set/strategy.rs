//! The strategy of DaemonSets.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::meta::{self, Empty};
use crate::refused::Refused;
use crate::strategy::{Difference, Strategy, spec_and_status, spec_selector, spec_template};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

impl Strategy for DaemonSet {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const COUNTS_GENERATIONS: bool = true;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn check_conversion(&self) -> Result<(), Refused> {
        meta::check_number(&self.metadata, defaults::TEMPLATE_GENERATION, Empty::Refused)
    }

    fn prepare_create(&mut self) {
        self.status = Some(DaemonSetStatus::default());
        defaults::prepare_create(self);
    }

    fn prepare_update(&mut self, old: &Self) {
        defaults::prepare_update(old, self);
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }

    fn validate_status(&self, causes: &mut Causes) {
        check::status(self, causes);
    }

    spec_template!();

    spec_selector!();

    spec_and_status!();
}
