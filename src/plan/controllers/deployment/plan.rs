//! The Deployment controller: one ReplicaSet for each template that it had, of which the one with
//! the present template takes over step by step.
//!
//! Follows `deployment_controller.go` and its neighbours of Kubernetes 1.36. A step of Kubernetes
//! is often several writes, each of which is looked at again; here a step is one plan, which sees
//! the ReplicaSets as it has changed them.

use super::bounds::Bounds;
use super::sets::{self, Set};
use super::{rollback, status};
use crate::controllers::controller::Controller;
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::deployment::annotations::{DESIRED_REPLICAS, MAX_REPLICAS};
use cronlet_api::deployment::conditions::{
    self, DEPLOYMENT_PAUSED, DEPLOYMENT_RESUMED, PROGRESSING, TIMED_OUT,
};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Decides what a Deployment needs now. `view.owned` are its ReplicaSets.
pub fn plan(deployment: &Deployment, view: &View) -> Plan {
    let Some(spec) = &deployment.spec else { return Plan::default() };
    let mut sync = Sync::new(deployment, spec, view);
    sync.run();
    sync.finish()
}

/// One look at a Deployment.
pub(super) struct Sync<'a> {
    pub deployment: &'a Deployment,
    /// As it was found. Only a rollback by annotation changes it, in `rolled_back`.
    pub spec: &'a DeploymentSpec,
    pub bounds: Bounds,
    pub view: &'a View<'a>,
    pub plan: Plan,
    /// So many actions of the plan adopt ReplicaSets and let them go.
    claims: usize,
    pub controller: Controller<'a>,
    /// As they shall be.
    pub metadata: ObjectMeta,
    pub status: DeploymentStatus,
    pub rolled_back: Option<DeploymentSpec>,
    /// Oldest first.
    pub sets: Vec<Set>,
    /// Which of them has the present template.
    pub new: Option<usize>,
    /// In whole seconds, as Kubernetes stores times.
    pub now: Timestamp,
}

