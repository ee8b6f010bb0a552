//! Claims and PersistentVolumes: which is bound to which, what becomes of both, and which pods wait
//! for them, on the real engine and store.

mod common;

use common::merge;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{SignedDuration, Timestamp};
use cronlet_engine::store::{FileDisk, Store};
use cronlet_engine::{DeleteOptions, Engine, Event, Request};
use cronlet_plan::order::{ContainerEvent, MountSource, Order, Report};
use serde_json::{Value, json};

struct World {
    _folder: tempfile::TempDir,
    engine: Engine,
    now: Timestamp,
    orders: Vec<Order>,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(FileDisk::new(&folder.path().join("state.redb")));
        let store = store.expect("a fresh store");
        let settings = Settings { claims_are_limited: true, ..Settings::default() };
        let engine = Engine::new(store, settings, Seed::new(7), Vec::new());
        let now = "2026-11-23T11:00:00Z".parse().expect("an instant");
        let engine = engine.expect("a fresh engine");
        World { _folder: folder, engine, now, orders: Vec::new() }
    }

    fn turn(&mut self, events: Vec<Event>) {
        self.try_turn(events).expect("nothing is refused");
    }

    fn try_turn(&mut self, events: Vec<Event>) -> Result<(), Refused> {
        self.now += SignedDuration::from_secs(1);
        let effects = self.engine.handle(events, self.now).expect("it is committed");
        self.orders.extend(effects.orders);
        effects.replies.into_iter().try_for_each(|(_, reply)| reply.map(drop))
    }

    fn ask(&mut self, request: Request) {
        self.try_ask(request).expect("it is not refused");
    }

    fn try_ask(&mut self, request: Request) -> Result<(), Refused> {
        self.try_turn(vec![Event::Request { id: 1, request }])
    }

    /// Applies as a file of the jobs folder does, or as `kubectl apply`.
    fn apply(&mut self, object: Value) {
        let kind = Kind::from_name(object["kind"].as_str().expect("a kind")).expect("it is known");
        let mut object = kind.deserialize(object).expect("an object");
        object.default_namespace("default");
        self.ask(Request::Apply { object, dry_run: false });
    }

    fn volume(&mut self, name: &str, change: Value) {
        let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "storageClassName": "manual", "hostPath": {"path": format!("/srv/{name}")}});
        merge(&mut spec, &change);
        let labels = json!({"disk": name});
        self.apply(json!({"apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": labels}, "spec": spec}));
    }

    fn claim(&mut self, name: &str, change: Value) {
        let mut spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "manual",
            "resources": {"requests": {"storage": "1Gi"}}});
        merge(&mut spec, &change);
        self.apply(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name}, "spec": spec}));
    }

    fn pod(&mut self, name: &str, claim: &str) {
        let container = json!({"name": "main", "image": "x", "command": ["run"],
            "volumeMounts": [{"name": "v", "mountPath": "/data"}]});
        self.apply(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "containers": [container],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]}}));
    }

    fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        let found = self.engine.reader().get(&Key::new(kind, "default", name))?;
        Some(serde_json::to_value(found).expect("JSON"))
    }

    fn delete(&mut self, kind: Kind, name: &str) {
        let key = Key::new(kind, "default", name);
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        self.ask(Request::Delete { key, options });
    }

    fn change(&mut self, kind: Kind, name: &str, change: Value) {
        let mut object = self.get(kind, name).expect("it is there");
        merge(&mut object, &change);
        let object = kind.deserialize(object).expect("an object");
        self.ask(Request::Update(object));
    }

    /// `c: Bound v 1Gi RWO-free words`: phase, volume and capacity of a claim; phase and claim of a
    /// volume; whether a pod was started, or why it waits.
    fn shown(&self, kind: Kind, name: &str) -> String {
        let Some(object) = self.get(kind, name) else { return "gone".to_owned() };
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
        let going = object.pointer("/metadata/deletionTimestamp").map_or("", |_| " going");
        match kind {
            Kind::PersistentVolumeClaim => {
                let volume = text("/spec/volumeName").replace(text("/metadata/uid"), "UID");
                let (phase, size) = (text("/status/phase"), text("/status/capacity/storage"));
                format!("{phase} {volume} {size}{going}")
            }
            Kind::PersistentVolume => {
                format!("{} {}{going}", text("/status/phase"), text("/spec/claimRef/name"))
            }
            _ => match text("/spec/nodeName") {
                "-" => text("/status/conditions/0/message").to_owned(),
                _ => "placed".to_owned(),
            },
        }
    }

    /// The last warning or other event about an object.
    fn told(&self, name: &str) -> String {
        let events = self.engine.reader().list(Kind::Event, None).0;
        let about = events.into_iter().filter_map(|object| match object {
            Object::Event(event) => Some(event),
            _ => None,
        });
        let mut about = about.filter(|event| event.involved_object.name.as_deref() == Some(name));
        about.next_back().map_or_else(String::new, |event| {
            let (reason, message) = (event.reason.clone(), event.message.clone());
            format!("{}: {}", reason.unwrap_or_default(), message.unwrap_or_default())
        })
    }

    /// Returns the source of the only mount of a started pod.
    fn mounted(&self, pod: &str) -> Option<String> {
        self.orders.iter().find_map(|order| match order {
            Order::Start(launch) if launch.pod == pod => match &launch.mounts[0].source {
                MountSource::HostPath { path, kind, group_change } => {
                    let change = group_change.map(|change| format!(" {change:?}"));
                    Some(format!("{path} {kind}{}", change.unwrap_or_default()))
                }
                MountSource::Claim { volume, .. } => {
                    Some(format!("claims/{}", volume.split('-').next().unwrap_or_default()))
                }
                _ => None,
            },
            _ => None,
        })
    }

    /// Tells the engine that nothing of the pod is left.
    fn clean(&mut self, pod: &str) {
        let uid = self.get(Kind::Pod, pod).expect("it is there")["metadata"]["uid"].clone();
        self.delete(Kind::Pod, pod);
        let pod_uid = uid.as_str().expect("a uid").to_owned();
        let (reason, message) = ("RunContainerError".to_owned(), "stopped".to_owned());
        let failed = ContainerEvent::Failed { reason, message, at: self.now };
        for (container, event) in [("main", failed), ("", ContainerEvent::Cleaned)] {
            let (pod_uid, container) = (pod_uid.clone(), container.to_owned());
            self.turn(vec![Event::Report(Report { pod_uid, container, attempt: 0, event })]);
        }
        assert_eq!(self.shown(Kind::Pod, pod), "gone");
    }
}

