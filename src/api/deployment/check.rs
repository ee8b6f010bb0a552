//! The rules of a Deployment (Kubernetes' `ValidateDeployment` and `ValidateDeploymentUpdate`).

use crate::check::{Causes, Path};
use crate::meta::{immutable, nonnegative};
use crate::template;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The rules of a new Deployment, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(deployment: &Deployment, causes: &mut Causes) {
    let Some(spec) = &deployment.spec else { return };
    let at = Path::root("spec");
    nonnegative(spec.replicas, &at.child("replicas"), causes);
    if template::check_selector(&spec.selector, "deployment", &at.child("selector"), causes) {
        let at = at.child("template");
        template::check(&spec.template, &spec.selector, "ReplicaSet", &at, causes);
    }
    if let Some(strategy) = &spec.strategy {
        check_strategy(strategy, &at.child("strategy"), causes);
    }
    nonnegative(spec.min_ready_seconds, &at.child("minReadySeconds"), causes);
    nonnegative(spec.revision_history_limit, &at.child("revisionHistoryLimit"), causes);
    check_deadline(spec, &at.child("progressDeadlineSeconds"), causes);
}

/// The rules of a change, after [`super::defaults::set`] and `prepare_update`.
pub fn update(old: &Deployment, new: &Deployment, causes: &mut Causes) {
    create(new, causes);
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let at = Path::root("spec");
    immutable(&had.selector, &spec.selector, &at.child("selector"), causes);
}

/// The rules of `status`: counts are not negative, and not more than there are.
pub fn status(deployment: &Deployment, causes: &mut Causes) {
    let Some(status) = &deployment.status else { return };
    let at = Path::root("status");
    nonnegative(status.observed_generation, &at.child("observedGeneration"), causes);
    nonnegative(status.replicas, &at.child("replicas"), causes);
    nonnegative(status.updated_replicas, &at.child("updatedReplicas"), causes);
    nonnegative(status.ready_replicas, &at.child("readyReplicas"), causes);
    nonnegative(status.available_replicas, &at.child("availableReplicas"), causes);
    nonnegative(status.unavailable_replicas, &at.child("unavailableReplicas"), causes);
    nonnegative(status.terminating_replicas, &at.child("terminatingReplicas"), causes);
    nonnegative(status.collision_count, &at.child("collisionCount"), causes);
    let all = status.replicas.unwrap_or(0);
    let ready = status.ready_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    let more = "cannot be greater than status.replicas";
    for (field, count) in [
        ("updatedReplicas", status.updated_replicas.unwrap_or(0)),
        ("readyReplicas", ready),
        ("availableReplicas", available),
    ] {
        if count > all {
            causes.invalid(&at.child(field), count, more);
        }
    }
    if available > ready {
        let why = "cannot be greater than readyReplicas";
        causes.invalid(&at.child("availableReplicas"), available, why);
    }
}

fn check_strategy(strategy: &DeploymentStrategy, at: &Path<'_>, causes: &mut Causes) {
    let rolling_at = at.child("rollingUpdate");
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("Recreate", Some(_)) => {
            causes
                .forbidden(&rolling_at, "may not be specified when strategy `type` is 'Recreate'");
        }
        ("RollingUpdate", Some(rolling)) => check_rolling(rolling, &rolling_at, causes),
        ("Recreate" | "RollingUpdate", None) => {}
        (other, _) => causes.unsupported(at, other, &["Recreate", "RollingUpdate"]),
    }
}

fn check_rolling(rolling: &RollingUpdateDeployment, at: &Path<'_>, causes: &mut Causes) {
    let zero = IntOrString::Int(0);
    let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&zero);
    let surge = rolling.max_surge.as_ref().unwrap_or(&zero);
    let unavailable_at = at.child("maxUnavailable");
    template::check_number_or_percent(unavailable, &unavailable_at, causes);
    template::check_number_or_percent(surge, &at.child("maxSurge"), causes);
    if template::is_zero(unavailable) && template::is_zero(surge) {
        causes.invalid(&unavailable_at, unavailable, "may not be 0 when `maxSurge` is 0");
    }
    template::check_at_most_all(unavailable, &unavailable_at, causes);
}

fn check_deadline(spec: &DeploymentSpec, at: &Path<'_>, causes: &mut Causes) {
    let Some(seconds) = spec.progress_deadline_seconds else { return };
    nonnegative(Some(seconds), at, causes);
    if seconds <= spec.min_ready_seconds.unwrap_or(0) {
        causes.invalid(at, seconds, "must be greater than minReadySeconds");
    }
}
