//! The DaemonSet controller: one pod on each node that fits, which here is this host or none.
//!
//! Follows `daemon_controller.go` and `update.go` of Kubernetes 1.36 for one node.

use super::pods;
use crate::controllers::controller::{Controller, Refusals, TRY_AGAIN_MAX, admitted};
use crate::controllers::endings::Endings;
use crate::controllers::node::host;
use crate::controllers::revisions::{POD_REVISION, Revisions};
use crate::kubelet::availability::{self, Availability};
use crate::kubelet::ports::{self, Blocked};
use crate::kubelet::status::seconds;
use crate::plan::{Action, Plan, Severity, View};
use crate::scheduler::fit;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::pod::PORT_IN_USE;
use cronlet_api::template::{Round, scaled};
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetCondition, DaemonSetSpec, DaemonSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Decides what a DaemonSet needs now. `view.owned` are its pods and revisions.
pub fn plan(set: &DaemonSet, view: &View) -> Plan {
    let mut plan = Plan::default();
    let Some(spec) = &set.spec else { return plan };
    let controller =
        Controller { kind: Kind::DaemonSet, meta: &set.metadata, selector: &spec.selector };
    let found = controller.claim(Kind::Pod, view, &mut plan, |_| true);
    let history = controller.claim(Kind::ControllerRevision, view, &mut plan, |_| true);
    let collisions = set.status.as_ref().and_then(|status| status.collision_count);
    let mut history = Revisions::of(history, collisions.unwrap_or(0));
    let present = history.present(&spec.template, POD_REVISION, &controller, view, &mut plan);
    let labels = present.metadata.labels.as_ref();
    let hash = labels.and_then(|labels| labels.get(POD_REVISION)).cloned().unwrap_or_default();
    let name = &view.settings.node_name;
    let node = match view.lookup.get(&Key::new(Kind::Node, "", name)) {
        Some(Object::Node(node)) => node,
        _ => Arc::new(host::node(None, view.settings, view.now)),
    };
    let refusals = Refusals::of(&set.metadata, TRY_AGAIN_MAX);
    let observed = set.status.as_ref().and_then(|status| status.observed_generation);
    let endings = Endings::of(&set.metadata, observed, 1, view);
    let pods = on_node(found);
    let mut sync = Sync { set, spec, controller, view, plan, refusals, endings, node, hash, pods };
    let counted = sync.status(history.collisions);
    if set.metadata.deletion_timestamp.is_some() || view.stopping {
        sync.refusals.keep();
    } else if !sync.manage() {
        sync.roll();
    }
    sync.write(counted);
    sync.truncate(&history);
    sync.plan
}

/// All but those that have ended and are going, the oldest first.
fn on_node(found: Vec<Object>) -> Vec<Arc<Pod>> {
    let pod = |object| match object {
        Object::Pod(pod) => Some(pod),
        _ => None,
    };
    let mut pods: Vec<Arc<Pod>> = found.into_iter().filter_map(pod).collect();
    pods.retain(|pod| !(availability::has_ended(pod) && availability::is_going(pod)));
    pods.sort_by_key(|pod| {
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created, pod.metadata.name.clone())
    });
    pods
}

struct Sync<'a> {
    set: &'a DaemonSet,
    spec: &'a DaemonSetSpec,
    controller: Controller<'a>,
    view: &'a View<'a>,
    plan: Plan,
    refusals: Refusals,
    endings: Endings,
    node: Arc<Node>,
    /// Of the present template.
    hash: String,
    pods: Vec<Arc<Pod>>,
}

