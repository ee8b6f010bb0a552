//! Fields of a pod that are fine in Kubernetes and do nothing on one host of plain processes.

use crate::kinds::check::Path;
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};

/// A warning for each such field of a template in the field `at`, as the user wrote it (before defaults).
pub fn template(template: &PodTemplateSpec, at: &Path<'_>, warnings: &mut Vec<String>) {
    if let Some(pod) = &template.spec {
        spec(pod, &at.child("spec"), warnings);
    }
}

/// A warning for each such field of a pod's spec in the field `at`, as the user wrote it (before defaults).
pub fn spec(spec: &PodSpec, at: &Path<'_>, warnings: &mut Vec<String>) {
    if spec.node_selector.is_some() {
        warnings.push(format!(
            "{}: has no effect here: pods run on this host alone",
            at.child("nodeSelector")
        ));
    }
}
