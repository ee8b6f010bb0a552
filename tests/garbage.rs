//! What goes with its owner, and what waits for whom: deletion in the background, in the foreground
//! and of orphans, finalizers, and Namespaces, on the real engine and store.

use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{SignedDuration, Timestamp};
use cronlet_engine::store::{FileDisk, Store};
use cronlet_engine::{DeleteOptions, Engine, Event, Request};
use cronlet_plan::order::{ContainerEvent, Exit, Report};
use serde_json::{Value, json};

struct World {
    _folder: tempfile::TempDir,
    engine: Engine,
    now: Timestamp,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(FileDisk::new(&folder.path().join("state.redb")));
        let store = store.expect("a fresh store");
        let engine = Engine::new(store, Settings::default(), Seed::new(7), Vec::new());
        let now = "2026-11-23T11:00:00Z".parse().expect("an instant");
        World { _folder: folder, engine: engine.expect("a fresh engine"), now }
    }

    fn ask(&mut self, request: Request) -> Result<Object, Refused> {
        let events = vec![Event::Request { id: 1, request }];
        let mut effects = self.engine.handle(events, self.now).expect("it is committed");
        effects.replies.remove(0).1
    }

    fn create(&mut self, object: Value) -> Object {
        let kind = Kind::from_name(object["kind"].as_str().expect("a kind")).expect("it is known");
        let object = kind.deserialize(object).expect("an object");
        self.ask(Request::Create(object)).expect("it is admitted")
    }

    /// A ConfigMap, in the namespace `default`, with these owners, which it blocks, and finalizers.
    fn map(&mut self, name: &str, owners: &[&Object], finalizers: &[&str]) -> Object {
        let owners: Vec<Value> = owners.iter().map(|owner| reference(owner, true)).collect();
        self.create(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
                "name": name, "namespace": "default",
                "ownerReferences": owners, "finalizers": finalizers,
            },
        }))
    }

    fn delete(&mut self, object: &Object, propagation: Option<&str>) {
        let propagation = propagation.map(str::to_owned);
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        self.ask(Request::Delete { key: object.key(), options }).expect("it is deleted");
    }

    fn report(&mut self, pod: &Object, container: &str, event: ContainerEvent) {
        let (pod_uid, container) = (pod.uid().to_owned(), container.to_owned());
        let report = Report { pod_uid, container, attempt: 0, event };
        self.now += SignedDuration::from_secs(1);
        self.engine.handle(vec![Event::Report(report)], self.now).expect("it is committed");
    }

    fn get(&self, object: &Object) -> Option<Object> {
        self.engine.reader().get(&object.key())
    }

    /// `there`, `going`, or `gone`, of each.
    fn stands(&self, objects: &[&Object]) -> String {
        let word = |object: &&Object| match self.get(object) {
            None => "gone",
            Some(found) if found.is_going() => "going",
            Some(_) => "there",
        };
        objects.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn change(&mut self, object: &Object, change: impl FnOnce(&mut Object)) {
        let mut changed = self.get(object).expect("it is there");
        change(&mut changed);
        self.ask(Request::Update(changed)).expect("it is admitted");
    }

    /// Takes an object's finalizers away, but for the garbage collector's own.
    fn release(&mut self, object: &Object) {
        self.change(object, |object| {
            let list = object.meta_mut().finalizers.get_or_insert_default();
            list.retain(|finalizer| !finalizer.contains('/'));
        });
    }
}

fn reference(owner: &Object, blocks: bool) -> Value {
    let info = owner.kind().info();
    json!({
        "apiVersion": info.api_version(), "kind": info.kind, "name": owner.name(),
        "uid": owner.uid(), "blockOwnerDeletion": blocks,
    })
}

const HELD: &[&str] = &["example.com/held"];

#[test]
fn a_pod_that_goes_when_its_job_is_gone_waits_for_no_one() {
    let mut world = World::new();
    let (job, pod) = job(&mut world);
    world.delete(&pod, None);
    world.delete(&job, None);
    assert_eq!(world.stands(&[&job, &pod]), "gone going");
    assert_eq!(world.get(&pod).expect("it is there").meta().finalizers, None);
}

/// A Job with one pod.
fn job(world: &mut World) -> (Object, Object) {
    let job = world.create(job_manifest());
    let pod = world.engine.reader().list(Kind::Pod, None).0.remove(0);
    assert!(is_tracked(&pod), "{pod:?}");
    (job, pod)
}

fn job_manifest() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "x", "command": ["x"]}]}}},
    })
}

fn is_tracked(pod: &Object) -> bool {
    let finalizers = pod.meta().finalizers.iter().flatten();
    finalizers.into_iter().any(|one| one == "batch.kubernetes.io/job-tracking")
}