impl Sync<'_> {
    /// Whether a pod shall start on the node, and whether one may stay
    /// (`NodeShouldRunDaemonPod`).
    fn fits(&self) -> (bool, bool) {
        let mut pod = self.spec.template.spec.clone().unwrap_or_default();
        pods::tolerate(&mut pod);
        if !fit::is_wanted(&pod, &self.node) {
            return (false, false);
        }
        if fit::is_kept_off(&pod, &self.node, &["NoSchedule", "NoExecute"]) {
            return (false, !fit::is_kept_off(&pod, &self.node, &["NoExecute"]));
        }
        (true, true)
    }

    /// Makes the pod, or deletes those that are too many; says whether it did anything
    /// (`podsShouldBeOnNode`).
    fn manage(&mut self) -> bool {
        let (shall_run, may_stay) = self.fits();
        let staying: Vec<Arc<Pod>> =
            self.pods.iter().filter(|pod| !availability::is_going(pod)).cloned().collect();
        if !may_stay {
            return self.delete_all(&staying);
        }
        if shall_run && self.pods.is_empty() {
            return self.create();
        }
        let (ended, running): (Vec<_>, Vec<_>) =
            staying.into_iter().partition(|pod| availability::has_ended(pod));
        let mut surplus: Vec<Arc<Pod>> =
            ended.into_iter().filter(|pod| self.is_to_be_replaced(pod)).collect();
        surplus.extend(self.surplus(&running));
        self.delete_all(&surplus)
    }

    /// An ended pod goes, and the next plan makes another. The waits between them double; those of
    /// Kubernetes do for pods that failed alone.
    fn is_to_be_replaced(&mut self, pod: &Arc<Pod>) -> bool {
        if !self.endings.replace(self.view, &mut self.plan) {
            return false;
        }
        let (name, namespace) = (name(pod), pod.metadata.namespace.as_deref().unwrap_or_default());
        let on = format!("daemon pod {namespace}/{name} on node {}", self.node_name());
        if availability::phase(pod) == "Succeeded" {
            let message = format!("Found succeeded {on}, will try to delete it");
            self.plan.event(Severity::Normal, "SucceededDaemonPod", message);
            return true;
        }
        let message = format!("Found failed {on}, will try to kill it");
        self.plan.event(Severity::Warning, "FailedDaemonPod", message);
        true
    }

    /// Of pods that run, all but the oldest; with `maxSurge` an old one beside a new one as long as
    /// the new one is not available.
    fn surplus(&self, running: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
        if self.surge() == 0 || running.len() < 2 {
            return running.iter().skip(1).cloned().collect();
        }
        let (new, old): (Vec<_>, Vec<_>) =
            running.iter().cloned().partition(|pod| self.is_new(pod));
        let mut surplus: Vec<Arc<Pod>> = new.iter().chain(&old).cloned().collect();
        surplus.retain(|pod| {
            let is_oldest = |of: &[Arc<Pod>]| of.first().is_some_and(|one| Arc::ptr_eq(one, pod));
            !is_oldest(&new) && !is_oldest(&old)
        });
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!availability::is_ready(old) || self.is_available(new))
        {
            surplus.push(old.clone());
        }
        surplus
    }

    /// Replaces the pod of an older revision (`rollingUpdate`): deletes it, so that it is made
    /// anew, or with `maxSurge` makes the new one first.
    fn roll(&mut self) {
        let strategy = self.spec.update_strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
            return;
        }
        let staying: Vec<Arc<Pod>> =
            self.pods.iter().filter(|pod| !availability::is_going(pod)).cloned().collect();
        let (new, old): (Vec<_>, Vec<_>) = staying.into_iter().partition(|pod| self.is_new(pod));
        match (new.as_slice(), old.as_slice()) {
            // One node: one pod may be unavailable, or one more may be made.
            ([], [_]) if self.surge() > 0 => {
                self.create();
            }
            ([], [old]) => {
                self.delete_all(std::slice::from_ref(old));
            }
            ([new], [old]) if self.surge() > 0 && self.is_available(new) => {
                self.delete_all(std::slice::from_ref(old));
            }
            ([_], [old]) if self.surge() > 0 => self.hand_over_port(old),
            _ => {}
        }
    }

    /// Deletes the old pod where the new one waits for a port of it that its containers list: no
    /// surge is possible there. In Kubernetes such a rollout hangs.
    fn hand_over_port(&mut self, old: &Arc<Pod>) {
        if let Some(blocked) = self.blocked().filter(|blocked| blocked.is_listed) {
            self.plan.event(Severity::Normal, PORT_IN_USE, blocked.message());
            self.delete_all(std::slice::from_ref(old));
        }
    }

    /// A pod of the present template that waits for a port of an older one.
    fn blocked(&self) -> Option<Blocked> {
        let is_older = |holder: &Pod| {
            let is_holder = |pod: &Arc<Pod>| pod.metadata.uid == holder.metadata.uid;
            self.pods.iter().any(is_holder) && !self.is_new(holder)
        };
        let mut waiting =
            self.pods.iter().filter(|pod| self.is_new(pod) && !availability::is_going(pod));
        waiting.find_map(|pod| ports::blocked(pod, self.view, is_older))
    }

    /// The conditions, with `PortInUse`, which is cronlet's own, as long as a pod is blocked.
    fn conditions(&self, before: Option<&[DaemonSetCondition]>) -> Vec<DaemonSetCondition> {
        let (mut conditions, blocked) = (before.unwrap_or_default().to_vec(), self.blocked());
        let message = blocked.as_ref().map(Blocked::message);
        conditions
            .retain(|one| one.type_ != PORT_IN_USE || message.is_some() && one.message == message);
        let is_said = conditions.iter().any(|one| one.type_ == PORT_IN_USE);
        conditions.extend(blocked.filter(|_| !is_said).map(|blocked| DaemonSetCondition {
            type_: PORT_IN_USE.to_owned(),
            status: "True".to_owned(),
            reason: Some(blocked.reason().to_owned()),
            message,
            last_transition_time: Some(Time(seconds(self.view.now))),
        }));
        conditions
    }

    fn create(&mut self) -> bool {
        let node = self.node_name().to_owned();
        let template = &self.spec.template;
        let pod = pods::new(self.set, &self.controller, template, &self.hash, &node, self.view);
        let pod_name = pod.metadata.name.clone().unwrap_or_default();
        let object = Object::from(pod);
        if let Err(why) = admitted(&object) {
            self.refusals.note(&why, self.view, &mut self.plan);
            return true;
        }
        self.plan.push(Action::Create(object));
        let message = format!("Created pod: {pod_name}");
        self.plan.event(Severity::Normal, "SuccessfulCreate", message);
        true
    }

    fn delete_all(&mut self, pods: &[Arc<Pod>]) -> bool {
        for pod in pods {
            let message = format!("Deleted pod: {}", name(pod));
            self.plan.event(Severity::Normal, "SuccessfulDelete", message);
            self.plan.push(Action::Delete(Object::Pod(pod.clone()).key()));
        }
        !pods.is_empty()
    }

    fn node_name(&self) -> &str {
        self.node.metadata.name.as_deref().unwrap_or_default()
    }

    fn is_new(&self, pod: &Pod) -> bool {
        let labels = pod.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(POD_REVISION)) == Some(&self.hash)
    }

    fn availability(&self, pod: &Pod) -> Availability {
        availability::availability(pod, self.spec.min_ready_seconds.unwrap_or(0), self.view)
    }

    fn is_available(&self, pod: &Pod) -> bool {
        self.availability(pod) == Availability::Available
    }

    /// How many pods more than one there may be: a percentage is of one node, rounded up.
    fn surge(&self) -> i32 {
        let strategy = self.spec.update_strategy.as_ref();
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        scaled(rolling.and_then(|rolling| rolling.max_surge.as_ref()), 1, Round::Up)
    }

    /// The oldest pod of the node stands for all (`updateDaemonSetStatus`).
    fn status(&mut self, collisions: i32) -> DaemonSetStatus {
        let (shall_run, _) = self.fits();
        let pod = self.pods.first().cloned();
        let counted = pod.as_ref().filter(|_| shall_run);
        let availability = counted.map(|pod| self.availability(pod));
        // One that is new beside the oldest takes over when it is available.
        for pod in &self.pods {
            if let Availability::From(at) = self.availability(pod) {
                self.plan.wake(at);
            }
        }
        let nonzero = |is: bool| Some(1).filter(|_| is);
        let is_available = availability == Some(Availability::Available);
        let before = self.set.status.as_ref().and_then(|status| status.conditions.as_deref());
        let conditions = self.conditions(before);
        DaemonSetStatus {
            observed_generation: self.set.metadata.generation,
            desired_number_scheduled: i32::from(shall_run),
            current_number_scheduled: i32::from(counted.is_some()),
            number_misscheduled: i32::from(!shall_run && pod.is_some()),
            number_ready: i32::from(counted.is_some_and(|pod| availability::is_ready(pod))),
            number_available: nonzero(is_available),
            number_unavailable: nonzero(shall_run && !is_available),
            updated_number_scheduled: nonzero(counted.is_some_and(|pod| self.is_new(pod))),
            collision_count: Some(collisions).filter(|count| *count > 0),
            conditions: Some(conditions).filter(|all| !all.is_empty()),
        }
    }

    fn write(&mut self, status: DaemonSetStatus) {
        let mut metadata = self.refusals.written(&self.set.metadata);
        self.endings.write(&mut metadata);
        if self.set.status.as_ref() != Some(&status) || *metadata != self.set.metadata {
            let (metadata, spec) = (metadata.into_owned(), self.set.spec.clone());
            let set = DaemonSet { metadata, spec, status: Some(status) };
            self.plan.push(Action::Put(set.into()));
        }
    }

    fn truncate(&mut self, history: &Revisions) {
        let hashes: BTreeSet<String> = (self.pods.iter())
            .filter_map(|pod| pod.metadata.labels.as_ref()?.get(POD_REVISION).cloned())
            .chain([self.hash.clone()])
            .collect();
        let is_in_use = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get(POD_REVISION).is_some_and(|hash| hashes.contains(hash))
        };
        let in_use: BTreeSet<&str> = (history.all.iter())
            .filter(|revision| revision.metadata.labels.as_ref().is_some_and(is_in_use))
            .filter_map(|revision| revision.metadata.name.as_deref())
            .collect();
        let limit = self.spec.revision_history_limit.unwrap_or(10);
        history.truncate(&in_use, limit, &mut self.plan);
    }
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}
