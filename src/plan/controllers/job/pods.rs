//! What a Job asks of its pods: which are active, failed, counted; when they ended; which go first.

use crate::kubelet::availability::{ready_condition, ready_since, restarts_max};
use crate::plan::View;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use std::cmp::{Ordering, Reverse};

/// A pod that is tracked is not yet counted; one that was has lost the finalizer.
pub use crate::kubelet::tracking::{is_tracked, removed as counted};

pub use crate::kubelet::availability::{has_ended, is_active, is_ready, is_terminating, phase};

/// Label and annotation of an Indexed Job's pods.
pub const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often an index failed before this pod (`backoffLimitPerIndex`).
pub const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// How often an index failed in a way that `podFailurePolicy` ignores.
pub const INDEX_FAILURES_IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// `syncPodBatchPeriod` is a second; times are stored in whole ones, so that it may be one more.
const BATCH: SignedDuration = SignedDuration::from_secs(2);

pub fn succeeded(pod: &Pod) -> bool {
    phase(pod) == "Succeeded"
}

/// Failed, or, where a pod that is being deleted may be replaced at once, on its way there
/// (`isPodFailed`).
pub fn is_failed(pod: &Pod, spec: &JobSpec) -> bool {
    phase(pod) == "Failed" || (is_terminating(pod) && !replaces_only_failed(spec))
}

/// Does the Job wait for a pod to end before it makes another (`onlyReplaceFailedPods`)?
pub fn replaces_only_failed(spec: &JobSpec) -> bool {
    spec.pod_replacement_policy.as_deref() == Some("Failed") || spec.pod_failure_policy.is_some()
}

/// The completion index of an Indexed Job's pod.
pub fn completion_index(pod: &Pod) -> Option<u32> {
    annotation_number(pod, COMPLETION_INDEX)
}

pub fn annotation_number(pod: &Pod, name: &str) -> Option<u32> {
    pod.metadata.annotations.as_ref()?.get(name)?.parse().ok()
}

/// When its last container ended, or, where that is not known, the nearest thing to it
/// (`getFinishedTime`).
pub fn finished_at(pod: &Pod) -> Timestamp {
    ended_by_containers(pod)
        .or_else(|| unready_since(pod))
        .or_else(|| deletion_asked_at(pod))
        .or_else(|| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Restarts of all containers, those of init containers among them.
pub fn restarts(pod: &Pod) -> i32 {
    statuses(pod).map(|status| status.restart_count).sum()
}

/// Every container status, init containers first.
pub fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_deref());
    let main = status.and_then(|status| status.container_statuses.as_deref());
    init.unwrap_or_default().iter().chain(main.unwrap_or_default())
}

/// Kubernetes' order of `ActivePods`: who comes first is deleted first. The least useful pod: not
/// assigned, not running, not ready, ready for the shortest time, most restarts, youngest.
pub fn removal_order(a: &Pod, b: &Pod) -> Ordering {
    let assigned = |pod: &Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let running = |pod: &Pod| match phase(pod) {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let created = |pod: &Pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| running(a).cmp(&running(b)))
        .then_with(|| is_ready(a).cmp(&is_ready(b)))
        .then_with(|| Reverse(ready_since(a)).cmp(&Reverse(ready_since(b))))
        .then_with(|| Reverse(restarts_max(a)).cmp(&Reverse(restarts_max(b))))
        .then_with(|| Reverse(created(a)).cmp(&Reverse(created(b))))
}

fn unready_since(pod: &Pod) -> Option<Timestamp> {
    ready_condition(pod.status.as_ref()?, "False").filter(|at| *at != Timestamp::UNIX_EPOCH)
}

fn ended_by_containers(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_deref()?;
    let mut last = None;
    for status in statuses {
        let ended = status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?.0;
        last = last.max(Some(ended));
    }
    last
}

/// Until when Kubernetes' controller, which gathers what happens to pods (`syncPodBatchPeriod`),
/// does not look at those that failed, or that others asked to go; `None`: it looks now.
///
/// What succeeds is looked at at once here: no one is served by a later start of what comes next.
pub fn unseen_until(pods: &[&Pod], view: &View) -> Option<Timestamp> {
    let fails_at = |pod: &&&Pod| match phase(pod) {
        "Failed" => Some(finished_at(pod)),
        _ => deletion_asked_at(pod).filter(|_| is_terminating(pod)),
    };
    let tracked = pods.iter().filter(|pod| is_tracked(pod));
    let dues = tracked.filter_map(|pod| fails_at(&pod)).map(|at| view.due(at, BATCH));
    let mut first = None;
    for due in dues {
        // It was not looked at before: those that came after it are seen together with it.
        if due <= view.now && view.elapsed(due) < BATCH {
            return None;
        }
        if due > view.now {
            first = Some(first.map_or(due, |first: Timestamp| first.min(due)));
        }
    }
    first
}

fn deletion_asked_at(pod: &Pod) -> Option<Timestamp> {
    let at = pod.metadata.deletion_timestamp.as_ref()?.0;
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
    at.checked_sub(SignedDuration::from_secs(grace)).ok()
}
