//! What an Indexed Job knows of its indexes: done, failed for good, waiting for another try,
//! pending.

use super::failure_policy::{self, Verdict as Judged};
use super::index::Intervals;
use super::{pods, success_policy};
use cronlet_api::job::conditions::Verdict;
use k8s_openapi::api::batch::v1::{JobSpec, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use std::collections::{BTreeMap, BTreeSet};

pub struct Indexed<'a> {
    pub completions: u32,
    pub succeeded: Intervals,
    /// Under `backoffLimitPerIndex` alone.
    pub failed: Option<Intervals>,
    /// The failed pod of an index that has another try before it: it holds the count of failures,
    /// so it stays tracked until its successor has taken that over.
    pub waiting: BTreeMap<u32, &'a Pod>,
}

impl<'a> Indexed<'a> {
    pub fn new(spec: &JobSpec, status: &JobStatus, pods: &[&'a Pod]) -> Indexed<'a> {
        let completions = u32::try_from(spec.completions.unwrap_or(0)).unwrap_or(0);
        let read = |text: &Option<String>| {
            Intervals::parse(text.as_deref().unwrap_or_default(), completions)
        };
        let mut indexed = Indexed {
            completions,
            succeeded: read(&status.completed_indexes),
            failed: spec.backoff_limit_per_index.map(|_| read(&status.failed_indexes)),
            waiting: BTreeMap::new(),
        };
        for pod in pods {
            let Some(index) = indexed.index_of(pod).filter(|_| pods::is_tracked(pod)) else {
                continue;
            };
            if pods::succeeded(pod) {
                indexed.succeeded.add(index);
            }
            if let Some(failed) = &mut indexed.failed
                && index_has_failed(spec, pod)
            {
                failed.add(index);
            }
        }
        indexed.find_waiting(spec, pods);
        indexed
    }

    /// The index of a pod, if the Job (still) has it.
    pub fn index_of(&self, pod: &Pod) -> Option<u32> {
        pods::completion_index(pod).filter(|index| *index < self.completions)
    }

    /// Does the Job end by what has become of its indexes?
    pub fn verdict(&self, spec: &JobSpec) -> Option<Verdict> {
        let failed = self.failed.as_ref().map_or(0, Intervals::total);
        if spec.max_failed_indexes.is_some_and(|most| i64::from(failed) > i64::from(most)) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(Verdict::failure("MaxFailedIndexesExceeded", message));
        }
        if failed > 0 && failed + self.succeeded.total() >= self.completions {
            return Some(Verdict::failure("FailedIndexes", "Job has failed indexes"));
        }
        let message = success_policy::met(spec, self.completions, &self.succeeded)?;
        Some(Verdict::success("SuccessPolicy", &message))
    }

    /// The first `count` indexes that want a pod and have none (`firstPendingIndexes`).
    pub fn pending(&self, spec: &JobSpec, pods: &[&Pod], count: usize) -> Vec<u32> {
        let waits = pods::replaces_only_failed(spec);
        let holds = |pod: &&&Pod| pods::is_active(pod) || (waits && pods::is_terminating(pod));
        let held: BTreeSet<u32> =
            pods.iter().filter(holds).filter_map(|pod| self.index_of(pod)).collect();
        let done = |index: &u32| {
            let failed = self.failed.as_ref().is_some_and(|failed| failed.has(*index));
            self.succeeded.has(*index) || failed || held.contains(index)
        };
        (0..self.completions).filter(|index| !done(index)).take(count).collect()
    }

    fn find_waiting(&mut self, spec: &JobSpec, pods: &[&'a Pod]) {
        let Some(failed) = &self.failed else { return };
        let active = pods.iter().filter(|pod| pods::is_active(pod));
        let active: BTreeSet<u32> = active.filter_map(|pod| self.index_of(pod)).collect();
        let waits = |index: &u32| {
            !self.succeeded.has(*index) && !failed.has(*index) && !active.contains(index)
        };
        let tracked = pods.iter().filter(|pod| pods::is_tracked(pod) && pods::is_failed(pod, spec));
        let mut waiting = BTreeMap::new();
        for pod in tracked {
            let Some(index) = self.index_of(pod).filter(waits) else { continue };
            let last = waiting.entry(index).or_insert(*pod);
            if failures(last) <= failures(pod) && pods::finished_at(last) <= pods::finished_at(pod)
            {
                *last = pod;
            }
        }
        self.waiting = waiting;
    }
}

fn failures(pod: &Pod) -> u32 {
    [pods::INDEX_FAILURES, pods::INDEX_FAILURES_IGNORED]
        .map(|name| pods::annotation_number(pod, name).unwrap_or(0))
        .into_iter()
        .fold(0, u32::saturating_add)
}

/// Did this pod use up the tries of its index, or does a rule say `FailIndex` (`isIndexFailed`)?
fn index_has_failed(spec: &JobSpec, pod: &Pod) -> bool {
    if !pods::is_failed(pod, spec) {
        return false;
    }
    let earlier = pods::annotation_number(pod, pods::INDEX_FAILURES).unwrap_or(0);
    let used_up = i64::from(earlier) >= i64::from(spec.backoff_limit_per_index.unwrap_or(0));
    match failure_policy::judge(spec, pod) {
        Judged::FailsIndex => true,
        Judged::Ignored => false,
        _ => used_up,
    }
}
