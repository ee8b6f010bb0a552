//! `status` of a Deployment: what its ReplicaSets have, and whether that is enough.

use super::plan::Sync;
use super::sets::Set;
use cronlet_api::deployment::conditions::{self, AVAILABLE};
use cronlet_api::pod::PORT_IN_USE;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};

/// The status that follows, but for its progress (`calculateStatus`).
pub(super) fn next(sync: &Sync<'_>) -> DeploymentStatus {
    let available = sync.total(Set::available);
    let unavailable = sync.total(Set::size).saturating_sub(available).max(0);
    let updated = sync.new.map_or(0, |new| sync.sets[new].actual());
    let some = |count: i32| (count != 0).then_some(count);
    let mut status = DeploymentStatus {
        observed_generation: sync.deployment.metadata.generation,
        replicas: some(sync.total(Set::actual)),
        updated_replicas: some(updated),
        ready_replicas: some(sync.total(Set::ready)),
        available_replicas: some(available),
        unavailable_replicas: some(unavailable),
        terminating_replicas: Some(sync.total(Set::terminating)),
        collision_count: sync.status.collision_count,
        conditions: sync.status.conditions.clone(),
    };
    let (value, reason, message) = match available >= sync.bounds.available_min() {
        true => ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        false => (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        ),
    };
    let condition = conditions::new(AVAILABLE, value, reason, message.to_owned(), sync.now);
    conditions::set(&mut status, condition);
    follow_blocked(sync, &mut status);
    status
}

/// The condition that a new pod waits for a port of an old one.
fn follow_blocked(sync: &Sync<'_>, status: &mut DeploymentStatus) {
    let Some(blocked) = sync.new.and_then(|new| sync.sets[new].blocked()) else {
        return conditions::remove(status, PORT_IN_USE);
    };
    let before = conditions::find(status, PORT_IN_USE);
    if before.is_none_or(|before| before.message != blocked.message) {
        let reason = blocked.reason.as_deref().unwrap_or_default();
        let message = blocked.message.clone().unwrap_or_default();
        let condition = conditions::new(PORT_IN_USE, "True", reason, message, sync.now);
        conditions::put(status, condition);
    }
}

/// Every pod is of the present template and available, and no other is left
/// (`DeploymentComplete`).
pub(super) fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let all = [status.updated_replicas, status.replicas, status.available_replicas];
    all.iter().all(|count| count.unwrap_or(0) == replicas)
        && status.observed_generation >= deployment.metadata.generation
}

/// Is the rollout further than it was (`DeploymentProgressing`)?
pub(super) fn is_further(before: &DeploymentStatus, after: &DeploymentStatus) -> bool {
    let count = |count: Option<i32>| count.unwrap_or(0);
    let old = |status: &DeploymentStatus| count(status.replicas) - count(status.updated_replicas);
    count(after.updated_replicas) > count(before.updated_replicas)
        || old(after) < old(before)
        || count(after.ready_replicas) > count(before.ready_replicas)
        || count(after.available_replicas) > count(before.available_replicas)
}
