//! The StatefulSet controller: pods with numbers, made upwards and deleted downwards, one after the
//! other unless `podManagementPolicy` is `Parallel`.
//!
//! Follows `stateful_set_control.go` of Kubernetes 1.36.

use super::{claims, pods, status};
use crate::controllers::controller::{
    Controller, PODS_PER_PLAN_MAX, Refusals, TRY_AGAIN_MAX, admitted,
};
use crate::controllers::endings::Endings;
use crate::controllers::revisions::{self, HASH, Revisions};
use crate::kubelet::availability::{self, Availability};
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::template::{Round, scaled};
use k8s_openapi::api::apps::v1::{
    ControllerRevision, StatefulSet, StatefulSetSpec, StatefulSetStatus,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use std::collections::BTreeSet;
use std::sync::Arc;

/// More pods of one StatefulSet than this do not run, whatever `replicas` says: it is one host.
const REPLICAS_MAX: i64 = 10_000;

/// Decides what a StatefulSet needs now. `view.owned` are its pods and revisions.
pub fn plan(set: &StatefulSet, view: &View) -> Plan {
    let mut plan = Plan::default();
    let Some(spec) = &set.spec else { return plan };
    let controller =
        Controller { kind: Kind::StatefulSet, meta: &set.metadata, selector: &spec.selector };
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let is_member = |object: &Object| pods::ordinal(name, object.name()).is_some();
    let found = controller.claim(Kind::Pod, view, &mut plan, is_member);
    let history = controller.claim(Kind::ControllerRevision, view, &mut plan, |_| true);
    let before = set.status.clone().unwrap_or_default();
    let mut history = Revisions::of(history, before.collision_count.unwrap_or(0));
    let update = history.present(&spec.template, HASH, &controller, view, &mut plan);
    let current = history.named(before.current_revision.as_deref().unwrap_or_default());
    let mut sync = Sync {
        set,
        spec,
        controller,
        view,
        plan,
        refusals: Refusals::of(&set.metadata, TRY_AGAIN_MAX),
        endings: Endings::of(
            &set.metadata,
            before.observed_generation,
            spec.replicas.unwrap_or(1),
            view,
        ),
        current: current.unwrap_or_else(|| update.clone()),
        update,
        status: before,
        replicas: Vec::new(),
        condemned: Vec::new(),
        made: 0,
    };
    sync.sort(found);
    sync.count(history.collisions);
    if set.metadata.deletion_timestamp.is_some() || view.stopping {
        sync.refusals.keep();
    } else {
        sync.manage();
    }
    sync.write();
    sync.truncate(&history);
    sync.plan
}

struct Sync<'a> {
    set: &'a StatefulSet,
    spec: &'a StatefulSetSpec,
    controller: Controller<'a>,
    view: &'a View<'a>,
    plan: Plan,
    refusals: Refusals,
    endings: Endings,
    current: Arc<ControllerRevision>,
    update: Arc<ControllerRevision>,
    status: StatefulSetStatus,
    /// By number, from the first on.
    replicas: Vec<Option<Arc<Pod>>>,
    /// Those with other numbers, the greatest first.
    condemned: Vec<Arc<Pod>>,
    /// How many pods the plan makes.
    made: usize,
}

/// Whether a set that goes step by step may go on after this step.
#[derive(PartialEq, Eq)]
enum Step {
    Done,
    Wait,
    /// Nothing goes on, not even in parallel.
    Failed,
}

