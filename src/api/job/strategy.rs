//! The strategy of Jobs.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::strategy::{CommandField, Difference, Strategy, spec_and_status, spec_template};
use crate::time::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use std::borrow::Cow;

impl Strategy for Job {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const COUNTS_GENERATIONS: bool = true;
    const SELECTABLE_FIELDS: &'static [&'static str] = &["status.successful"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn selectable_field(&self, _path: &str) -> Cow<'_, str> {
        let succeeded = self.status.as_ref().and_then(|status| status.succeeded);
        Cow::from(succeeded.unwrap_or(0).to_string())
    }

    fn prepare_create(&mut self) {
        self.status = Some(JobStatus::default());
        defaults::prepare_create(self);
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn canonicalize(&mut self) {
        defaults::inherit_labels(self);
    }

    fn prepare_update(&mut self, _old: &Self) {
        defaults::inherit_labels(self);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }

    fn validate_status(&self, causes: &mut Causes) {
        check::status(self, causes);
    }

    spec_template!();

    fn command_fields(&mut self) -> Vec<(&'static str, CommandField<'_>)> {
        let Some(spec) = &mut self.spec else { return Vec::new() };
        vec![("suspend", CommandField::Switch(&mut spec.suspend))]
    }

    fn carry_over(&mut self, old: &Self) {
        defaults::carry_over(old, self);
    }

    /// Labels of the template and the selector, which hold the Job's name and uid.
    fn generated_texts(&mut self) -> Vec<&mut String> {
        let Some(spec) = &mut self.spec else { return Vec::new() };
        let labels = spec.template.metadata.iter_mut().flat_map(|meta| &mut meta.labels);
        let wanted = spec.selector.iter_mut().flat_map(|selector| &mut selector.match_labels);
        labels.chain(wanted).flat_map(|labels| labels.values_mut()).collect()
    }

    spec_and_status!();
}