/// Volumes and one claim, by what each changes: how the claim stands, and what is said of it.
#[track_caller]
fn check(volumes: &[(&str, Value)], claim: Value, want: &str, told: &str) {
    for claim_first in [false, true] {
        let mut world = World::new();
        if claim_first {
            world.claim("c", claim.clone());
        }
        for (name, change) in volumes {
            world.volume(name, change.clone());
        }
        if !claim_first {
            world.claim("c", claim.clone());
        }
        let shown = world.shown(Kind::PersistentVolumeClaim, "c");
        assert_eq!(shown, want, "claim first: {claim_first}; {}", world.told("c"));
        assert!(world.told("c").starts_with(told), "{}", world.told("c"));
        // A turn later, and after a change that means nothing, it is as it was.
        world.change(Kind::PersistentVolumeClaim, "c", json!({"metadata": {"labels": {"a": "b"}}}));
        assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), want);
    }
}

fn plain() -> Value {
    json!({})
}

#[test]
fn a_claim_is_bound_to_what_it_asks_for() {
    let bound = "Bound a 1Gi";
    check(&[("a", plain())], plain(), bound, "");
    check(&[("a", plain())], json!({"volumeName": "a"}), bound, "");
    let selects = |disk: &str| json!({"selector": {"matchLabels": {"disk": disk}}});
    check(&[("b", plain()), ("a", plain())], selects("a"), bound, "");
    let small = json!({"resources": {"requests": {"storage": "1Mi"}}});
    check(&[("a", plain())], small, bound, "");
    // Without a class on either side, as on a cluster that has no default class.
    let classless = json!({"storageClassName": null});
    check(&[("a", json!({"storageClassName": null}))], json!({"storageClassName": ""}), bound, "");
    check(&[("a", plain())], classless, "Bound pvc-UID 1Gi", "");
    let many = json!({"accessModes": ["ReadWriteOnce", "ReadOnlyMany"]});
    check(&[("a", many)], plain(), bound, "");
    check(&[("a", json!({"volumeMode": "Block"}))], json!({"volumeMode": "Block"}), bound, "");
}

