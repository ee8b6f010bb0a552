//! `status.conditions` of a Deployment: their reasons, and how they change.

use crate::time::Timestamp;
use k8s_openapi::api::apps::v1::{
    DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSetCondition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub const PROGRESSING: &str = "Progressing";
pub const AVAILABLE: &str = "Available";
pub const REPLICA_FAILURE: &str = "ReplicaFailure";

/// Reasons of `Progressing`.
pub const NEW_SET_CREATED: &str = "NewReplicaSetCreated";
pub const NEW_SET_FOUND: &str = "FoundNewReplicaSet";
pub const NEW_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
pub const SET_UPDATED: &str = "ReplicaSetUpdated";
pub const SET_CREATE_ERROR: &str = "ReplicaSetCreateError";
pub const TIMED_OUT: &str = "ProgressDeadlineExceeded";
pub const DEPLOYMENT_PAUSED: &str = "DeploymentPaused";
pub const DEPLOYMENT_RESUMED: &str = "DeploymentResumed";

/// True if progress has a deadline (`HasProgressDeadline`).
pub fn has_deadline(spec: &DeploymentSpec) -> bool {
    spec.progress_deadline_seconds.is_some_and(|seconds| seconds != i32::MAX)
}

pub fn find<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

/// True if the condition exists and has this reason.
pub fn has_reason(status: &DeploymentStatus, kind: &str, reason: &str) -> bool {
    find(status, kind).is_some_and(|condition| condition.reason.as_deref() == Some(reason))
}

pub fn new(
    kind: &str,
    value: &str,
    reason: &str,
    message: String,
    now: Timestamp,
) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: value.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

/// Writes a condition to the end, unless it exists with the same value and reason. If only the
/// reason changes, the time of the transition stays (`SetDeploymentCondition`).
pub fn set(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    if let Some(before) = find(status, &condition.type_)
        && before.status == condition.status
    {
        if before.reason == condition.reason {
            return;
        }
        condition.last_transition_time = before.last_transition_time.clone();
    }
    put(status, condition);
}

/// Writes a condition to the end, in place of one of its type.
pub fn put(status: &mut DeploymentStatus, condition: DeploymentCondition) {
    remove(status, &condition.type_);
    status.conditions.get_or_insert_default().push(condition);
}

pub fn remove(status: &mut DeploymentStatus, kind: &str) {
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|condition| condition.type_ != kind);
    status.conditions.take_if(|conditions| conditions.is_empty());
}

/// Converts a ReplicaSet's condition to its Deployment's (`ReplicaSetToDeploymentCondition`).
pub fn of_set(condition: &ReplicaSetCondition) -> DeploymentCondition {
    DeploymentCondition {
        type_: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        last_update_time: condition.last_transition_time.clone(),
        last_transition_time: condition.last_transition_time.clone(),
    }
}
