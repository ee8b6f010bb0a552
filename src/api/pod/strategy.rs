//! The strategy of Pods.

use super::{check, columns, defaults, unsupported};
use crate::check::{Causes, Path};
use crate::columns::{Cell, Column};
use crate::refused::Refused;
use crate::strategy::{Difference, Strategy, spec_and_status};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use std::borrow::Cow;

impl Strategy for Pod {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const COUNTS_GENERATIONS: bool = true;
    const SELECTABLE_FIELDS: &'static [&'static str] = &[
        "spec.hostNetwork",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIP",
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::pod(self);
    }

    fn selectable_field(&self, path: &str) -> Cow<'_, str> {
        let (spec, status) = (self.spec.as_ref(), self.status.as_ref());
        let value = match path {
            "spec.hostNetwork" => {
                let on_host = spec.and_then(|spec| spec.host_network).unwrap_or(false);
                return Cow::from(on_host.to_string());
            }
            "spec.nodeName" => spec.and_then(|spec| spec.node_name.as_deref()),
            "spec.restartPolicy" => spec.and_then(|spec| spec.restart_policy.as_deref()),
            "spec.schedulerName" => spec.and_then(|spec| spec.scheduler_name.as_deref()),
            "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.as_deref()),
            "status.nominatedNodeName" => status.and_then(|s| s.nominated_node_name.as_deref()),
            "status.phase" => status.and_then(|status| status.phase.as_deref()),
            "status.podIP" => status.and_then(|status| status.pod_ip.as_deref()),
            _ => None,
        };
        Cow::from(value.unwrap_or_default())
    }

    fn refuse_create(&self) -> Result<(), Refused> {
        defaults::refusal(self).map_or(Ok(()), Err)
    }

    fn prepare_create(&mut self) {
        defaults::prepare_create(self);
    }

    fn validate(&self, causes: &mut Causes) {
        causes.found.extend(check::pod(self).found);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        causes.found.extend(check::pod_update(old, self).found);
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.keep_spec(old);
        self.metadata.owner_references.clone_from(&old.metadata.owner_references);
    }

    fn warn_of_pods(&self, is_root: bool, warnings: &mut Vec<String>) {
        if let Some(spec) = &self.spec {
            unsupported::spec(spec, &Path::root("spec"), is_root, warnings);
        }
    }

    fn pod_spec(&self) -> Option<&PodSpec> {
        self.spec.as_ref()
    }

    fn pod_spec_mut(&mut self) -> Option<&mut PodSpec> {
        self.spec.as_mut()
    }

    fn carry_over(&mut self, old: &Self) {
        let (Some(had), Some(spec)) = (&old.spec, &mut self.spec) else { return };
        spec.node_name = spec.node_name.take().or_else(|| had.node_name.clone());
    }

    spec_and_status!();
}