/// Checks that a pod that nobody counts any more is not held back.
#[test]
fn an_orphaned_pod_loses_its_jobs_finalizer() {
    let mut world = World::new();
    let (job, pod) = job(&mut world);
    world.delete(&job, Some("Orphan"));
    assert_eq!(world.stands(&[&job, &pod]), "gone there");
    let orphan = world.get(&pod).expect("it is there");
    assert_eq!((orphan.controller_uid(), is_tracked(&orphan)), (None, false));
    // One that never had an owner is no better held.
    let bare = world.create(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "finalizers": ["batch.kubernetes.io/job-tracking"]},
        "spec": {"containers": [{"name": "main", "image": "x", "command": ["x"]}]},
    }));
    assert!(!is_tracked(&world.get(&bare).expect("it is there")));
}

#[test]
fn a_job_takes_in_its_pods_again_and_lets_strangers_go() {
    let mut world = World::new();
    let (job, pod) = job(&mut world);
    world.change(&pod, |pod| pod.meta_mut().owner_references = None);
    let own = world.get(&pod).expect("it is there");
    assert_eq!((own.controller_uid(), is_tracked(&own)), (Some(job.uid()), true));
    assert_eq!(world.engine.reader().list(Kind::Pod, None).0.len(), 1);
    world.change(&pod, |pod| {
        let labels = pod.meta_mut().labels.get_or_insert_default();
        labels.retain(|name, _| !name.ends_with("controller-uid"));
    });
    let released = world.get(&pod).expect("it is there");
    assert_eq!((released.controller_uid(), is_tracked(&released)), (None, false));
    assert_eq!(world.engine.reader().list(Kind::Pod, None).0.len(), 2);
}

#[test]
fn what_two_own_goes_with_the_last() {
    let mut world = World::new();
    let (a, b) = (world.map("a", &[], &[]), world.map("b", &[], &[]));
    let both = world.map("both", &[&a, &b], &[]);
    world.delete(&a, None);
    assert_eq!(world.stands(&[&a, &b, &both]), "gone there there");
    let owners = world.get(&both).expect("it is there").meta().owner_references.clone();
    let names: Vec<String> = owners.into_iter().flatten().map(|owner| owner.name).collect();
    assert_eq!(names, ["b"]);
    world.delete(&b, Some("Background"));
    assert_eq!(world.stands(&[&both]), "gone");
}

#[test]
fn what_nobody_owns_goes() {
    let mut world = World::new();
    let a = world.map("a", &[], &[]);
    let owned_by = |owner: Value| {
        let meta = json!({"name": "b", "namespace": "default", "ownerReferences": [owner]});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    };
    let mut check = |change: fn(&mut Value), want: &str| {
        let mut owner = reference(&a, false);
        change(&mut owner);
        let b = world.create(owned_by(owner.clone()));
        assert_eq!(world.stands(&[&b]), want, "{owner}");
        if want == "there" {
            world.delete(&b, None);
        }
    };
    check(|_| {}, "there");
    check(|owner| owner["uid"] = json!("11111111-1111-1111-1111-111111111111"), "gone");
    check(|owner| owner["name"] = json!("nobody"), "gone");
    check(|owner| owner["kind"] = json!("Secret"), "gone");
    // Nothing is known here of such objects.
    check(|owner| owner["kind"] = json!("Widget"), "there");
    check(|owner| owner["apiVersion"] = json!("example.com/v1"), "there");
}

#[test]
fn in_the_foreground_an_owner_goes_last() {
    let mut world = World::new();
    let a = world.map("a", &[], &[]);
    let b = world.map("b", &[&a], &[]);
    let c = world.map("c", &[&b], HELD);
    let free = world.create(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "free", "namespace": "default", "ownerReferences": [reference(&a, false)],
        },
    }));
    world.delete(&a, Some("Foreground"));
    assert_eq!(world.stands(&[&a, &b, &c, &free]), "going going going there");
    for owner in [&a, &b] {
        let finalizers = world.get(owner).expect("it waits").meta().finalizers.clone();
        assert_eq!(finalizers, Some(vec!["foregroundDeletion".to_owned()]));
    }
    world.release(&c);
    assert_eq!(world.stands(&[&a, &b, &c, &free]), "gone gone gone gone");
}

#[test]
fn a_pod_and_its_own_claim_do_not_wait_for_each_other() {
    let mut world = World::new();
    let pod = world.create(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "x", "command": ["x"]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    }));
    let claim = world.create(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
            "name": "data", "namespace": "default", "ownerReferences": [reference(&pod, true)],
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        },
    }));
    let exit = Exit {
        id: "cronlet://1".to_owned(),
        code: 1,
        signal: None,
        left: 0,
        reason: "Error".to_owned(),
        message: String::new(),
        started_at: world.now,
        finished_at: world.now,
    };
    world.delete(&pod, Some("Foreground"));
    assert_eq!(world.stands(&[&pod, &claim]), "going going", "the program runs");
    world.report(&pod, "main", ContainerEvent::Exited(exit));
    world.report(&pod, "", ContainerEvent::Cleaned);
    assert_eq!(world.stands(&[&pod, &claim]), "gone gone");
}

#[test]
fn what_another_owns_too_does_not_go_in_the_foreground() {
    let mut world = World::new();
    let (a, b) = (world.map("a", &[], &[]), world.map("b", &[], &[]));
    let both = world.map("both", &[&a, &b], &[]);
    world.delete(&a, Some("Foreground"));
    assert_eq!(world.stands(&[&a, &b, &both]), "gone there there");
}

