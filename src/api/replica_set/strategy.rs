//! The strategy of ReplicaSets.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::strategy::{
    CommandField, Difference, Strategy, spec_and_status, spec_replicas, spec_selector,
};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

impl Strategy for ReplicaSet {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const COUNTS_GENERATIONS: bool = true;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn prepare_create(&mut self) {
        self.status = Some(ReplicaSetStatus::default());
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

    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }

    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        self.spec.as_mut()?.template.as_mut()
    }

    spec_selector!();

    spec_replicas!();

    fn command_fields(&mut self) -> Vec<(&'static str, CommandField<'_>)> {
        let Some(spec) = &mut self.spec else { return Vec::new() };
        vec![("replicas", CommandField::Count(&mut spec.replicas))]
    }

    spec_and_status!();
}
