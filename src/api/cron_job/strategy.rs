//! The strategy of CronJobs.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::strategy::{CommandField, Difference, Strategy, spec_and_status};
use crate::time::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, CronJobStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;

impl Strategy for CronJob {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const COUNTS_GENERATIONS: bool = true;
    const TEMPLATE: &'static str = "spec.jobTemplate.spec.template";

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn prepare_create(&mut self) {
        self.status = Some(CronJobStatus::default());
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }

    fn warn(&self, warnings: &mut Vec<String>) {
        check::warn(self, warnings);
    }

    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.job_template.spec.as_ref().map(|spec| &spec.template)
    }

    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        self.spec.job_template.spec.as_mut().map(|spec| &mut spec.template)
    }

    fn command_fields(&mut self) -> Vec<(&'static str, CommandField<'_>)> {
        vec![("suspend", CommandField::Switch(&mut self.spec.suspend))]
    }

    spec_and_status!();
}