impl<'a> Sync<'a> {
    fn new(deployment: &'a Deployment, spec: &'a DeploymentSpec, view: &'a View<'a>) -> Sync<'a> {
        let meta = &deployment.metadata;
        let controller = Controller { kind: Kind::Deployment, meta, selector: &spec.selector };
        let mut plan = Plan::default();
        let claimed = controller.claim(Kind::ReplicaSet, view, &mut plan, |_| true);
        let set = |object| match object {
            Object::ReplicaSet(set) => Some(Set::found(set)),
            _ => None,
        };
        let mut sets: Vec<Set> = claimed.into_iter().filter_map(set).collect();
        sets::sort_by_age(&mut sets);
        Sync {
            new: sets.iter().position(|set| set.has_template(&spec.template)),
            sets,
            deployment,
            spec,
            bounds: Bounds::of(spec),
            view,
            claims: plan.actions.len(),
            plan,
            controller,
            metadata: meta.clone(),
            status: deployment.status.clone().unwrap_or_default(),
            rolled_back: None,
            now: Timestamp::from_second(view.now.as_second()).expect("whole seconds in range"),
        }
    }

    /// `syncDeployment`
    fn run(&mut self) {
        if self.deployment.metadata.deletion_timestamp.is_some() || self.view.stopping {
            return self.follow();
        }
        self.note_pause();
        if self.is_paused() {
            return self.resize();
        }
        if rollback::is_wanted(self.deployment) {
            return rollback::roll_back(self);
        }
        self.update_new_set();
        if self.is_resized() {
            return self.resize();
        }
        match self.bounds.is_rolling {
            true => self.roll(),
            false => self.recreate(),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.spec.paused == Some(true)
    }

    /// A pause stops the clock of the progress deadline (`checkPausedConditions`).
    fn note_pause(&mut self) {
        let progressing = conditions::find(&self.status, PROGRESSING);
        let reason = progressing.and_then(|one| one.reason.as_deref());
        if !conditions::has_deadline(self.spec) || reason == Some(TIMED_OUT) {
            return;
        }
        let (reason, message) = match (self.is_paused(), reason == Some(DEPLOYMENT_PAUSED)) {
            (true, false) => (DEPLOYMENT_PAUSED, "Deployment is paused"),
            (false, true) => (DEPLOYMENT_RESUMED, "Deployment is resumed"),
            _ => return,
        };
        self.condition(PROGRESSING, "Unknown", reason, message.to_owned());
    }

    pub(super) fn condition(&mut self, kind: &str, value: &str, reason: &str, message: String) {
        let condition = conditions::new(kind, value, reason, message, self.now);
        conditions::set(&mut self.status, condition);
    }

    /// Did `spec.replicas` change since a ReplicaSet with pods was sized (`isScalingEvent`)?
    fn is_resized(&self) -> bool {
        let replicas = i64::from(self.bounds.replicas);
        let active = self.sets.iter().filter(|set| set.size() > 0);
        active.filter_map(|set| set.number(DESIRED_REPLICAS)).any(|desired| desired != replicas)
    }

    /// A new size, or a pause: the sets grow and shrink in proportion, and no set takes over from
    /// another (`sync`).
    fn resize(&mut self) {
        self.update_new_set();
        self.scale_in_proportion();
        if self.is_paused() && !rollback::is_wanted(self.deployment) {
            self.clean_up();
        }
        self.follow();
    }

    /// The status without a look at progress (`syncDeploymentStatus`).
    fn follow(&mut self) {
        self.status = status::next(self);
    }

    /// Whether a set is another one than that with the present template.
    pub(super) fn is_old(&self, index: usize) -> bool {
        self.new != Some(index)
    }

    /// Positions of the old sets, oldest first.
    pub(super) fn old(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|index| self.is_old(*index)).collect()
    }

    pub(super) fn total(&self, count: impl Fn(&Set) -> i32) -> i32 {
        self.sets.iter().map(count).fold(0, i32::saturating_add)
    }

    /// Gives a set its size and the notes by which the next change of size is known; tells of it,
    /// and says whether the size is another (`scaleReplicaSetAndRecordEvent`).
    pub(super) fn scale(&mut self, index: usize, size: i32) -> bool {
        let (replicas, pods_max) = (self.bounds.replicas, self.bounds.pods_max());
        let set = &mut self.sets[index];
        let before = set.size();
        let notes = [(DESIRED_REPLICAS, replicas), (MAX_REPLICAS, pods_max)];
        for (name, count) in notes {
            if set.number(name) != Some(count.into()) {
                let annotations = set.set_mut().metadata.annotations.get_or_insert_default();
                annotations.insert(name.to_owned(), count.to_string());
            }
        }
        if before == size {
            return false;
        }
        let name = set.name().to_owned();
        set.set_mut().spec.get_or_insert_default().replicas = Some(size);
        let way = if before < size { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {name} from {before} to {size}");
        self.plan.event(Severity::Normal, "ScalingReplicaSet", message);
        true
    }

    /// `revisionHistoryLimit`: the sets of the oldest revisions go, unless they have pods
    /// (`cleanupDeployment`). Pods that terminate are none, but under `Recreate`, which would not
    /// wait for them without their set.
    pub(super) fn clean_up(&mut self) {
        let limit = self.spec.revision_history_limit.filter(|limit| *limit != i32::MAX);
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return };
        let mut old = self.old();
        old.retain(|index| !self.sets[*index].is_going());
        let surplus = old.len().saturating_sub(limit);
        old.sort_by_key(|index| super::revisions::of(&self.sets[*index]));
        for index in old.into_iter().take(surplus) {
            let set = &self.sets[index];
            let awaited = if self.bounds.is_rolling { 0 } else { set.terminating() };
            if set.actual() + awaited == 0 && set.size() == 0 && !set.is_behind() {
                let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
                let key = Key::new(Kind::ReplicaSet, namespace, set.name());
                self.plan.push(Action::Delete(key));
            }
        }
    }

    /// Asks for what is to change: what was adopted and let go comes before what became of it.
    fn finish(mut self) -> Plan {
        let told = self.plan.actions.split_off(self.claims);
        for set in self.sets {
            let is_made = set.is_made();
            if let Some(set) = set.into_changed().map(Object::from) {
                self.plan.push(if is_made { Action::Create(set) } else { Action::Put(set) });
            }
        }
        self.plan.actions.extend(told);
        let after = Deployment {
            metadata: self.metadata,
            spec: self.rolled_back.or_else(|| self.deployment.spec.clone()),
            status: Some(self.status),
        };
        if after != *self.deployment {
            self.plan.push(Action::Put(after.into()));
        }
        self.plan
    }
}
