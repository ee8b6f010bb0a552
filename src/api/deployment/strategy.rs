//! The strategy of Deployments.

use super::annotations::ROLLBACK_TO;
use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::meta::{self, Empty};
use crate::refused::Refused;
use crate::strategy::{
    CommandField, Difference, Strategy, spec_and_status, spec_replicas, spec_selector,
    spec_template,
};
use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

impl Strategy for Deployment {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const COUNTS_GENERATIONS: bool = true;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn check_conversion(&self) -> Result<(), Refused> {
        meta::check_number(&self.metadata, ROLLBACK_TO, Empty::Allowed)
    }

    fn prepare_create(&mut self) {
        self.status = Some(DeploymentStatus::default());
    }

    /// Other annotations, too, begin another generation.
    fn is_other_generation(&self, old: &Self) -> bool {
        self.has_other_spec(old) || self.metadata.annotations != old.metadata.annotations
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
        vec![
            ("paused", CommandField::Switch(&mut spec.paused)),
            ("replicas", CommandField::Count(&mut spec.replicas)),
        ]
    }

    spec_and_status!();
}