#[test]
fn a_claim_that_nothing_fits_waits_and_says_why() {
    let waits = "Pending - -";
    let missing = "ProvisioningFailed: storageclass.storage.k8s.io \"manual\" not found: folders \
                   are made for claims that name no class or one of standard, local-path, hostpath";
    check(&[], plain(), waits, missing);
    for change in [
        json!({"capacity": {"storage": "1023Mi"}}),
        json!({"accessModes": ["ReadWriteMany"]}),
        json!({"storageClassName": "other"}),
        json!({"storageClassName": null}),
        json!({"volumeMode": "Block"}),
        json!({"claimRef": {"name": "other", "namespace": "default"}}),
        json!({"claimRef": {"name": "c", "namespace": "other"}}),
    ] {
        check(&[("a", change)], plain(), waits, missing);
    }
    let none = "FailedBinding: no persistent volumes available for this claim and no storage class";
    check(&[], json!({"storageClassName": ""}), waits, none);
    let classless = |change: Value| {
        let mut spec = json!({"storageClassName": null});
        merge(&mut spec, &change);
        spec
    };
    let selector = json!({"selector": {"matchLabels": {"disk": "z"}}});
    check(&[], classless(selector), waits, "ProvisioningFailed: a claim with a selector");
    let block = classless(json!({"volumeMode": "Block"}));
    check(&[], block, waits, "ProvisioningFailed: volumeMode Block");
    let source = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot",
        "name": "n"});
    let snapshot = "ProvisioningFailed: nothing here fills a claim from a VolumeSnapshot (\"n\")";
    check(&[], classless(json!({"dataSource": source})), waits, snapshot);
    let source = json!({"dataSource": {"kind": "PersistentVolumeClaim", "name": "n"}});
    check(&[("a", plain())], source, waits, "ProvisioningFailed");
    let named = json!({"volumeName": "a"});
    let misses = "Pending a -";
    check(&[], named.clone(), misses, "FailedBinding: persistentvolume \"a\" not found");
    for (change, why) in [
        (json!({"capacity": {"storage": "1Mi"}}), "requested PV is too small"),
        (json!({"storageClassName": "other"}), "storageClassName does not match"),
        (json!({"volumeMode": "Block"}), "incompatible volumeMode"),
        (json!({"accessModes": ["ReadOnlyMany"]}), "incompatible accessMode"),
    ] {
        let told = format!("VolumeMismatch: Cannot bind to requested volume \"a\": {why}");
        check(&[("a", change)], named.clone(), misses, &told);
    }
    let other = json!({"claimRef": {"name": "other", "namespace": "default"}});
    let taken = "FailedBinding: volume \"a\" already bound to a different claim.";
    check(&[("a", other)], named, misses, taken);
}

#[test]
fn the_smallest_that_fits_is_taken_and_only_once() {
    let mut world = World::new();
    let size = |size: &str| json!({"capacity": {"storage": size}});
    world.volume("large", size("9Gi"));
    world.volume("small", size("1Gi"));
    world.volume("medium", size("2Gi"));
    // What offers fewer access modes goes first, whatever its size.
    let modes = json!(["ReadWriteOnce", "ReadWriteMany"]);
    world.volume("many", json!({"accessModes": modes, "capacity": {"storage": "1Gi"}}));
    let shown = |world: &World, names: &[&str]| {
        let all = names.iter().map(|name| world.shown(Kind::PersistentVolumeClaim, name));
        all.collect::<Vec<String>>()
    };
    let claims = ["a", "b", "c", "d", "e"];
    claims.iter().for_each(|name| world.claim(name, plain()));
    let want =
        ["Bound small 1Gi", "Bound medium 2Gi", "Bound large 9Gi", "Bound many 1Gi", "Pending - -"];
    assert_eq!(shown(&world, &claims), want);
    let volumes = ["small", "medium", "large", "many"];
    let all = volumes.map(|name| world.shown(Kind::PersistentVolume, name));
    assert_eq!(all, ["Bound a", "Bound b", "Bound c", "Bound d"]);
    let volume = world.get(Kind::PersistentVolume, "small").expect("it is there");
    let by_controller = "/metadata/annotations/pv.kubernetes.io~1bound-by-controller";
    assert_eq!(volume.pointer(by_controller), Some(&json!("yes")));
    // The manifest is applied again, as the folder is read at each start: nothing changes.
    world.volume("small", size("1Gi"));
    world.claim("a", plain());
    assert_eq!(shown(&world, &claims), want);
    assert_eq!(world.shown(Kind::PersistentVolume, "small"), "Bound a");
    // One that comes later is for who waits.
    world.volume("late", size("1Gi"));
    assert_eq!(shown(&world, &["e"]), ["Bound late 1Gi"]);
}

