//! The rules of a StatefulSet (Kubernetes' `ValidateStatefulSet` and `ValidateStatefulSetUpdate`).

use crate::check::{Causes, Path};
use crate::meta::nonnegative;
use crate::omitempty::items;
use crate::{names, pod, template};
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume,
};
use std::collections::BTreeSet;

/// Parts that an update leaves unchecked.
#[derive(Clone, Copy, Default)]
struct Spared {
    /// True to leave out fields that can never change: they are as they were stored.
    lasting: bool,
    /// True to leave out the template, since the stored object broke a rule too.
    template: bool,
}

/// Checks a new StatefulSet, after its defaults; `metadata` is checked elsewhere.
pub fn create(set: &StatefulSet, causes: &mut Causes) {
    if let Some(spec) = &set.spec {
        check_spec(spec, Spared::default(), causes);
    }
}

/// Checks a change, after [`super::defaults::set`] and `prepare_update`.
pub fn update(old: &StatefulSet, new: &StatefulSet, causes: &mut Causes) {
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let mut before = Causes::default();
    let spared = Spared { lasting: true, template: false };
    check_spec(had, spared, &mut before);
    check_spec(spec, Spared { template: !before.found.is_empty(), ..spared }, causes);
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

/// Checks `status`: counts are not negative, and not more than there are.
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
    let available = status.available_replicas.unwrap_or(0);
    if available > status.ready_replicas.unwrap_or(0) {
        let why = "cannot be greater than status.readyReplicas";
        causes.invalid(&at.child("availableReplicas"), available, why);
    }
}

fn check_spec(spec: &StatefulSetSpec, spared: Spared, causes: &mut Causes) {
    let at = Path::root("spec");
    let policy = spec.pod_management_policy.as_deref().unwrap_or_default();
    match policy {
        "OrderedReady" | "Parallel" => {}
        "" => causes.required(&at.child("podManagementPolicy"), ""),
        _ => {
            let why = "must be 'OrderedReady' or 'Parallel'";
            causes.invalid(&at.child("podManagementPolicy"), policy, why);
        }
    }
    if let Some(strategy) = &spec.update_strategy {
        check_strategy(strategy, &at.child("updateStrategy"), causes);
    }
    check_retention(spec, &at.child("persistentVolumeClaimRetentionPolicy"), causes);
    if !spared.lasting {
        check_claims(spec, &at.child("volumeClaimTemplates"), causes);
        let service = spec.service_name.as_deref().unwrap_or_default();
        if !service.is_empty() {
            causes.invalid_each(&at.child("serviceName"), service, names::dns_label(service));
        }
    }
    nonnegative(spec.replicas, &at.child("replicas"), causes);
    nonnegative(spec.min_ready_seconds, &at.child("minReadySeconds"), causes);
    let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start);
    nonnegative(start, &at.child("ordinals").child("start"), causes);
    let template_at = at.child("template");
    if template::check_selector(&spec.selector, "statefulset", &at.child("selector"), causes) {
        let template = as_in_pods(spec);
        template::check_labels(&template, &spec.selector, &template_at, causes);
        if !spared.template {
            pod::check::template(&template, &template_at, causes);
        }
        // Kubernetes reports these twice.
        pod::check::template_metadata(&template, &template_at, causes);
    }
    template::check_restarts(&spec.template, "StatefulSet", &template_at, causes);
}

/// Returns the template with what each pod gets besides: a name of its own, and its claims as
/// volumes, which replace volumes of the same name.
fn as_in_pods(spec: &StatefulSetSpec) -> PodTemplateSpec {
    let mut template = spec.template.clone();
    let pod = template.spec.get_or_insert_default();
    (pod.subdomain, pod.hostname) = (None, None);
    let claims: BTreeSet<&str> = items(&spec.volume_claim_templates)
        .iter()
        .map(|claim| claim.metadata.name.as_deref().unwrap_or_default())
        .collect();
    if claims.is_empty() {
        return template;
    }
    let own = pod.volumes.take().unwrap_or_default();
    let kept = own.into_iter().filter(|volume| !claims.contains(volume.name.as_str()));
    let claimed = claims.iter().map(|&name| Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: name.to_owned(),
            read_only: None,
        }),
        ..Volume::default()
    });
    pod.volumes = Some(claimed.chain(kept).collect());
    template
}

fn check_claims(spec: &StatefulSetSpec, at: &Path<'_>, causes: &mut Causes) {
    let nothing = PersistentVolumeClaimSpec::default();
    for (index, claim) in items(&spec.volume_claim_templates).iter().enumerate() {
        let at = at.index(index);
        let claim = claim.spec.as_ref().unwrap_or(&nothing);
        pod::check::claim(claim, &at.child("spec"), causes);
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
        ("", _) => causes.required(at, ""),
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
