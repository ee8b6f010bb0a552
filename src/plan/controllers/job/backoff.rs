//! How long a Job waits before it makes another pod after failures.

use super::pods;
use crate::controllers::tally::Tally;
use crate::plan::View;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::Pod;

/// `DefaultJobPodFailureBackOff`
const FIRST: SignedDuration = SignedDuration::from_secs(10);
/// `MaxJobPodFailureBackOff`
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// The annotation of a Job that counts the failed pods that were deleted, and says when the last of
/// them ended.
pub const DELETED: &str = "cronlet.dev/deleted-pods";

/// When the next pod may be made; `None`: now.
///
/// Kubernetes keeps the failures since the last success in memory, and forgets them when the
/// controller restarts. Here they are read from the pods that are there, and from a note of those
/// that are not, so that a restart changes nothing.
pub fn next_pod_at(
    pods: &[&Pod],
    deleted: Option<Tally>,
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

fn after(count: u32, last: Timestamp, view: &View) -> Option<Timestamp> {
    Some(Tally { count, last }.next_try(FIRST, LONGEST, view)).filter(|at| *at > view.now)
}
