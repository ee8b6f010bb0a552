//! A new `spec.replicas`: one ReplicaSet gets it all, or several, in the middle of a rollout, grow
//! and shrink in proportion, so that what goes wrong with one version hurts no more than before.

use super::plan::Sync;
use super::sets::Set;
use cronlet_api::deployment::annotations::{DESIRED_REPLICAS, MAX_REPLICAS};
use std::cmp::Reverse;

impl Sync<'_> {
    /// `scale`
    pub(super) fn scale_in_proportion(&mut self) {
        if let Some(only) = self.active_or_latest() {
            self.scale(only, self.bounds.replicas);
            return;
        }
        if self.is_saturated() {
            for index in self.old() {
                if self.sets[index].size() > 0 {
                    self.scale(index, 0);
                }
            }
            return;
        }
        if self.bounds.is_rolling {
            self.share_out();
        }
    }

    /// The one set with pods, or the newest where none has; `None` where several have or there is
    /// none (`FindActiveOrLatest`).
    fn active_or_latest(&self) -> Option<usize> {
        match self.active()[..] {
            [] => self.new.or_else(|| self.old().last().copied()),
            [only] => Some(only),
            _ => None,
        }
    }

    fn active(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|index| self.sets[*index].size() > 0).collect()
    }

    /// The new set has all that is wanted, and all of it is available (`IsSaturated`).
    fn is_saturated(&self) -> bool {
        let replicas = self.bounds.replicas;
        self.new.map(|new| &self.sets[new]).is_some_and(|new| {
            new.size() == replicas
                && new.number(DESIRED_REPLICAS) == Some(replicas.into())
                && new.available() == replicas
        })
    }

    fn share_out(&mut self) {
        let mut active = self.active();
        let allowed = if self.bounds.replicas > 0 { self.bounds.pods_max() } else { 0 };
        let to_add = allowed - self.total(Set::size);
        // The largest first; of two alike, the newer one grows first and the older shrinks first.
        active.sort_by_key(|&index| {
            let age = if to_add > 0 { Reverse(index) } else { Reverse(usize::MAX - index) };
            (Reverse(self.sets[index].size()), age)
        });
        let mut added = 0;
        let mut sizes: Vec<(usize, i32)> = Vec::new();
        for index in active {
            let part = self.part(&self.sets[index], to_add, added);
            added += part;
            sizes.push((index, self.sets[index].size() + part));
        }
        // What rounding left goes to the largest.
        if let Some((_, size)) = sizes.first_mut() {
            *size = (*size + to_add - added).max(0);
        }
        for (index, size) in sizes {
            self.scale(index, size);
        }
    }

    /// How many pods a set gets, or loses, of those that are to come or go in all
    /// (`GetReplicaSetProportion`).
    fn part(&self, set: &Set, to_add: i32, added: i32) -> i32 {
        let left = to_add - added;
        if left == 0 {
            return 0;
        }
        let fraction = self.fraction(set);
        if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
    }

    fn fraction(&self, set: &Set) -> i32 {
        let size = set.size();
        if self.bounds.replicas == 0 {
            return -size;
        }
        let noted = set.number(MAX_REPLICAS).filter(|count| *count > 0);
        let now = i64::from(self.status.replicas.unwrap_or(0));
        let before = noted.unwrap_or(now);
        if before <= 0 {
            return 0;
        }
        // Rounded to the nearest; all are positive.
        let scaled = i64::from(size).saturating_mul(self.bounds.pods_max().into());
        let rounded = scaled.saturating_mul(2).saturating_add(before) / before.saturating_mul(2);
        i32::try_from(rounded).unwrap_or(i32::MAX) - size
    }
}