impl Sync<'_> {
    fn sort(&mut self, found: Vec<Object>) {
        let wanted = i64::from(self.spec.replicas.unwrap_or(1)).clamp(0, REPLICAS_MAX);
        self.replicas = vec![None; usize::try_from(wanted).unwrap_or(0)];
        for object in found {
            let Object::Pod(pod) = object else { continue };
            let index = self.ordinal(&pod) - pods::start(self.spec);
            let slot = usize::try_from(index).ok().and_then(|index| self.replicas.get_mut(index));
            match slot {
                Some(slot) => *slot = Some(pod),
                None => self.condemned.push(pod),
            }
        }
        let mut condemned = std::mem::take(&mut self.condemned);
        condemned.sort_by_key(|pod| std::cmp::Reverse(self.ordinal(pod)));
        self.condemned = condemned;
    }

    fn ordinal(&self, pod: &Pod) -> i64 {
        let set = self.set.metadata.name.as_deref().unwrap_or_default();
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        pods::ordinal(set, name).expect("claimed by its name")
    }

    fn all_pods(&self) -> Vec<Arc<Pod>> {
        self.replicas.iter().flatten().chain(&self.condemned).cloned().collect()
    }

    fn count(&mut self, collisions: i32) {
        let names = [name(&self.current), name(&self.update)];
        let counted = status::counted(self.set, self.spec, &self.all_pods(), names, self.view);
        self.status = counted.0;
        self.status.collision_count = Some(collisions);
        if let Some(at) = counted.1 {
            self.plan.wake(at);
        }
    }

    /// Makes, mends, deletes: in this order (`updateStatefulSet`).
    fn manage(&mut self) {
        for index in 0..self.replicas.len() {
            if self.made == PODS_PER_PLAN_MAX {
                return;
            }
            match self.process(index) {
                Step::Failed => return,
                Step::Wait if self.is_ordered() => return,
                Step::Wait | Step::Done => {}
            }
        }
        let condemned = self.condemned.clone();
        for pod in &condemned {
            self.retain_claims(pod, true);
        }
        for pod in &condemned {
            if self.condemn(pod) == Step::Wait && self.is_ordered() {
                return;
            }
        }
        let strategy = self.spec.update_strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete") {
            self.roll();
        }
    }

    fn is_ordered(&self) -> bool {
        self.spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    /// One of the pods that shall be (`processReplica`).
    fn process(&mut self, index: usize) -> Step {
        let Some(pod) = self.replicas[index].clone() else {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            return self.create(pods::start(self.spec) + index);
        };
        if availability::has_ended(&pod) {
            if !availability::is_going(&pod) && self.endings.replace(self.view, &mut self.plan) {
                self.delete(&pod);
            }
            // The next plan makes it anew, when it is gone.
            return Step::Wait;
        }
        let ordinal = self.ordinal(&pod);
        if availability::phase(&pod) == "Pending" && self.claim(ordinal).is_err() {
            self.refusals.is_try(self.view, &mut self.plan);
            return Step::Failed;
        }
        let is_available =
            pods::availability(&pod, self.spec, self.view) == Availability::Available;
        if self.is_ordered() && (availability::is_going(&pod) || !is_available) {
            return Step::Wait;
        }
        self.mend(&pod, ordinal);
        Step::Done
    }

    fn create(&mut self, ordinal: i64) -> Step {
        let revision =
            if self.needs_current(ordinal) { self.current.clone() } else { self.update.clone() };
        let template = revisions::template(&revision).unwrap_or_default();
        let pod =
            pods::new(&self.controller, self.spec, &template, name(&revision), ordinal, self.view);
        let pod_name = pod.metadata.name.clone().unwrap_or_default();
        let object = Object::from(pod);
        let refused = match self.view.lookup.get(&object.key()) {
            // One of an older set of this name, which looks here when it is gone.
            Some(other) if other.is_going() && self.is_of_namesake(&other) => return Step::Failed,
            Some(_) => Some(format!("pods {pod_name:?} already exists and is not of this set")),
            None => self.claim(ordinal).err().or_else(|| admitted(&object).err()),
        };
        if let Some(why) = refused {
            if self.refusals.is_try(self.view, &mut self.plan) {
                let how = format!("failed error: {why}");
                self.tell("FailedCreate", &format!("Pod {pod_name}"), &how);
            }
            return Step::Failed;
        }
        self.plan.push(Action::Create(object));
        self.made += 1;
        self.tell("SuccessfulCreate", &format!("Pod {pod_name}"), "successful");
        Step::Wait
    }

    fn is_of_namesake(&self, pod: &Object) -> bool {
        let owners = pod.meta().owner_references.iter().flatten();
        let name = self.set.metadata.name.as_ref();
        owners.into_iter().any(|one| one.kind == "StatefulSet" && Some(&one.name) == name)
    }

    /// Pods below the partition stay with the current revision, and without a partition as many as
    /// still have it (`newVersionedStatefulSetPod`).
    fn needs_current(&self, ordinal: i64) -> bool {
        let strategy = self.spec.update_strategy.clone().unwrap_or_default();
        let kept = match strategy.rolling_update {
            _ if strategy.type_.as_deref() != Some("RollingUpdate") => return false,
            Some(rolling) => rolling.partition.unwrap_or(0),
            None => self.status.current_replicas.unwrap_or(0),
        };
        ordinal < pods::start(self.spec) + i64::from(kept)
    }

    /// Makes the claims of a number that are not there; says why it cannot have them.
    fn claim(&mut self, ordinal: i64) -> Result<(), String> {
        for claim in claims::wanted(&self.controller, self.spec, ordinal) {
            let claim_name = claim.metadata.name.clone().unwrap_or_default();
            match claims::present(&claim, self.view) {
                Some(there) if there.metadata.deletion_timestamp.is_some() => {
                    return Err(format!("pvc {claim_name} is being deleted"));
                }
                Some(_) => {}
                None => self.create_claim(claim, &claim_name, ordinal)?,
            }
        }
        Ok(())
    }

    fn create_claim(
        &mut self,
        claim: PersistentVolumeClaim,
        claim_name: &str,
        ordinal: i64,
    ) -> Result<(), String> {
        let set = self.set.metadata.name.as_deref().unwrap_or_default();
        let pod = format!("{set}-{ordinal}");
        admitted(&claim.clone().into())
            .map_err(|why| format!("failed to create PVC {claim_name}: {why}"))?;
        let owned = claims::retained(&claim, None, false, &self.controller, self.spec);
        self.plan.push(Action::Create(owned.unwrap_or(claim).into()));
        self.tell("SuccessfulCreate", &format!("Claim {claim_name} Pod {pod}"), "success");
        Ok(())
    }

    /// Labels that say which pod it is, and owners of its claims (`UpdateStatefulPod`).
    fn mend(&mut self, pod: &Arc<Pod>, ordinal: i64) {
        let mut mended = pod.clone();
        pods::identify(Arc::make_mut(&mut mended), ordinal);
        if mended != *pod {
            let pod_name = pod.metadata.name.clone().unwrap_or_default();
            self.plan.push(Action::Put(Object::Pod(mended)));
            self.tell("SuccessfulUpdate", &format!("Pod {pod_name}"), "successful");
        }
        self.retain_claims(pod, false);
    }

    fn retain_claims(&mut self, pod: &Pod, is_condemned: bool) {
        for wanted in claims::wanted(&self.controller, self.spec, self.ordinal(pod)) {
            let Some(claim) = claims::present(&wanted, self.view) else { continue };
            let owned =
                claims::retained(&claim, Some(pod), is_condemned, &self.controller, self.spec);
            if let Some(owned) = owned {
                self.plan.push(Action::Put(owned.into()));
            }
        }
    }

    /// One of the pods that shall not be (`processCondemned`).
    fn condemn(&mut self, pod: &Arc<Pod>) -> Step {
        if availability::is_going(pod) {
            return Step::Wait;
        }
        // The lowest of those that are not well goes first: the others wait for it.
        let is_well = pods::is_healthy(pod)
            && pods::availability(pod, self.spec, self.view) == Availability::Available;
        let first = self.condemned.iter().rev().find(|one| !pods::is_healthy(one));
        let is_first = first.is_some_and(|first| Arc::ptr_eq(first, pod));
        if !is_well && !is_first && self.is_ordered() {
            return Step::Wait;
        }
        self.delete(pod);
        Step::Wait
    }

    fn delete(&mut self, pod: &Arc<Pod>) {
        let key = Object::Pod(pod.clone()).key();
        self.tell("SuccessfulDelete", &format!("Pod {}", key.name), "successful");
        self.plan.push(Action::Delete(key));
    }

    /// Deletes pods of an older revision, the greatest number first, so that they are made anew.
    fn roll(&mut self) {
        let strategy = self.spec.update_strategy.as_ref();
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        let first = usize::try_from(partition).unwrap_or(0);
        let down = self.unavailable();
        let may_go = match rolling.and_then(|rolling| rolling.max_unavailable.as_ref()) {
            Some(most) => {
                let all = i32::try_from(self.replicas.len()).unwrap_or(i32::MAX);
                let some = scaled(Some(most), all, Round::Down).max(1);
                usize::try_from(some).unwrap_or(1).saturating_sub(down.len())
            }
            None => 1,
        };
        let is_one_by_one = rolling.is_none_or(|rolling| rolling.max_unavailable.is_none());
        let mut gone = 0;
        for index in (first..self.replicas.len()).rev() {
            if gone == may_go {
                return;
            }
            let old = self.replicas[index].clone().filter(|pod| {
                pods::revision(pod) != name(&self.update) && !availability::is_going(pod)
            });
            if let Some(pod) = old {
                self.delete(&pod);
                gone += 1;
                let left = self.status.current_replicas.unwrap_or(0) - 1;
                self.status.current_replicas = status::nonzero(left);
            } else if is_one_by_one && down.contains(&index) {
                // It was made anew, and the next one waits for it.
                return;
            }
        }
    }

    /// Which places have no pod that is available.
    fn unavailable(&self) -> BTreeSet<usize> {
        let is_up = |pod: &Arc<Pod>| {
            pods::is_healthy(pod)
                && pods::availability(pod, self.spec, self.view) == Availability::Available
        };
        let all = self.replicas.iter().enumerate();
        all.filter(|(_, pod)| !pod.as_ref().is_some_and(is_up)).map(|(index, _)| index).collect()
    }

    fn write(&mut self) {
        status::complete(&mut self.status, self.spec);
        let mut metadata = self.refusals.written(&self.set.metadata);
        self.endings.write(&mut metadata);
        if self.set.status.as_ref() != Some(&self.status) || *metadata != self.set.metadata {
            let (metadata, spec) = (metadata.into_owned(), self.set.spec.clone());
            let set = StatefulSet { metadata, spec, status: Some(self.status.clone()) };
            self.plan.push(Action::Put(set.into()));
        }
    }

    fn truncate(&mut self, history: &Revisions) {
        let pods = self.all_pods();
        let mut in_use: BTreeSet<&str> = pods.iter().map(|pod| pods::revision(pod)).collect();
        in_use.extend([name(&self.current), name(&self.update)]);
        let limit = self.spec.revision_history_limit.unwrap_or(10);
        history.truncate(&in_use, limit, &mut self.plan);
    }

    /// `Create Pod web-0 in StatefulSet web successful`
    fn tell(&mut self, reason: &'static str, what: &str, how: &str) {
        let is_bad = reason.starts_with("Failed");
        let severity = if is_bad { Severity::Warning } else { Severity::Normal };
        let verb = reason.trim_start_matches("Failed").trim_start_matches("Successful");
        let set = self.set.metadata.name.as_deref().unwrap_or_default();
        self.plan.event(severity, reason, format!("{verb} {what} in StatefulSet {set} {how}"));
    }
}

fn name(revision: &ControllerRevision) -> &str {
    revision.metadata.name.as_deref().unwrap_or_default()
}
