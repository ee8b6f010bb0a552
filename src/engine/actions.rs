//! Plans one object and carries out what its plan asks for, in the order asked.

use super::Engine;
use super::backlog::Chore;
use super::host_ports::HostView;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::Timestamp;
use cronlet_plan::dispatch;
use cronlet_plan::order::{Order, PodObserved};
use cronlet_plan::plan::{Action, EventDraft, Plan, Severity, View};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

impl Engine {
    pub(super) fn plan_one(&mut self, key: &Key) {
        let Some(mut object) = self.store.get(key) else {
            self.due.set(key, None);
            return;
        };
        if object.kind() == Kind::Event {
            return self.expire_event(key, &object);
        }
        if let Object::Pod(pod) = &object {
            self.watch_pod(pod);
            self.watch_ended(pod);
            self.mounts.watch(pod);
            if let Some(connected) = self.connect(pod) {
                object = connected;
            }
        }
        self.mounts.watch_claim(&object);
        let plan = self.ask(&object);
        self.due.set(key, plan.wake_at.map(|at| at.max(self.turn.now)));
        let is_made_or_deleted =
            |action: &&Action| matches!(action, Action::Create(_) | Action::Delete(_));
        self.count_burst(key, plan.actions.iter().filter(is_made_or_deleted).count());
        for action in plan.actions {
            match action {
                Action::Put(own) if plan.is_settled && own.key() == *key => {
                    self.stage(own);
                }
                action => self.carry_out(key, &object, action),
            }
        }
        self.collect_if_gone(key);
    }

