//! Much that is asked for at once is done over several turns, and what is due in between starts
//! with the next commit.

use super::backlog::OBJECTS_PER_TURN_MAX;
use super::tests::{at, engine_in};
use super::*;
use serde_json::{Value, json};

/// More than a few turns make or delete.
const MANY: usize = 1200;

/// The time that a turn takes.
const TURN: SignedDuration = SignedDuration::from_millis(150);

struct World {
    _folder: tempfile::TempDir,
    engine: Engine,
    now: Timestamp,
    /// The slot after the last one that the canary ran at.
    slot: Timestamp,
}

impl World {
    /// A CronJob that runs each second, in a namespace of its own.
    fn with_canary() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = engine_in(&folder);
        let now = at("2026-01-15T00:00:30.1Z");
        let slot = at("2026-01-15T00:00:31Z");
        let mut world = World { _folder: folder, engine, now, slot };
        let canary = json!({
            "metadata": {"name": "canary", "namespace": "cage",
                "annotations": {"cronlet.dev/schedule": "* * * * * *"}},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": "x", "command": ["true"]}]
            }}}}}
        });
        world.ask(Request::Create(Kind::CronJob.deserialize(canary).expect("a CronJob")));
        world
    }

    /// Asks, and takes the turns that follow at once: how many they are.
    fn ask(&mut self, request: Request) -> usize {
        let mut events = vec![Event::Request { id: 0, request }];
        for turns in 1.. {
            let before = self.pods();
            let effects =
                self.engine.handle(std::mem::take(&mut events), self.now).expect("a turn");
            assert!(
                effects.replies.iter().all(|(_, reply)| reply.is_ok()),
                "{:?}",
                effects.replies
            );
            let after = self.pods();
            let is_as_before = |(name, going): (&String, &bool)| after.get(name) == Some(going);
            let changed = after.len().abs_diff(before.len())
                + before.iter().filter(|one| !is_as_before(*one)).count();
            assert!(changed <= 2 * OBJECTS_PER_TURN_MAX, "{changed} pods in one turn");
            self.check_canary(&effects);
            if effects.wake_at.is_none_or(|at| at > self.now) {
                return turns;
            }
            self.now += TURN;
        }
        unreachable!("there is no last turn")
    }

    /// Each pod of the many, and whether it is being deleted.
    fn pods(&self) -> BTreeMap<String, bool> {
        let (pods, _) = self.engine.reader().list(Kind::Pod, None);
        let many = pods.iter().filter(|pod| pod.namespace() != "cage");
        many.map(|pod| (pod.name().to_owned(), pod.is_going())).collect()
    }

    /// A slot that has come is started in the turn that saw it.
    fn check_canary(&mut self, effects: &Effects) {
        let is_canary = |order: &&Order| match order {
            Order::Start(launch) => launch.pod.starts_with("canary-"),
            _ => false,
        };
        let starts = effects.orders.iter().filter(is_canary).count();
        assert_eq!(starts, usize::from(self.now >= self.slot), "{}", self.now);
        if starts > 0 {
            self.slot += SignedDuration::from_secs(1);
        }
    }

    fn change(&mut self, kind: Kind, change: impl Fn(&mut Value)) -> usize {
        let object =
            self.engine.reader().get(&Key::new(kind, "farm", "many")).expect("it is there");
        let mut object = serde_json::to_value(&object).expect("it serializes");
        change(&mut object);
        self.ask(Request::Update(kind.deserialize(object).expect("an object")))
    }

    fn create(&mut self, kind: Kind, spec: Value) -> usize {
        let object = json!({"metadata": {"name": "many", "namespace": "farm"}, "spec": spec});
        self.ask(Request::Create(kind.deserialize(object).expect("an object")))
    }

    fn delete(&mut self, key: Key, propagation: &str) -> usize {
        let propagation = Some(propagation.to_owned());
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        self.ask(Request::Delete { key, options })
    }
}

/// A template whose pods never start.
fn gated(restart: &str) -> Value {
    json!({
        "metadata": {"labels": {"a": "b"}},
        "spec": {
            "schedulingGates": [{"name": "example.com/hold"}], "restartPolicy": restart,
            "containers": [{"name": "main", "image": "x", "command": ["true"]}],
        },
    })
}

fn service() -> Value {
    json!({"replicas": MANY, "selector": {"matchLabels": {"a": "b"}}, "template": gated("Always"),
        "podManagementPolicy": "Parallel", "serviceName": "s"})
}

fn job() -> Value {
    json!({"parallelism": MANY, "completions": MANY, "template": gated("Never")})
}

/// At least this many turns are taken.
const TURNS_MIN: usize = MANY.div_ceil(OBJECTS_PER_TURN_MAX);

#[test]
fn many_pods_are_made_and_deleted_over_several_turns() {
    for (kind, spec) in [(Kind::ReplicaSet, service()), (Kind::StatefulSet, service())] {
        let mut world = World::with_canary();
        assert!(world.create(kind, spec) >= TURNS_MIN, "{kind:?}");
        assert_eq!(world.pods().len(), MANY);
        assert!(world.change(kind, |set| set["spec"]["replicas"] = json!(0)) >= TURNS_MIN);
        assert_eq!(world.pods().len(), 0);
    }
    let mut world = World::with_canary();
    assert!(world.create(Kind::Job, job()) >= TURNS_MIN);
    assert_eq!(world.pods().len(), MANY);
    assert!(world.change(Kind::Job, |job| job["spec"]["suspend"] = json!(true)) >= TURNS_MIN);
    assert_eq!(world.pods().len(), 0);
}

#[test]
fn many_dependents_are_collected_over_several_turns() {
    let set = Key::new(Kind::ReplicaSet, "farm", "many");
    let farm = Key::new(Kind::Namespace, "", "farm");
    for (key, propagation, left) in [
        (&set, "Background", 0),
        (&set, "Foreground", 0),
        (&set, "Orphan", MANY),
        (&farm, "Background", 0),
    ] {
        let mut world = World::with_canary();
        world.create(Kind::ReplicaSet, service());
        assert!(world.delete(key.clone(), propagation) >= TURNS_MIN, "{key} {propagation}");
        assert_eq!(world.pods().len(), left, "{key} {propagation}");
        assert!(world.engine.reader().get(key).is_none(), "{key} {propagation}");
        let uid_less = world.engine.reader().list(Kind::Pod, Some("farm")).0;
        assert!(uid_less.iter().all(|pod| pod.controller_uid().is_none()));
    }
}

#[test]
fn a_crash_amid_a_collection_leaves_nothing() {
    let mut world = World::with_canary();
    world.create(Kind::Job, job());
    let key = Key::new(Kind::Job, "farm", "many");
    let request = Request::Delete { key, options: DeleteOptions::default() };
    world.engine.handle(vec![Event::Request { id: 0, request }], world.now).expect("a turn");
    let left = world.pods().len();
    assert!(left >= MANY - 2 * OBJECTS_PER_TURN_MAX, "{left} pods");
    // The daemon starts again.
    let World { _folder: folder, engine, now, .. } = world;
    drop(engine);
    let mut engine = engine_in(&folder);
    let quiet = vec![Event::Quiesce];
    let mut effects = engine.handle(quiet, now).expect("a turn");
    while effects.wake_at.is_some_and(|at| at <= now) {
        effects = engine.handle(Vec::new(), now).expect("a turn");
    }
    assert_eq!(engine.reader().list(Kind::Pod, Some("farm")).0.len(), 0);
}
