//! The ReplicaSet controller: as many pods of one template as wanted, no more and no less.
//!
//! Follows `replica_set.go` of Kubernetes 1.36. Kubernetes makes pods in batches of 1, 2, 4 and so
//! on, so that a template that the API server refuses costs one call and not five hundred. Here the
//! first pod is admitted before any is made: what the first is refused for all are.

use super::status::{self, Counts, Failure};
use crate::controllers::controller::{
    Controller, PODS_PER_PLAN_MAX, Refusals, TRY_AGAIN_MAX, admitted,
};
use crate::controllers::endings::Endings;
use crate::controllers::job::pods::finished_at;
use crate::kubelet::availability::{self, Usefulness};
use crate::kubelet::ports::{self, Blocked};
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::cmp::Ordering;
use std::sync::Arc;

/// More pods of one ReplicaSet than this do not run, whatever `replicas` says: it is one host.
const ACTIVE_MAX: usize = 10_000;

/// Decides what a ReplicaSet needs now. `view.owned` are its pods.
pub fn plan(set: &ReplicaSet, view: &View) -> Plan {
    let mut plan = Plan::default();
    let Some(spec) = &set.spec else { return plan };
    let controller =
        Controller { kind: Kind::ReplicaSet, meta: &set.metadata, selector: &spec.selector };
    let is = |object: &Object, wanted: fn(&Pod) -> bool| match object {
        Object::Pod(pod) => wanted(pod),
        _ => false,
    };
    let active =
        controller.claim(Kind::Pod, view, &mut plan, |pod| is(pod, availability::is_active));
    let mut terminating = controller.claimed(Kind::Pod, view);
    terminating.retain(|pod| is(pod, availability::is_terminating));
    let refusals = Refusals::of(&set.metadata, TRY_AGAIN_MAX);
    let mut endings = endings(set, spec, view);
    endings.count(ends(view), view);
    let active = pods(active);
    let mut sync = Sync { set, spec, controller, view, plan, refusals, endings, active };
    let failure = sync.manage();
    sync.write(terminating.len(), failure);
    sync.plan
}

fn endings(set: &ReplicaSet, spec: &ReplicaSetSpec, view: &View) -> Endings {
    let observed = set.status.as_ref().and_then(|status| status.observed_generation);
    Endings::of(&set.metadata, observed, spec.replicas.unwrap_or(1), view)
}

/// Returns when its pods ended that nobody asked to.
fn ends(view: &View) -> impl Iterator<Item = Timestamp> {
    view.owned.iter().filter_map(|object| match object {
        Object::Pod(pod) if availability::has_ended(pod) && !availability::is_going(pod) => {
            Some(finished_at(pod))
        }
        _ => None,
    })
}

fn pods(objects: Vec<Object>) -> Vec<Arc<Pod>> {
    let pod = |object| match object {
        Object::Pod(pod) => Some(pod),
        _ => None,
    };
    objects.into_iter().filter_map(pod).collect()
}

struct Sync<'a> {
    set: &'a ReplicaSet,
    spec: &'a ReplicaSetSpec,
    controller: Controller<'a>,
    view: &'a View<'a>,
    plan: Plan,
    refusals: Refusals,
    endings: Endings,
    /// Neither ended nor going.
    active: Vec<Arc<Pod>>,
}

