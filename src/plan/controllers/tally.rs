//! How often something has failed in a row, kept in an annotation of the object that tries again.
//!
//! Kubernetes' controllers keep such counts in memory and forget them with a restart. A plan has no
//! memory, so they lie on disk with the object, and a restart changes no wait.

use crate::plan::View;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// At most this many doublings of a wait are computed: they are longer than any limit.
const DOUBLINGS_MAX: u32 = 16;

/// A count of failures and the time of the last: `2 2026-11-28T14:47:49Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub count: u32,
    pub last: Timestamp,
}

impl Tally {
    pub fn read(meta: &ObjectMeta, annotation: &str) -> Option<Tally> {
        let (count, last) = meta.annotations.as_ref()?.get(annotation)?.split_once(' ')?;
        Some(Tally { count: count.parse().ok()?, last: last.parse().ok()? })
    }

    /// Counts one more failure, at `at`.
    pub fn and(before: Option<Tally>, at: Timestamp) -> Tally {
        let before = before.unwrap_or(Tally { count: 0, last: at });
        Tally { count: before.count.saturating_add(1), last: before.last.max(at) }
    }

    pub fn write(self, meta: &mut ObjectMeta, annotation: &str) {
        let text = format!("{} {}", self.count, self.last);
        meta.annotations.get_or_insert_default().insert(annotation.to_owned(), text);
    }

    /// Returns the time of the next try: `first` after the first failure, twice as long after each
    /// further one, and `longest` at most.
    pub fn next_try(
        &self,
        first: SignedDuration,
        longest: SignedDuration,
        view: &View,
    ) -> Timestamp {
        let doublings = self.count.saturating_sub(1).min(DOUBLINGS_MAX);
        view.due(self.last, longest.min(first * (1 << doublings)))
    }
}

/// Takes the annotation from the object.
pub fn clear(meta: &mut ObjectMeta, annotation: &str) {
    let annotations = &mut meta.annotations;
    annotations.iter_mut().for_each(|all| drop(all.remove(annotation)));
    annotations.take_if(|all| all.is_empty());
}
