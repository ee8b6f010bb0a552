//! A world of objects in a map: plans act in it as in the engine, and pods do what they are told.

use cronlet_api::admission::{self, Identity};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockSteps, SignedDuration, Timestamp};
use cronlet_plan::controllers::controller::{adopters, is_orphan};
use cronlet_plan::dispatch;
use cronlet_plan::kubelet::ports::Ports;
use cronlet_plan::order::{Order, PodObserved};
use cronlet_plan::plan::{Action, EventDraft, Lookup, Plan, Severity, View};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub struct World {
    pub objects: BTreeMap<Key, Object>,
    pub now: Timestamp,
    pub seed: Seed,
    pub stopping: bool,
    pub settings: Settings,
    dirty: BTreeSet<Key>,
    wakes: BTreeMap<Key, Timestamp>,
    /// `Reason: message` of each event, with the kind and the name of what it is about.
    pub events: Vec<(Kind, String, String)>,
    /// Each version of a Deployment or ReplicaSet that a plan wrote.
    pub written: Vec<Object>,
}

struct Map<'a>(&'a BTreeMap<Key, Object>);

impl Lookup for Map<'_> {
    fn get(&self, key: &Key) -> Option<Object> {
        self.0.get(key).cloned()
    }

    fn list(&self, kind: Kind, _: &str) -> Vec<Object> {
        self.0.values().filter(|one| one.kind() == kind).cloned().collect()
    }

    fn orphans(&self, kind: Kind, _: &str) -> Vec<Object> {
        self.0.values().filter(|one| one.kind() == kind && is_orphan(one)).cloned().collect()
    }

    fn host_port_holders(&self, pod: &Pod) -> Vec<(u16, Key)> {
        let mut ports = Ports::default();
        for object in self.0.values() {
            if let Object::Pod(pod) = object {
                ports.watch(pod);
            }
        }
        let conflicts = ports.host_conflicts(pod);
        conflicts.into_iter().map(|(number, holder)| (number, holder.clone())).collect()
    }
}

pub fn key(kind: Kind, name: &str) -> Key {
    Key::new(kind, "default", name)
}

impl World {
    pub fn new(seed: u64) -> World {
        World {
            objects: BTreeMap::new(),
            now: "2026-11-23T11:07:15Z".parse().expect("an instant"),
            seed: Seed::new(seed),
            stopping: false,
            settings: Settings::default(),
            dirty: BTreeSet::new(),
            wakes: BTreeMap::new(),
            events: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Creates an object as the API server does.
    pub fn add(&mut self, object: Value) -> Object {
        let kind = Kind::from_name(object["kind"].as_str().expect("a kind")).expect("a known kind");
        let object = kind.deserialize(object).expect("an object");
        self.create(object).expect("it is admitted")
    }

    fn create(&mut self, object: Object) -> Result<Object, String> {
        let (uid, suffix) = (self.seed.uid(), self.seed.suffix());
        let identity = Identity { uid: &uid, suffix: &suffix };
        let admitted = admission::create(object, "default", &identity);
        let mut object = admitted.map_err(|refused| refused.to_string())?.object;
        let meta = object.meta_mut();
        meta.creation_timestamp = Some(Time(self.now));
        meta.generation = Some(1);
        self.put(object.clone());
        Ok(object)
    }

    /// Changes an object as the API server does.
    pub fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let old = self.objects[key].clone();
        let mut json = serde_json::to_value(&old).expect("JSON");
        change(&mut json);
        let new = key.kind.deserialize(json).expect("an object");
        self.put(admission::update(&old, new).expect("it is admitted").object);
    }

    pub fn put(&mut self, object: Object) {
        let key = object.key();
        let before = self.objects.insert(key.clone(), object.clone());
        before.iter().for_each(|before| self.touch(before));
        self.touch(&object);
        if is_orphan(&object) {
            for kind in adopters(object.kind()) {
                self.dirty.extend(self.keys(*kind));
            }
        }
        self.dirty.insert(key);
    }

    fn touch(&mut self, object: &Object) {
        for owner in object.meta().owner_references.iter().flatten() {
            self.dirty.insert(key(Kind::from_name(&owner.kind).expect("a kind"), &owner.name));
        }
    }

    pub fn keys(&self, kind: Kind) -> Vec<Key> {
        self.objects.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// Asks for deletion: a pod goes when [`World::gone`] says so, others at once.
    pub fn delete(&mut self, key: &Key) {
        let Some(mut object) = self.objects.get(key).cloned() else { return };
        if key.kind == Kind::Pod {
            object.meta_mut().deletion_timestamp.get_or_insert(Time(self.now));
            return self.put(object);
        }
        self.gone(key);
        for owned in self.owned(&object) {
            self.delete(&owned.key());
        }
    }

    pub fn gone(&mut self, key: &Key) {
        let object = self.objects.remove(key).expect("it is there");
        self.wakes.remove(key);
        self.touch(&object);
    }

    pub fn owned(&self, owner: &Object) -> Vec<Object> {
        let owned = self.objects.values().filter(|one| one.controller_uid() == Some(owner.uid()));
        owned.cloned().collect()
    }

    fn plan(&self, object: &Object) -> Plan {
        if object.kind() == Kind::Pod {
            return Plan::default();
        }
        let steps = ClockSteps::default();
        let (owned, others) = (self.owned(object), Map(&self.objects));
        let view = View {
            now: self.now,
            steps: &steps,
            settings: &self.settings,
            owned: &owned,
            lookup: &others,
            stopping: self.stopping,
        };
        dispatch::plan(object, &PodObserved::default(), &view)
    }

    /// Plans until nothing changes, and once more: then no plan may ask for anything.
    pub fn settle(&mut self) {
        let mut plans: BTreeMap<Key, u32> = BTreeMap::new();
        while let Some(key) = self.dirty.pop_last() {
            let count = plans.entry(key.clone()).or_default();
            *count += 1;
            assert!(*count < 100, "plans go in circles at {key}");
            let Some(object) = self.objects.get(&key).cloned() else { continue };
            let plan = self.plan(&object);
            self.wakes.remove(&key);
            self.wakes.extend(plan.wake_at.map(|at| (key, at)));
            for action in plan.actions {
                self.carry_out(&object, action);
            }
        }
        for object in self.objects.values() {
            let again = self.plan(object).actions;
            assert!(again.is_empty(), "{} again: {again:?}", object.key());
        }
    }

    fn carry_out(&mut self, planned: &Object, action: Action) {
        match action {
            Action::Create(object) => {
                assert!(!self.objects.contains_key(&object.key()), "{} is there", object.key());
                let made = self.create(object).expect("it is admitted");
                self.written.push(made);
            }
            Action::Put(object) => {
                let before = self.objects.get(&object.key());
                assert_ne!(before, Some(&object), "a Put that changes nothing");
                if object.kind() != Kind::Pod {
                    self.written.push(object.clone());
                }
                self.put(object);
            }
            Action::Delete(key) => self.delete(&key),
            Action::Event(EventDraft { severity, reason, message, .. }) => {
                let warning = if severity == Severity::Warning { "Warning " } else { "" };
                let text = format!("{warning}{reason}: {message}");
                self.events.push((planned.kind(), planned.name().to_owned(), text));
            }
            Action::Order(Order::Reclaim { volume, kept_as }) => {
                let text = format!("Reclaim: {volume} as {kept_as:?}");
                self.events.push((planned.kind(), planned.name().to_owned(), text));
            }
            Action::DeleteAfterOwned(_) | Action::Record(_) | Action::Remove | Action::Order(_) => {
                panic!("not for these kinds: {action:?}")
            }
        }
    }

    /// Events since the last time that this was asked.
    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events).into_iter().map(|(_, _, text)| text).collect()
    }

