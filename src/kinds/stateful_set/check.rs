//! The rules of a StatefulSet (Kubernetes' `ValidateStatefulSet` and `ValidateStatefulSetUpdate`).

use crate::kinds::check::{Causes, Path};
use crate::kinds::meta::nonnegative;
use crate::kinds::{pod, template};
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};

/// The rules of a new StatefulSet, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(set: &StatefulSet, causes: &mut Causes) {
    let Some(spec) = &set.spec else { return };
    let at = Path::root("spec");
    let policy = spec.pod_management_policy.as_deref().unwrap_or_default();
    if !["OrderedReady", "Parallel"].contains(&policy) {
        let why = "must be 'OrderedReady' or 'Parallel'";
        causes.invalid(&at.child("podManagementPolicy"), policy, why);
    }
    if let Some(strategy) = &spec.update_strategy {
        check_strategy(strategy, &at.child("updateStrategy"), causes);
    }
    check_retention(spec, &at.child("persistentVolumeClaimRetentionPolicy"), causes);
    nonnegative(spec.replicas, &at.child("replicas"), causes);
    nonnegative(spec.min_ready_seconds, &at.child("minReadySeconds"), causes);
    nonnegative(spec.revision_history_limit, &at.child("revisionHistoryLimit"), causes);
    let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start);
    nonnegative(start, &at.child("ordinals").child("start"), causes);
    let template_at = at.child("template");
    if template::check_selector(&spec.selector, "statefulset", &at.child("selector"), causes) {
        template::check_labels(&spec.template, &spec.selector, &template_at, causes);
        // Kubernetes checks no more of this template: its volumes come with each pod.
        pod::check::template_metadata(&spec.template, &template_at, causes);
    }
    template::check_restarts(&spec.template, "StatefulSet", &template_at, causes);
}

/// The rules of a change, after [`super::defaults::set`] and `prepare_update`.
pub fn update(old: &StatefulSet, new: &StatefulSet, causes: &mut Causes) {
    create(new, causes);
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let mut same = spec.clone();
    same.replicas = had.replicas;
    same.template.clone_from(&had.template);
    same.update_strategy.clone_from(&had.update_strategy);
    same.min_ready_seconds = had.min_ready_seconds;
    same.ordinals.clone_from(&had.ordinals);
    same.revision_history_limit = had.revision_history_limit;
    let retention = &had.persistent_volume_claim_retention_policy;
    same.persistent_volume_claim_retention_policy.clone_from(retention);
    if same != *had {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
                   'template', 'updateStrategy', 'revisionHistoryLimit', \
                   'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        causes.forbidden(&Path::root("spec"), why);
    }
}

/// The rules of `status`: counts are not negative, and not more than there are.
pub fn status(set: &StatefulSet, causes: &mut Causes) {
    let Some(status) = &set.status else { return };
    let at = Path::root("status");
    nonnegative(Some(status.replicas), &at.child("replicas"), causes);
    nonnegative(status.observed_generation, &at.child("observedGeneration"), causes);
    nonnegative(status.collision_count, &at.child("collisionCount"), causes);
    let more = "cannot be greater than status.replicas";
    for (field, count) in [
        ("readyReplicas", status.ready_replicas),
        ("currentReplicas", status.current_replicas),
        ("updatedReplicas", status.updated_replicas),
        ("availableReplicas", status.available_replicas),
    ] {
        nonnegative(count, &at.child(field), causes);
        if count.unwrap_or(0) > status.replicas {
            causes.invalid(&at.child(field), count.unwrap_or(0), more);
        }
    }
}

fn check_strategy(strategy: &StatefulSetUpdateStrategy, at: &Path<'_>, causes: &mut Causes) {
    let rolling_at = at.child("rollingUpdate");
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("OnDelete", Some(rolling)) => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            causes.invalid(&rolling_at, rolling, why);
        }
        ("RollingUpdate", Some(rolling)) => check_rolling(rolling, &rolling_at, causes),
        ("OnDelete" | "RollingUpdate", None) => {}
        (other, _) => causes.invalid(at, other, "must be 'RollingUpdate' or 'OnDelete'"),
    }
}

fn check_rolling(rolling: &RollingUpdateStatefulSetStrategy, at: &Path<'_>, causes: &mut Causes) {
    nonnegative(rolling.partition, &at.child("partition"), causes);
    let Some(unavailable) = &rolling.max_unavailable else { return };
    let at = at.child("maxUnavailable");
    template::check_number_or_percent(unavailable, &at, causes);
    if template::is_zero(unavailable) {
        causes.invalid(&at, unavailable, "cannot be 0");
    }
    template::check_at_most_all(unavailable, &at, causes);
}

fn check_retention(spec: &StatefulSetSpec, at: &Path<'_>, causes: &mut Causes) {
    let Some(retention) = &spec.persistent_volume_claim_retention_policy else { return };
    for (field, policy) in
        [("whenDeleted", &retention.when_deleted), ("whenScaled", &retention.when_scaled)]
    {
        let policy = policy.as_deref().unwrap_or_default();
        if !["Delete", "Retain"].contains(&policy) {
            causes.unsupported(&at.child(field), policy, &["Retain", "Delete"]);
        }
    }
}
