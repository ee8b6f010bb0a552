//! `status` of a ReplicaSet: counts of its pods, and the conditions `ReplicaFailure` and
//! `PortInUse`, which is cronlet's own.

use crate::kubelet::availability::{self, Availability};
use crate::kubelet::ports::Blocked;
use crate::plan::View;
use cronlet_api::pod::PORT_IN_USE;
use cronlet_api::selector;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::apps::v1::{
    ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use std::sync::Arc;

const REPLICA_FAILURE: &str = "ReplicaFailure";

/// How the making of pods went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    None,
    /// Not tried: what was known stays.
    Unknown,
    /// The API server refuses the pod: why.
    Create(String),
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    active: i32,
    fully_labeled: i32,
    ready: i32,
    available: i32,
    terminating: i32,
    /// When the next ready pod has been so for `minReadySeconds`.
    pub next_available_at: Option<Timestamp>,
}

impl Counts {
    pub(super) fn of(
        active: &[Arc<Pod>],
        terminating: usize,
        spec: &ReplicaSetSpec,
        view: &View,
    ) -> Counts {
        let template = spec.template.as_ref().and_then(|template| template.metadata.as_ref());
        let labels = template.and_then(|meta| meta.labels.clone());
        let wanted = LabelSelector { match_labels: labels, match_expressions: None };
        let mut counts = Counts {
            active: count(active.len()),
            terminating: count(terminating),
            ..Counts::default()
        };
        for pod in active {
            let labels = pod.metadata.labels.clone().unwrap_or_default();
            counts.fully_labeled += i32::from(selector::matches(&wanted, &labels));
            let availability =
                availability::availability(pod, spec.min_ready_seconds.unwrap_or(0), view);
            counts.ready += i32::from(availability != Availability::Unready);
            counts.available += i32::from(availability == Availability::Available);
            if let Availability::From(at) = availability {
                counts.next_available_at =
                    Some(counts.next_available_at.map_or(at, |sooner| sooner.min(at)));
            }
        }
        counts
    }
}

/// The status that follows (`calculateStatus`).
pub(super) fn next(
    set: &ReplicaSet,
    counts: &Counts,
    failure: Failure,
    blocked: Option<&Blocked>,
    now: Timestamp,
) -> ReplicaSetStatus {
    let before = set.status.as_ref().and_then(|status| status.conditions.clone());
    let mut conditions = before.unwrap_or_default();
    match failure {
        Failure::Unknown => {}
        Failure::None => conditions.retain(|one| one.type_ != REPLICA_FAILURE),
        Failure::Create(_) if has_failed(set) => {}
        Failure::Create(message) => {
            conditions.retain(|one| one.type_ != REPLICA_FAILURE);
            conditions.push(condition(REPLICA_FAILURE, "FailedCreate", message, now));
        }
    }
    follow_blocked(&mut conditions, blocked, now);
    let some = |count: i32| (count != 0).then_some(count);
    ReplicaSetStatus {
        replicas: counts.active,
        fully_labeled_replicas: some(counts.fully_labeled),
        ready_replicas: some(counts.ready),
        available_replicas: some(counts.available),
        terminating_replicas: Some(counts.terminating),
        observed_generation: set.metadata.generation,
        conditions: (!conditions.is_empty()).then_some(conditions),
    }
}

/// Keeps the condition that a pod waits for a port of an older set's pod.
fn follow_blocked(
    conditions: &mut Vec<ReplicaSetCondition>,
    blocked: Option<&Blocked>,
    now: Timestamp,
) {
    let message = blocked.map(Blocked::message);
    let is_same = |one: &ReplicaSetCondition| {
        one.type_ == PORT_IN_USE && message.is_some() && one.message == message
    };
    if conditions.iter().any(is_same) {
        return;
    }
    conditions.retain(|one| one.type_ != PORT_IN_USE);
    conditions.extend(
        blocked.map(|blocked| condition(PORT_IN_USE, blocked.reason(), blocked.message(), now)),
    );
}

fn condition(kind: &str, reason: &str, message: String, now: Timestamp) -> ReplicaSetCondition {
    let whole = Timestamp::from_second(now.as_second()).expect("whole seconds in range");
    ReplicaSetCondition {
        type_: kind.to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: Some(Time(whole)),
    }
}

/// Has the condition `ReplicaFailure`.
pub(super) fn has_failed(set: &ReplicaSet) -> bool {
    let conditions = set.status.iter().flat_map(|status| &status.conditions);
    conditions.flatten().any(|one| one.type_ == REPLICA_FAILURE)
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
