//! The strategy of StatefulSets.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::names::{Faults, dns_label};
use crate::strategy::{
    CommandField, Difference, Strategy, spec_and_status, spec_replicas, spec_selector,
    spec_template,
};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

impl Strategy for StatefulSet {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const COUNTS_GENERATIONS: bool = true;
    const NAME: fn(&str) -> Faults = dns_label;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn prepare_create(&mut self) {
        self.status = Some(StatefulSetStatus { available_replicas: Some(0), ..Default::default() });
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

    spec_replicas!();

    fn command_fields(&mut self) -> Vec<(&'static str, CommandField<'_>)> {
        let Some(spec) = &mut self.spec else { return Vec::new() };
        vec![("replicas", CommandField::Count(&mut spec.replicas))]
    }

    spec_and_status!();
}
