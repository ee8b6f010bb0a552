//! How a pod stands, as its controller asks: active, going, ready, available, and which one of many
//! is missed the least.

use crate::plan::View;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use std::cmp::Reverse;

/// A pod with less of this number goes first when there are too many; 0 where it is absent.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

pub fn has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

pub fn is_going(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Pending or running, and not being deleted.
pub fn is_active(pod: &Pod) -> bool {
    !has_ended(pod) && !is_going(pod)
}

/// Being deleted, and not yet ended.
pub fn is_terminating(pod: &Pod) -> bool {
    !has_ended(pod) && is_going(pod)
}

pub fn is_ready(pod: &Pod) -> bool {
    ready_since(pod).is_some()
}

/// Since when it is ready; 1970 where the condition does not say.
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    ready_condition(pod.status.as_ref()?, "True")
}

/// Since when the condition `Ready` has this value.
pub fn ready_condition(status: &PodStatus, wanted: &str) -> Option<Timestamp> {
    let ready = status.conditions.iter().flatten().find(|one| one.type_ == "Ready")?;
    let since = ready.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    (ready.status == wanted).then_some(since)
}

/// Whether a pod is ready for long enough (`minReadySeconds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    Unready,
    /// Ready, and available at this time if it stays so.
    From(Timestamp),
    Available,
}

/// `IsPodAvailable`
pub fn availability(pod: &Pod, min_ready_seconds: i32, view: &View) -> Availability {
    let Some(since) = ready_since(pod) else { return Availability::Unready };
    if min_ready_seconds <= 0 {
        return Availability::Available;
    }
    let due = view.due(since, SignedDuration::from_secs(min_ready_seconds.into()));
    if due > view.now { Availability::From(due) } else { Availability::Available }
}

/// The most restarts of any container: of the main ones, then of the sidecars.
pub fn restarts_max(pod: &Pod) -> (i32, i32) {
    let status = pod.status.as_ref();
    let most = |statuses: Option<&Vec<ContainerStatus>>| {
        statuses.into_iter().flatten().map(|status| status.restart_count).max().unwrap_or(0)
    };
    (
        most(status.and_then(|status| status.container_statuses.as_ref())),
        most(status.and_then(|status| status.init_container_statuses.as_ref())),
    )
}

/// Kubernetes' order of `ActivePodsWithRanks`: the least is deleted first.
///
/// Kubernetes also ranks pods by how many of their kind share a node. Here all of them do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usefulness {
    is_assigned: bool,
    phase: u8,
    is_ready: bool,
    deletion_cost: i32,
    /// Of two that are ready, Kubernetes knows the younger only by the logarithm below.
    is_available: bool,
    /// Of the readiness, where it is ready.
    ready: Age,
    restarts: Reverse<(i32, i32)>,
    made: Age,
    /// As good as a lot.
    uid: String,
}

/// The binary logarithm of an age: pods of about the same age are equal, so that it is not always
/// the youngest that goes (`LogarithmicScaleDown`). What has no date is the youngest.
type Age = Option<i64>;

impl Usefulness {
    pub fn of(pod: &Pod, min_ready_seconds: i32, view: &View) -> Usefulness {
        let now = view.now;
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let ready_since = ready_since(pod);
        Usefulness {
            is_assigned: pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()),
            phase: match phase(pod) {
                "Pending" => 0,
                "Running" => 2,
                _ => 1,
            },
            is_ready: ready_since.is_some(),
            deletion_cost: deletion_cost(pod),
            is_available: availability(pod, min_ready_seconds, view) == Availability::Available,
            ready: ready_since.filter(|at| *at != Timestamp::UNIX_EPOCH).map(|at| age(at, now)),
            restarts: Reverse(restarts_max(pod)),
            made: created.map(|at| age(at, now)),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
        }
    }
}

fn age(since: Timestamp, now: Timestamp) -> i64 {
    let nanoseconds = now.duration_since(since).as_nanos();
    if nanoseconds > 0 { i64::from(nanoseconds.ilog2()) } else { -1 }
}

fn deletion_cost(pod: &Pod) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    let cost = annotations.and_then(|all| all.get(DELETION_COST));
    cost.and_then(|text| text.parse().ok()).unwrap_or(0)
}
