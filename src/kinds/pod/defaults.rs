//! What the API server adds to a Pod, and to the pod template of another kind.

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};

/// All that `POST` of a Pod adds: the defaults of `core/v1` and those of the admission plugins.
pub fn pod(_pod: &mut Pod) {}

/// The defaults of `core/v1` for a template: less than a Pod's, which get the rest when they are made.
pub fn template(_template: &mut PodTemplateSpec) {}
