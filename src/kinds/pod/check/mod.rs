//! The rules that a Pod and a pod template must keep, by subject.

use crate::kinds::check::{Causes, Path};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};

/// The rules of a new Pod, after [`super::defaults::pod`]; those of `metadata` are checked elsewhere.
pub fn pod(_pod: &Pod) -> Causes {
    Causes::default()
}

/// The rules of a pod template in the field `at`.
pub fn template(_template: &PodTemplateSpec, _at: &Path<'_>, _causes: &mut Causes) {}

/// What may not change in a Pod's spec once it is made.
pub fn pod_update(_old: &Pod, _new: &Pod) -> Causes {
    Causes::default()
}