#[test]
fn a_volume_that_names_its_claim_is_kept_for_it() {
    let mut world = World::new();
    let for_c = json!({"claimRef": {"name": "c", "namespace": "default"}});
    world.volume("a", for_c.clone());
    world.claim("other", plain());
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "other"), "Pending - -");
    assert_eq!(world.shown(Kind::PersistentVolume, "a"), "Available c");
    world.volume("b", plain());
    world.claim("c", plain());
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "Bound a 1Gi");
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "other"), "Bound b 1Gi");
    let volume = world.get(Kind::PersistentVolume, "a").expect("it is there");
    assert_eq!(volume.pointer("/metadata/annotations"), None, "its author bound it");
    world.volume("a", for_c);
    assert_eq!(world.shown(Kind::PersistentVolume, "a"), "Bound c");
}

#[test]
fn what_a_deleted_claim_leaves_is_released_and_never_removed() {
    let check = |policy: &str, want: &str, told: &str| {
        let mut world = World::new();
        world.volume("a", json!({"persistentVolumeReclaimPolicy": policy}));
        world.claim("c", plain());
        world.pod("p", "c");
        world.delete(Kind::PersistentVolumeClaim, "c");
        assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "Bound a 1Gi going");
        world.clean("p");
        assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "gone");
        assert_eq!(world.shown(Kind::PersistentVolume, "a"), format!("{want} c"), "{policy}");
        assert!(world.told("a").starts_with(told), "{}", world.told("a"));
        let removes = world.orders.iter().any(|order| matches!(order, Order::Reclaim { .. }));
        assert!(!removes, "{policy}");
        // The next claim of the name has another uid, and not the data of the first.
        world.claim("c", plain());
        assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "Pending - -");
        world.change(Kind::PersistentVolume, "a", json!({"spec": {"claimRef": null}}));
        assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "Bound a 1Gi");
        assert_eq!(world.shown(Kind::PersistentVolume, "a"), "Bound c");
    };
    check("Retain", "Released", "");
    check("Delete", "Failed", "VolumeFailedDelete: cronlet removes no files");
    check("Recycle", "Failed", "VolumeFailedRecycle: cronlet removes no files");
}

#[test]
fn a_bound_volume_is_protected_and_a_lost_one_is_told_of() {
    let mut world = World::new();
    world.volume("a", plain());
    world.claim("c", plain());
    world.delete(Kind::PersistentVolume, "a");
    assert_eq!(world.shown(Kind::PersistentVolume, "a"), "Bound c going");
    world.change(Kind::PersistentVolume, "a", json!({"metadata": {"finalizers": null}}));
    assert_eq!(world.shown(Kind::PersistentVolume, "a"), "gone");
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "Lost a -");
    assert!(world.told("c").starts_with("ClaimLost: Bound claim has lost its PersistentVolume"));
    world.pod("p", "c");
    let why = "0/1 nodes are available: persistentvolumeclaim \"c\" bound to non-existent \
               persistentvolume \"a\".";
    assert!(world.shown(Kind::Pod, "p").starts_with(why), "{}", world.shown(Kind::Pod, "p"));
    // Made again, it is the claim's.
    world.volume("a", plain());
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "Bound a 1Gi");
    assert_eq!(world.shown(Kind::Pod, "p"), "placed");
    // With the claim, the volume goes as well.
    let mut world = World::new();
    world.volume("a", plain());
    world.claim("c", plain());
    world.delete(Kind::PersistentVolume, "a");
    world.delete(Kind::PersistentVolumeClaim, "c");
    assert_eq!(world.shown(Kind::PersistentVolume, "a"), "gone");
    world.volume("free", plain());
    world.delete(Kind::PersistentVolume, "free");
    assert_eq!(world.shown(Kind::PersistentVolume, "free"), "gone");
}

#[test]
fn a_pod_waits_for_its_claim_and_mounts_its_volume() {
    let mut world = World::new();
    let waits = |world: &World, pod: &str, want: &str| {
        let shown = world.shown(Kind::Pod, pod);
        let want = format!("0/1 nodes are available: {want}. no new claims");
        assert!(shown.starts_with(&want), "{shown}");
    };
    world.pod("p", "c");
    waits(&world, "p", "persistentvolumeclaim \"c\" not found");
    world.claim("c", plain());
    waits(&world, "p", "pod has unbound immediate PersistentVolumeClaims");
    world.volume("a", json!({"hostPath": {"type": "DirectoryOrCreate"}}));
    assert_eq!(world.shown(Kind::Pod, "p"), "placed");
    assert_eq!(world.mounted("p").as_deref(), Some("/srv/a DirectoryOrCreate"));
    // A folder of its own, as for all claims without a class.
    world.claim("own", json!({"storageClassName": null}));
    world.pod("q", "own");
    assert_eq!(world.mounted("q").as_deref(), Some("claims/pvc"));
    // A disk of this host, and of another one.
    let local = |host: &str| {
        let here = json!([{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]);
        let terms = json!([{"matchExpressions": here}]);
        json!({"hostPath": null, "local": {"path": "/mnt/disk"}, "storageClassName": host,
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}})
    };
    for host in ["localhost", "elsewhere"] {
        world.volume(host, local(host));
        world.claim(host, json!({"storageClassName": host}));
        world.pod(host, host);
    }
    assert_eq!(world.mounted("localhost").as_deref(), Some("/mnt/disk Directory Always"));
    waits(&world, "elsewhere", "1 node(s) didn't match PersistentVolume's node affinity");
}