    pub(super) fn host_view(&self) -> HostView<'_> {
        HostView { store: &self.store, network: &self.network, mounts: &self.mounts }
    }

    fn ask(&self, object: &Object) -> Plan {
        let owned = match object.kind().info().controls {
            true => self.store.owned(object.uid()),
            false => Vec::new(),
        };
        let view = View {
            now: self.turn.now,
            steps: &self.steps,
            settings: &self.settings,
            owned: &owned,
            lookup: &self.host_view(),
            stopping: self.stopping || self.is_closing(object.namespace()),
        };
        let nothing = PodObserved::default();
        let observed = self.seen.get(object.uid()).map_or(&nothing, |seen| &seen.observed);
        dispatch::plan(object, observed, &view)
    }

    /// `key` is the planned object's.
    pub(super) fn carry_out(&mut self, key: &Key, planned: &Object, action: Action) {
        match action {
            Action::Create(object) => {
                self.turn.objects += 1;
                self.create_planned(key, planned, object);
            }
            Action::Put(object) => self.put(object),
            Action::Delete(key) => {
                if let Some(object) = self.store.get(&key) {
                    self.do_soon(Chore::Delete(key, object.uid().to_owned()));
                }
            }
            Action::DeleteAfterOwned(key) => self.delete_with(&key, "Foreground", None),
            Action::Remove => self.remove_or_wait(key),
            Action::Event(note) => self.note(key, planned, note),
            Action::Record(run) => self.record(run),
            Action::Order(order) => {
                self.turn.ordered.insert(planned.uid().to_owned(), key.clone());
                self.order(order);
            }
        }
    }

    /// What a plan makes is admitted like what a user makes: a Job gets its selector and labels by
    /// its uid, a Pod its defaults.
    fn create_planned(&mut self, key: &Key, planned: &Object, object: Object) {
        let is_named = !object.name().is_empty();
        if is_named && self.store.get(&object.key()).is_some() {
            return;
        }
        if self.is_closing(object.namespace()) {
            return;
        }
        match self.admit(object) {
            Ok(admitted) => self.create(admitted.object),
            Err(refused) => {
                let note = EventDraft {
                    severity: Severity::Warning,
                    reason: "FailedCreate",
                    message: format!("Error creating: {refused}"),
                    field_path: String::new(),
                };
                self.note(key, planned, note);
            }
        }
    }

    /// What the API server adds to every new object. A name that is taken makes this a no-op.
    pub(super) fn create(&mut self, mut object: Object) {
        let now = self.turn.now;
        if object.name().is_empty() {
            self.generate_name(&mut object);
        } else if self.store.get(&object.key()).is_some() {
            return;
        }
        self.make_namespace(object.namespace());
        let meta = object.meta_mut();
        meta.uid.get_or_insert_with(|| self.seed.uid());
        meta.creation_timestamp = Some(Time(now));
        self.put(object);
    }

    fn generate_name(&mut self, object: &mut Object) {
        let base = object.meta().generate_name.clone().unwrap_or_default();
        let base = &base[..base.floor_char_boundary(58)];
        loop {
            object.meta_mut().name = Some(format!("{base}{}", self.seed.suffix()));
            if self.store.get(&object.key()).is_none() {
                return;
            }
        }
    }

    /// Stages the object and makes dirty who may care: itself and its kin.
    pub(super) fn put(&mut self, object: Object) {
        let key = object.key();
        if self.stage(object) {
            self.dirty.insert(key);
        }
    }

    /// The same, but the object itself need not be planned. Says if it is another than before.
    fn stage(&mut self, object: Object) -> bool {
        let before = self.store.get(&object.key());
        let is_new = before.as_ref() != Some(&object);
        if is_new {
            self.enqueue_owners(before.as_ref(), &object);
            self.note_home(&object);
            self.store.put(object);
        }
        is_new
    }

    pub(super) fn record(&mut self, mut run: Run) {
        if run.outcome == Outcome::Replaced && self.is_closed(&run) {
            return;
        }
        self.sharpen(&mut run);
        // A disk that cannot be read now fails the commit, too.
        let is_new = self.store.record_run(run.clone()).unwrap_or(false);
        if is_new {
            self.trim_history(&(run.namespace.clone(), run.cron_job.clone()));
        }
        self.turn.effects.runs.push(run);
    }

    /// Kubernetes' times are whole seconds. Where the runtime told the very instants, the history
    /// has those: lateness is milliseconds.
    fn sharpen(&self, run: &mut Run) {
        let job = Key::new(Kind::Job, &run.namespace, &run.job);
        // The plan that replaces a run sees its Job alone, and not when its pods started.
        let is_replaced = run.outcome == Outcome::Replaced;
        let is_known = run.started.is_some() || is_replaced;
        let Some(job) = self.store.get(&job).filter(|_| is_known) else { return };
        let (mut first, mut last) = (None, None);
        for pod in self.store.owned(job.uid()) {
            let Some(seen) = self.seen.get(pod.uid()) else { continue };
            for container in seen.observed.containers.values() {
                let (started, ended) = container.instants();
                first = earliest(first, started);
                last = last.max(ended);
            }
        }
        let within = |exact: Option<Timestamp>, stamp: &mut Option<Timestamp>| {
            if let (Some(exact), Some(stamp)) = (exact, stamp)
                && exact.as_second() == stamp.as_second()
            {
                *stamp = exact;
            }
        };
        if is_replaced {
            run.started = run.started.or(first);
        }
        within(first, &mut run.started);
        within(last, &mut run.ended);
    }

    /// Orders are harmless when repeated, but a plan that is asked twice in one turn need not send
    /// two.
    pub(super) fn order(&mut self, order: Order) {
        let identity = match &order {
            Order::Start(_) if self.stopping => return,
            Order::Start(launch) => (launch.pod_uid.clone(), launch.container.clone(), 0),
            Order::Stop { pod_uid, container, grace_seconds, .. } => {
                (pod_uid.clone(), container.clone(), grace_seconds + 1)
            }
            Order::Clean { pod_uid } => (pod_uid.clone(), String::new(), 0),
            Order::Reclaim { volume, .. } => (volume.clone(), String::new(), 0),
            Order::Probe { pod_uid, .. } | Order::Refresh { pod_uid, .. } => {
                // The later one says all that the earlier did.
                let is_same_kind =
                    |given: &Order| std::mem::discriminant(given) == std::mem::discriminant(&order);
                let same = |given: &Order| match given {
                    Order::Probe { pod_uid: uid, .. } | Order::Refresh { pod_uid: uid, .. } => {
                        uid == pod_uid && is_same_kind(given)
                    }
                    _ => false,
                };
                self.turn.effects.orders.retain(|given| !same(given));
                return self.turn.effects.orders.push(order);
            }
        };
        if self.turn.orders_given.insert(identity) {
            self.turn.effects.orders.push(order);
        }
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
