//! `status` of a StatefulSet: counts of its pods, by readiness and by revision.

use super::pods;
use crate::kubelet::availability::{self, Availability};
use crate::plan::View;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;
use std::sync::Arc;

/// The status, and when it will be another though nothing happens: a pod becomes available.
pub fn counted(
    set: &StatefulSet,
    spec: &StatefulSetSpec,
    pods: &[Arc<Pod>],
    [current, update]: [&str; 2],
    view: &View,
) -> (StatefulSetStatus, Option<Timestamp>) {
    let mut wake_at: Option<Timestamp> = None;
    let mut available = 0;
    for pod in pods {
        match pods::availability(pod, spec, view) {
            Availability::Available => available += 1,
            Availability::From(at) => {
                wake_at = Some(wake_at.map_or(at, |earlier| earlier.min(at)));
            }
            Availability::Unready => {}
        }
    }
    let count = |is: &dyn Fn(&Pod) -> bool| {
        let count = pods.iter().filter(|pod| is(pod)).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let of = |revision: &str| {
        let count = count(&|pod| !availability::is_going(pod) && pods::revision(pod) == revision);
        nonzero(count)
    };
    let before = set.status.clone().unwrap_or_default();
    let status = StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: count(&|_| true),
        ready_replicas: nonzero(count(&pods::is_running_and_ready)),
        available_replicas: Some(available),
        current_replicas: of(current),
        updated_replicas: of(update),
        current_revision: Some(current.to_owned()),
        update_revision: Some(update.to_owned()),
        collision_count: Some(before.collision_count.unwrap_or(0)),
        conditions: before.conditions,
    };
    (status, wake_at)
}

/// All pods are of the new revision and ready: it is the current one (`completeRollingUpdate`).
pub fn complete(status: &mut StatefulSetStatus, spec: &StatefulSetSpec) {
    let strategy = spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    let wanted = spec.replicas.unwrap_or(1);
    let is_all = |count: Option<i32>| count.unwrap_or(0) == wanted;
    if strategy == Some("RollingUpdate")
        && status.replicas == wanted
        && is_all(status.ready_replicas)
        && is_all(status.updated_replicas)
    {
        status.current_replicas = status.updated_replicas;
        status.current_revision.clone_from(&status.update_revision);
    }
}

/// Go leaves a zero out.
pub fn nonzero(count: i32) -> Option<i32> {
    Some(count).filter(|count| *count > 0)
}
