//! How long a Job waits before it makes another pod after failures.

use super::pods;
use crate::kinds::action::View;
use crate::time::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// `DefaultJobPodFailureBackOff`
const FIRST: SignedDuration = SignedDuration::from_secs(10);
/// `MaxJobPodFailureBackOff`
const LONGEST: SignedDuration = SignedDuration::from_mins(6);

/// The annotation of a Job that tells of the failed pods that were deleted.
pub const DELETED: &str = "cronlet.dev/deleted-pods";

/// Failed pods that are not there any more, how many and when the last one ended: `2
/// 2026-11-28T14:47:49Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    count: u32,
    last: Timestamp,
}

impl Deleted {
    pub fn of(meta: &ObjectMeta) -> Option<Deleted> {
        let (count, last) = meta.annotations.as_ref()?.get(DELETED)?.split_once(' ')?;
        Some(Deleted { count: count.parse().ok()?, last: last.parse().ok()? })
    }

    /// With one more.
    pub fn and(before: Option<Deleted>, pod: &Pod) -> Deleted {
        let (count, last) =
            before.map_or((0, Timestamp::MIN), |before| (before.count, before.last));
        Deleted { count: count.saturating_add(1), last: last.max(pods::finished_at(pod)) }
    }

    pub fn write(self, meta: &mut ObjectMeta) {
        let text = format!("{} {}", self.count, self.last);
        meta.annotations.get_or_insert_default().insert(DELETED.to_owned(), text);
    }
}

/// When the next pod may be made; `None`: now.
///
/// Kubernetes keeps the failures since the last success in memory, and forgets them when the
/// controller restarts. Here they are read from the pods that are there, and from a note of those
/// that are not, so that a restart changes nothing.
pub fn next_pod_at(
    pods: &[&Pod],
    deleted: Option<Deleted>,
    spec: &JobSpec,
    view: &View,
) -> Option<Timestamp> {
    let last_success = pods.iter().filter(|pod| pods::succeeded(pod)).map(|p| pods::finished_at(p));
    let last_success = last_success.max();
    let mut failures = 0;
    let mut last_failure = None;
    if let Some(deleted) = deleted.filter(|one| last_success.is_none_or(|at| at < one.last)) {
        (failures, last_failure) = (deleted.count, Some(deleted.last));
    }
    let is_noted = |pod: &Pod| pod.metadata.deletion_timestamp.is_some() && !pods::is_tracked(pod);
    for pod in pods.iter().filter(|pod| pods::is_failed(pod, spec) && !is_noted(pod)) {
        let at = pods::finished_at(pod);
        if last_success.is_none_or(|success| success < at) {
            failures += 1;
            last_failure = last_failure.max(Some(at));
        }
    }
    after(failures, last_failure?, view)
}

/// When an index may be tried again after its last pod failed (`backoffLimitPerIndex`); `None`:
/// now.
pub fn next_try_at(last: &Pod, view: &View) -> Option<Timestamp> {
    let earlier = [pods::INDEX_FAILURES, pods::INDEX_FAILURES_IGNORED]
        .map(|name| pods::annotation_number(last, name).unwrap_or(0));
    after(earlier[0].saturating_add(earlier[1]).saturating_add(1), pods::finished_at(last), view)
}

fn after(failures: u32, last_failure: Timestamp, view: &View) -> Option<Timestamp> {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = LONGEST.min(FIRST * (1 << doublings));
    Some(view.due(last_failure, wait)).filter(|at| *at > view.now)
}
