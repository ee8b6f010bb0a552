//! Does a rollout make progress? The condition `Progressing`, by `progressDeadlineSeconds`.

use super::plan::Sync;
use super::status::{self, is_complete, is_further};
use cronlet_api::deployment::conditions::{
    self, NEW_SET_AVAILABLE, PROGRESSING, REPLICA_FAILURE, SET_UPDATED, TIMED_OUT,
};
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus};

/// A deadline is over a second later: conditions have whole seconds.
const LATE: SignedDuration = SignedDuration::from_secs(1);

impl Sync<'_> {
    /// The status with a look at progress (`syncRolloutStatus`).
    pub(super) fn follow_rollout(&mut self) {
        let mut next = status::next(self);
        if !conditions::has_deadline(self.spec) {
            conditions::remove(&mut next, PROGRESSING);
        } else if !self.was_complete(&next) {
            self.judge(&mut next);
        }
        match self.replica_failure() {
            Some(failure) => conditions::set(&mut next, failure),
            None => conditions::remove(&mut next, REPLICA_FAILURE),
        }
        if let Some(at) = self.deadline(&next) {
            self.plan.wake(at);
        }
        self.status = next;
    }

    /// There is no rollout going on: pods that come and go are no news of one. As Kubernetes, also
    /// where another set had rolled out and all its pods go before the first new one comes.
    fn was_complete(&self, next: &DeploymentStatus) -> bool {
        next.replicas == next.updated_replicas
            && conditions::has_reason(&self.status, PROGRESSING, NEW_SET_AVAILABLE)
    }

    fn done(&self) -> DeploymentCondition {
        self.progressing("True", NEW_SET_AVAILABLE, "has successfully progressed.")
    }

    fn judge(&self, next: &mut DeploymentStatus) {
        if is_complete(self.deployment, next) {
            conditions::set(next, self.done());
        } else if is_further(&self.status, next) {
            let mut going_on = self.progressing("True", SET_UPDATED, "is progressing.");
            if let Some(before) = conditions::find(&self.status, PROGRESSING)
                && before.status == "True"
            {
                going_on.last_transition_time = before.last_transition_time.clone();
            }
            // Also where value and reason are the same: the deadline counts from here.
            conditions::put(next, going_on);
        } else if self.has_timed_out(next) {
            let late = self.progressing("False", TIMED_OUT, "has timed out progressing.");
            conditions::set(next, late);
        }
    }

    fn progressing(&self, value: &str, reason: &str, what: &str) -> DeploymentCondition {
        let who = match self.new {
            Some(new) => format!("ReplicaSet {:?}", self.sets[new].name()),
            None => {
                format!("Deployment {:?}", self.metadata.name.as_deref().unwrap_or_default())
            }
        };
        conditions::new(PROGRESSING, value, reason, format!("{who} {what}"), self.now)
    }

    fn has_timed_out(&self, status: &DeploymentStatus) -> bool {
        self.deadline(status).is_some_and(|due| due <= self.view.now)
            || conditions::has_reason(status, PROGRESSING, TIMED_OUT)
    }

    /// Until when there must be progress; `None` where it is not waited for.
    fn deadline(&self, status: &DeploymentStatus) -> Option<Timestamp> {
        let seconds = self.spec.progress_deadline_seconds.filter(|_| {
            conditions::has_deadline(self.spec) && !is_complete(self.deployment, status)
        })?;
        let condition = conditions::find(status, PROGRESSING)?;
        if [NEW_SET_AVAILABLE, TIMED_OUT].contains(&condition.reason.as_deref()?) {
            return None;
        }
        let since = condition.last_update_time.as_ref()?.0;
        let wait = SignedDuration::from_secs(seconds.into()) + LATE;
        Some(self.view.due(since, wait))
    }

    /// The new set's failure to make pods, else any other's.
    fn replica_failure(&self) -> Option<DeploymentCondition> {
        let new = self.new.map(|new| &self.sets[new]);
        let mut all = new.into_iter().chain(&self.sets).filter_map(|set| {
            let conditions = set.set().status.as_ref()?.conditions.as_ref()?;
            conditions.iter().find(|one| one.type_ == REPLICA_FAILURE)
        });
        all.next().map(conditions::of_set)
    }
}
