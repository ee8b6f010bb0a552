//! `RollingUpdate` and `Recreate`: how the new ReplicaSet takes over from the old ones.

use super::plan::Sync;
use super::sets::Set;
use super::status;
use crate::kubelet::ports::OLD_POD_GOES;
use crate::plan::Severity;
use cronlet_api::pod::PORT_IN_USE;

impl Sync<'_> {
    /// The new set grows as far as the surge lets it, else the old ones shrink as far as enough
    /// pods stay available (`rolloutRolling`).
    pub(super) fn roll(&mut self) {
        if !self.have_new_set() {
            return;
        }
        let moved = self.grow_new() || self.shrink_old() || self.hand_over_port();
        if !moved && self.was_complete_before() {
            self.clean_up();
        }
        self.follow_rollout();
    }

    /// All old pods go before the first new one is made (`rolloutRecreate`).
    pub(super) fn recreate(&mut self) {
        let mut shrunk = false;
        for index in self.old() {
            shrunk |= self.sets[index].size() > 0 && self.scale(index, 0);
        }
        if shrunk || self.old_pods_run() {
            return self.follow_rollout();
        }
        if !self.have_new_set() {
            return;
        }
        if let Some(new) = self.new {
            self.scale(new, self.bounds.replicas);
        }
        if self.was_complete_before() {
            self.clean_up();
        }
        self.follow_rollout();
    }

    fn was_complete_before(&self) -> bool {
        status::is_complete(self.deployment, &self.status)
    }

    /// Terminating pods run as well, and a set that has not caught up may have some.
    fn old_pods_run(&self) -> bool {
        let runs = |set: &Set| set.actual() > 0 || set.terminating() > 0 || set.is_behind();
        self.old().into_iter().any(|index| runs(&self.sets[index]))
    }

    /// `reconcileNewReplicaSet`
    fn grow_new(&mut self) -> bool {
        let Some(new) = self.new else { return false };
        let (size, replicas) = (self.sets[new].size(), self.bounds.replicas);
        if size >= replicas {
            return size > replicas && self.scale(new, replicas);
        }
        let wanted = self.bounds.new_size(size, self.total(Set::size));
        wanted != size && self.scale(new, wanted)
    }

    /// `reconcileOldReplicaSets`
    fn shrink_old(&mut self) -> bool {
        let old = self.old();
        if old.iter().all(|index| self.sets[*index].size() == 0) {
            return false;
        }
        // New pods that are not available count as if they were not there.
        let missing =
            self.new.map_or(0, |new| self.sets[new].size() - self.sets[new].available_to_stay());
        let surplus = self.total(Set::size) - self.bounds.available_min() - missing;
        if surplus <= 0 {
            return false;
        }
        let ill = self.drop_ill(&old, surplus);
        let well = self.drop_available(&old);
        ill || well
    }

    /// A port that the containers list has room for one pod: where a new pod waits for one that an
    /// old pod has, no surge is possible, and the old pod goes first, one at a time. In Kubernetes
    /// a rollout of pods with a `hostPort` hangs unless `maxUnavailable` allows that.
    fn hand_over_port(&mut self) -> bool {
        let blocked = self.new.and_then(|new| self.sets[new].blocked());
        let Some(blocked) = blocked.filter(|one| one.reason.as_deref() == Some(OLD_POD_GOES))
        else {
            return false;
        };
        let message = blocked.message.clone().unwrap_or_default();
        let old = self.old();
        let is_moving = |set: &Set| set.actual() != set.size() || set.terminating() > 0;
        let index = old.iter().copied().find(|index| self.sets[*index].size() > 0);
        let Some(index) = index.filter(|_| !old.iter().any(|at| is_moving(&self.sets[*at]))) else {
            return false;
        };
        self.plan.event(Severity::Normal, PORT_IN_USE, message);
        self.scale(index, self.sets[index].size() - 1)
    }

    /// Old pods that are not available go first: a broken version must not hold up its repair
    /// (`cleanupUnhealthyReplicas`).
    fn drop_ill(&mut self, old: &[usize], mut left: i32) -> bool {
        let mut dropped = false;
        for &index in old {
            let set = &self.sets[index];
            let ill = (set.size() - set.available_to_stay()).min(left);
            if ill > 0 {
                left -= ill;
                let size = set.size() - ill;
                dropped |= self.scale(index, size);
            }
        }
        dropped
    }

    /// `scaleDownOldReplicaSetsForRollingUpdate`
    fn drop_available(&mut self, old: &[usize]) -> bool {
        let available = self.total(Set::available_to_stay);
        let mut left = available - self.bounds.available_min();
        let mut dropped = false;
        for &index in old {
            let count = self.sets[index].size().min(left);
            if count > 0 {
                left -= count;
                let size = self.sets[index].size() - count;
                dropped |= self.scale(index, size);
            }
        }
        dropped
    }
}