impl Sync<'_> {
    /// Makes pods, or asks some to go (`manageReplicas`).
    fn manage(&mut self) -> Failure {
        if self.set.metadata.deletion_timestamp.is_some() || self.view.stopping {
            self.refusals.keep();
            return Failure::Unknown;
        }
        let wanted = usize::try_from(self.spec.replicas.unwrap_or(1)).unwrap_or(0);
        let (active, possible) = (self.active.len(), wanted.min(ACTIVE_MAX));
        match active.cmp(&possible) {
            Ordering::Less => return self.create((possible - active).min(PODS_PER_PLAN_MAX)),
            Ordering::Greater => self.delete((active - possible).min(PODS_PER_PLAN_MAX)),
            Ordering::Equal if wanted > ACTIVE_MAX => {
                return self.too_many();
            }
            Ordering::Equal => {}
        }
        Failure::None
    }

    fn create(&mut self, missing: usize) -> Failure {
        if self.endings.hold_back(self.view, &mut self.plan) {
            self.refusals.keep();
            return Failure::Unknown;
        }
        let template = self.spec.template.clone().unwrap_or_default();
        for nth in 0..missing {
            let pod = Object::from(self.controller.pod(&template, nth as u64, self.view));
            if nth == 0
                && let Err(why) = admitted(&pod)
            {
                self.refusals.note(&why, self.view, &mut self.plan);
                return Failure::Create(why);
            }
            let message = format!("Created pod: {}", pod.name());
            self.plan.push(Action::Create(pod));
            self.plan.event(Severity::Normal, "SuccessfulCreate", message);
        }
        Failure::None
    }

    /// Told once: the condition says it as long as it lasts.
    fn too_many(&mut self) -> Failure {
        let why = format!("more than {ACTIVE_MAX} pods do not run on one host");
        if !status::has_failed(self.set) {
            let told = format!("Error creating: {why}");
            self.plan.event(Severity::Warning, "FailedCreate", told);
        }
        Failure::Create(why)
    }

    fn delete(&mut self, surplus: usize) {
        let (view, min_ready_seconds) = (self.view, self.spec.min_ready_seconds.unwrap_or(0));
        let mut least_first = self.active.clone();
        least_first.sort_by_cached_key(|pod| Usefulness::of(pod, min_ready_seconds, view));
        for pod in least_first.into_iter().take(surplus) {
            let key = Object::Pod(pod).key();
            self.plan.event(
                Severity::Normal,
                "SuccessfulDelete",
                format!("Deleted pod: {}", key.name),
            );
            self.plan.push(Action::Delete(key));
        }
    }

    /// A pod that waits for a port which a pod of another set of the same Deployment has.
    fn blocked(&self) -> Option<Blocked> {
        let owner = |meta: &ObjectMeta| {
            let owners = meta.owner_references.iter().flatten();
            owners.clone().find(|owner| owner.controller == Some(true)).cloned()
        };
        let deployment = owner(&self.set.metadata)?;
        let is_older = |holder: &Pod| {
            let Some(set) = owner(&holder.metadata) else { return false };
            let namespace = holder.metadata.namespace.as_deref().unwrap_or_default();
            let key = Key::new(Kind::ReplicaSet, namespace, &set.name);
            let is_other = Some(&set.uid) != self.set.metadata.uid.as_ref();
            let of_deployment = self.view.lookup.get(&key).is_some_and(|object| {
                owner(object.meta()).is_some_and(|owner| owner.uid == deployment.uid)
            });
            is_other && of_deployment
        };
        self.active.iter().find_map(|pod| ports::blocked(pod, self.view, is_older))
    }

    /// Writes the status if it changed. It counts the pods as they were found, as in Kubernetes:
    /// the next plan, which follows at once, counts those that this one made.
    fn write(&mut self, terminating: usize, failure: Failure) {
        let counts = Counts::of(&self.active, terminating, self.spec, self.view);
        if let Some(at) = counts.next_available_at {
            self.plan.wake(at);
        }
        let blocked = self.blocked();
        let status = status::next(self.set, &counts, failure, blocked.as_ref(), self.view.now);
        let mut metadata = self.refusals.written(&self.set.metadata);
        self.endings.write(&mut metadata);
        if self.set.status.as_ref() != Some(&status) || *metadata != self.set.metadata {
            let (metadata, spec) = (metadata.into_owned(), self.set.spec.clone());
            let set = ReplicaSet { metadata, spec, status: Some(status) };
            self.plan.push(Action::Put(set.into()));
        }
    }
}