#[test]
fn a_circle_of_owners_goes() {
    let mut world = World::new();
    let a = world.map("a", &[], &[]);
    let b = world.map("b", &[&a], &[]);
    let owner = serde_json::from_value(reference(&b, true)).expect("an owner");
    world.change(&a, |a| a.meta_mut().owner_references = Some(vec![owner]));
    world.delete(&a, Some("Foreground"));
    assert_eq!(world.stands(&[&a, &b]), "gone gone");
}

#[test]
fn orphans_stay() {
    let mut world = World::new();
    let a = world.map("a", &[], &[]);
    let b = world.map("b", &[&a], &[]);
    world.delete(&a, Some("Orphan"));
    assert_eq!(world.stands(&[&a, &b]), "gone there");
    assert_eq!(world.get(&b).expect("it is there").meta().owner_references, None);
}

fn deployment(namespace: &str) -> Value {
    let container = json!({"name": "main", "image": "x", "command": ["sleep", "1000"]});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace, "finalizers": HELD},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]},
            },
        },
    })
}

#[test]
fn deletion_is_another_generation() {
    let mut world = World::new();
    let web = world.create(deployment("default"));
    assert_eq!(web.meta().generation, Some(1));
    for _ in 0..2 {
        world.delete(&web, None);
        let held = world.get(&web).expect("it is held");
        assert_eq!((held.meta().generation, held.is_going()), (Some(2), true));
    }
    let map = world.map("a", &[], HELD);
    world.delete(&map, None);
    assert_eq!(world.get(&map).expect("it is held").meta().generation, None);
}

fn namespace(world: &mut World) -> Object {
    world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))
}

/// Type, status, reason and message of each condition of a Namespace.
fn conditions(world: &World, namespace: &Object) -> Vec<[String; 4]> {
    let object = json!(world.get(namespace).expect("it is there"));
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let words = |one: &Value| {
        ["type", "status", "reason", "message"].map(|field| one[field].as_str().unwrap().to_owned())
    };
    conditions.iter().map(words).collect()
}

#[test]
fn a_namespace_says_what_holds_it() {
    let mut world = World::new();
    let shop = namespace(&mut world);
    assert_eq!(shop.meta().generation, None);
    let map = |name: &str, finalizers: &[&str]| {
        let meta = json!({"name": name, "namespace": "shop", "finalizers": finalizers});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    };
    let held = world.create(map("held", HELD));
    let free = world.create(map("free", &[]));
    world.delete(&shop, None);
    assert_eq!(world.stands(&[&shop, &held, &free]), "going going gone");
    let told = conditions(&world, &shop);
    let well = [
        "NamespaceDeletionDiscoveryFailure False ResourcesDiscovered",
        "NamespaceDeletionGroupVersionParsingFailure False ParsedGroupVersions",
        "NamespaceDeletionContentFailure False ContentDeleted",
    ];
    for (told, want) in told.iter().zip(well) {
        assert_eq!(told[..3].join(" "), want);
    }
    let left: Vec<String> = told[3..].iter().map(|told| told.join(" ")).collect();
    let remaining = "Some resources are remaining: configmaps. has 1 resource instances";
    let finalizers = "Some content in the namespace has finalizers remaining: \
                      example.com/held in 1 resource instances";
    assert_eq!(
        left,
        [
            format!("NamespaceContentRemaining True SomeResourcesRemain {remaining}"),
            format!("NamespaceFinalizersRemaining True SomeFinalizersRemain {finalizers}"),
        ]
    );
    let late = Kind::ConfigMap.deserialize(map("late", &[])).expect("an object");
    let refused = world.ask(Request::Create(late)).expect_err("it is too late").to_string();
    assert!(refused.contains("because it is being terminated"), "{refused}");
    world.release(&held);
    assert_eq!(world.stands(&[&shop, &held]), "gone gone");
    // Another of its name is a new one.
    let shop = namespace(&mut world);
    world.create(map("free", &[]));
    assert_eq!(world.stands(&[&shop]), "there");
}

#[test]
fn pods_are_the_first_to_leave_a_namespace() {
    let mut world = World::new();
    let shop = namespace(&mut world);
    let web = world.create(deployment("shop"));
    let pods = |world: &World| world.engine.reader().list(Kind::Pod, Some("shop")).0;
    assert_eq!(pods(&world).len(), 1);
    world.delete(&shop, None);
    let left = pods(&world);
    assert!(left.len() == 1 && left[0].is_going(), "no other is made: {left:?}");
    assert_eq!(world.stands(&[&shop, &web]), "going there");
    let told = conditions(&world, &shop);
    assert_eq!(told[3][3], "Some resources are remaining: pods. has 1 resource instances");
    let set = Key::new(
        Kind::ReplicaSet,
        "shop",
        &left[0].meta().owner_references.as_ref().unwrap()[0].name,
    );
    assert!(world.engine.reader().get(&set).is_some_and(|set| !set.is_going()));
}