#[test]
fn a_claim_that_was_bound_before_there_were_volumes_keeps_its_folder() {
    let mut world = World::new();
    world.claim("c", json!({"volumeName": "old"}));
    let mut claim = world.get(Kind::PersistentVolumeClaim, "c").expect("it is there");
    claim["status"]["phase"] = "Bound".into();
    let claim = Kind::PersistentVolumeClaim.deserialize(claim).expect("a claim");
    world.ask(Request::UpdateStatus(claim));
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "c"), "Bound old 1Gi");
    world.pod("p", "c");
    assert_eq!(world.mounted("p").as_deref(), Some("claims/old"));
    // What was written since is not hidden by the volume, which the user is told of.
    world.volume("old", plain());
    world.pod("q", "c");
    world.claim("c", json!({"volumeName": "old", "resources": {"requests": {"storage": "2Gi"}}}));
    assert_eq!(world.shown(Kind::PersistentVolume, "old"), "Available -");
    assert_eq!(world.mounted("q").as_deref(), Some("claims/old"));
    assert!(world.told("c").starts_with("FolderKept: "), "{}", world.told("c"));
}

#[test]
fn a_claim_grows_only_where_its_folder_is_its_own() {
    let mut world = World::new();
    world.volume("v", json!({"capacity": {"storage": "5Gi"}}));
    world.claim("bound", json!({}));
    world.claim("own", json!({"storageClassName": null}));
    let grow = |world: &mut World, name: &str, size: &str| {
        let mut claim = world.get(Kind::PersistentVolumeClaim, name).expect("it is there");
        claim["spec"]["resources"]["requests"]["storage"] = size.into();
        let claim = Kind::PersistentVolumeClaim.deserialize(claim).expect("a claim");
        world.try_ask(Request::Update(claim)).map_err(|refused| refused.to_string())
    };
    let why = "persistentvolumeclaims \"bound\" is forbidden: only dynamically provisioned pvc can \
               be resized and the storageclass that provisions the pvc must support resize";
    assert_eq!(grow(&mut world, "bound", "2Gi"), Err(why.to_owned()));
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "bound"), "Bound v 5Gi");
    assert_eq!(grow(&mut world, "own", "2Gi"), Ok(()));
    assert_eq!(world.shown(Kind::PersistentVolumeClaim, "own"), "Bound pvc-UID 2Gi");
}

#[test]
fn a_claim_for_one_pod_holds_a_second_one() {
    let mut world = World::new();
    let once = json!({"accessModes": ["ReadWriteOncePod"]});
    world.volume("a", once.clone());
    world.claim("c", once);
    world.pod("first", "c");
    world.pod("second", "c");
    assert_eq!(world.shown(Kind::Pod, "first"), "placed");
    let why = "0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same \
               name and ReadWriteOncePod access mode.";
    assert!(world.shown(Kind::Pod, "second").starts_with(why));
    world.clean("first");
    assert_eq!(world.shown(Kind::Pod, "second"), "placed");
}

#[test]
fn a_stateful_set_takes_volumes_for_its_claims() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.volume(name, plain());
    }
    let labels = json!({"app": "db"});
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "storageClassName": "manual", "resources": {"requests": {"storage": "1Gi"}}}});
    let container = json!({"name": "main", "image": "x", "command": ["run"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    world.apply(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {"replicas": 3, "podManagementPolicy": "Parallel", "serviceName": "db",
            "selector": {"matchLabels": labels}, "volumeClaimTemplates": [claim],
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}}));
    let stands = ["db-0", "db-1", "db-2"].map(|pod| {
        (world.shown(Kind::PersistentVolumeClaim, &format!("data-{pod}")), world.mounted(pod))
    });
    let mut taken: Vec<Option<String>> =
        stands.iter().map(|(_, mounted)| mounted.clone()).collect();
    taken.sort();
    assert_eq!(taken, [None, Some("/srv/a ".to_owned()), Some("/srv/b ".to_owned())]);
    assert_eq!(stands.iter().filter(|(claim, _)| claim == "Pending - -").count(), 1);
}