    /// The next time that a plan wants to be asked again.
    pub fn due(&self) -> Option<Timestamp> {
        self.wakes.values().min().copied()
    }

    /// Lets time pass, with every wake on the way.
    pub fn wait(&mut self, seconds: i64) {
        let until = self.now + SignedDuration::from_secs(seconds);
        self.wait_until(until);
    }

    pub fn wait_until(&mut self, until: Timestamp) {
        while let Some(at) = self.due().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let now = self.now;
            let due = self.wakes.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone());
            self.dirty.extend(due.collect::<Vec<Key>>());
            self.wakes.retain(|_, at| *at > now);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    pub fn pods(&self) -> Vec<Arc<Pod>> {
        let pod = |object: &Object| match object {
            Object::Pod(pod) => Some(pod.clone()),
            _ => None,
        };
        self.objects.values().filter_map(pod).collect()
    }

    pub fn sets(&self) -> Vec<Arc<ReplicaSet>> {
        let set = |object: &Object| match object {
            Object::ReplicaSet(set) => Some(set.clone()),
            _ => None,
        };
        self.objects.values().filter_map(set).collect()
    }

    pub fn set(&self, name: &str) -> Arc<ReplicaSet> {
        match self.objects.get(&key(Kind::ReplicaSet, name)) {
            Some(Object::ReplicaSet(set)) => set.clone(),
            _ => panic!("no ReplicaSet {name}"),
        }
    }

    pub fn deployment(&self, name: &str) -> Arc<Deployment> {
        match self.objects.get(&key(Kind::Deployment, name)) {
            Some(Object::Deployment(deployment)) => deployment.clone(),
            _ => panic!("no Deployment {name}"),
        }
    }

    /// A pod's status as the kubelet would have it.
    pub fn set_pod(&mut self, name: &str, phase: &str, is_ready: bool) {
        let key = key(Kind::Pod, name);
        let Some(Object::Pod(mut pod)) = self.objects.get(&key).cloned() else {
            panic!("no pod {name}");
        };
        let pod_mut = Arc::make_mut(&mut pod);
        pod_mut.spec.get_or_insert_default().node_name = Some("localhost".into());
        let was_ready = cronlet_plan::kubelet::availability::is_ready(pod_mut);
        let status = pod_mut.status.get_or_insert_default();
        if was_ready != is_ready
            || status.conditions.is_none()
            || status.phase.as_deref() != Some(phase)
        {
            let since = Timestamp::from_second(self.now.as_second()).expect("whole seconds");
            *status = PodStatus {
                phase: Some(phase.into()),
                conditions: Some(vec![PodCondition {
                    type_: "Ready".into(),
                    status: if is_ready { "True" } else { "False" }.into(),
                    last_transition_time: Some(Time(since)),
                    ..PodCondition::default()
                }]),
                ..PodStatus::default()
            };
            self.put(Object::Pod(pod));
        }
    }
}

pub fn name_of(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().expect("a name")
}
