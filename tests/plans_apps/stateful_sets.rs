//! StatefulSets: the order of their pods, their names, revisions and claims, by script and as
//! recorded.

use crate::common::{self, merge};
use crate::world::{World, key, name_of};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::settings::Reclaim;
use cronlet_api::time::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The statuses, events, pods and revisions of a real Kubernetes, in its order.
#[test]
fn a_rolling_update_is_as_recorded() {
    let lines: Vec<Value> = common::recording("scenarios/sts-rolling.jsonl");
    let mut replay = Replay::new();
    for line in &lines {
        replay.follow(line);
    }
    let ours: Vec<String> = replay.statuses();
    let mut rest = ours.iter();
    for status in &replay.recorded {
        assert!(rest.any(|one| one == status), "{status}\nis not in order in\n{ours:#?}");
    }
    assert_eq!(ours.last(), replay.recorded.last(), "the end");
    assert!(replay.recorded.len() > 15, "{} statuses", replay.recorded.len());
    assert_eq!(replay.world.told(), recorded_events(&lines), "events");
    assert!(replay.pods_compared >= 7, "{} pods", replay.pods_compared);
    let revisions = |names: &BTreeMap<String, i64>| names.values().copied().collect::<Vec<_>>();
    assert_eq!(revisions(&replay.revisions()), revisions(&replay.theirs_revisions));
}

fn recorded_events(lines: &[Value]) -> Vec<String> {
    let objects = lines.iter().map(|line| &line["object"]);
    let events = objects.filter(|object| {
        object["kind"] == "Event" && object["involvedObject"]["kind"] == "StatefulSet"
    });
    let word = |event: &Value, field: &str| event[field].as_str().expect("a text").to_owned();
    events.map(|event| format!("{}: {}", word(event, "reason"), word(event, "message"))).collect()
}

struct Replay {
    world: World,
    start: Option<(f64, cronlet_api::time::Timestamp)>,
    /// Our names of revisions, and theirs, in the order of their making.
    names: Vec<(String, String)>,
    theirs_revisions: BTreeMap<String, i64>,
    recorded: Vec<String>,
    generation: i64,
    pods_compared: usize,
}

impl Replay {
    fn new() -> Replay {
        Replay {
            world: World::new(1),
            start: None,
            names: Vec::new(),
            theirs_revisions: BTreeMap::new(),
            recorded: Vec::new(),
            generation: 0,
            pods_compared: 0,
        }
    }

    fn follow(&mut self, line: &Value) {
        let object = &line["object"];
        let t = line["t"].as_f64().expect("seconds");
        if let Some((from, at)) = self.start {
            self.world.wait_until(at + SignedDuration::from_secs_f64(t - from));
        }
        match object["kind"].as_str() {
            Some("StatefulSet") => self.follow_set(object, t),
            Some("ControllerRevision") => self.note_revision(object),
            Some("Pod") => self.follow_pod(line["type"] == "DELETED", object),
            _ => {}
        }
        self.world.settle();
    }

    fn follow_set(&mut self, object: &Value, t: f64) {
        let generation = object["metadata"]["generation"].as_i64().expect("a generation");
        if self.start.is_none() {
            self.start = Some((t, self.world.now));
            let metadata = json!({"name": "db"});
            self.world.add(json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
                "metadata": metadata, "spec": object["spec"]}));
        } else if generation > self.generation {
            let spec = object["spec"].clone();
            self.world.edit(&key(Kind::StatefulSet, "db"), |set| set["spec"] = spec);
        } else {
            let status = object["status"].to_string();
            if self.recorded.last() != Some(&status) {
                self.recorded.push(status);
            }
        }
        self.generation = generation;
    }

    fn note_revision(&mut self, object: &Value) {
        let theirs = object["metadata"]["name"].as_str().expect("a name").to_owned();
        let revision = object["revision"].as_i64().expect("a number");
        if self.theirs_revisions.insert(theirs.clone(), revision).is_none() {
            let ours = self.revisions();
            let known = |name: &String| self.names.iter().any(|(ours, _)| ours == name);
            let new = ours.into_keys().find(|name| !known(name)).expect("a new revision");
            self.names.push((new, theirs));
        }
    }

    fn revisions(&self) -> BTreeMap<String, i64> {
        let revision = |object: &Object| match object {
            Object::ControllerRevision(one) => {
                Some((one.metadata.name.clone().expect("a name"), one.revision))
            }
            _ => None,
        };
        self.world.objects.values().filter_map(revision).collect()
    }

    fn translate(&self, text: &str) -> String {
        let each = |text: String, (ours, theirs): &(String, String)| text.replace(ours, theirs);
        self.names.iter().fold(text.to_owned(), each)
    }

    fn follow_pod(&mut self, is_deleted: bool, object: &Value) {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let pod_key = key(Kind::Pod, name);
        let ours = self.world.objects.get(&pod_key).unwrap_or_else(|| panic!("no pod {name}"));
        let is_going = !object["metadata"]["deletionTimestamp"].is_null();
        assert_eq!(ours.is_going(), is_going, "{name} is going");
        let shown = serde_json::to_value(ours).expect("JSON");
        let labels = self.translate(&shown["metadata"]["labels"].to_string());
        assert_eq!(labels, object["metadata"]["labels"].to_string(), "labels of {name}");
        for field in ["hostname", "subdomain", "volumes"] {
            assert_eq!(shown["spec"][field], object["spec"][field], "{field} of {name}");
        }
        self.pods_compared += 1;
        if is_deleted {
            return self.world.gone(&pod_key);
        }
        let phase = object["status"]["phase"].as_str().expect("a phase");
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is_ready =
            conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        self.world.set_pod(name, phase, is_ready);
    }

    fn statuses(&self) -> Vec<String> {
        let sets = self.world.written.iter().filter(|one| one.kind() == Kind::StatefulSet);
        let status = |one: &Object| {
            let value = serde_json::to_value(one).expect("JSON");
            self.translate(&value["status"].to_string())
        };
        sets.map(status).collect()
    }
}

fn set(spec: Value) -> Value {
    let template = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "m", "image": "i", "command": ["x"]}]},
    });
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template,
            "serviceName": "web", "replicas": 3},
    });
    for (field, value) in spec.as_object().expect("fields") {
        set["spec"][field] = value.clone();
    }
    set
}

/// A set of three whose pods run and are ready.
fn running(spec: Value) -> World {
    let mut world = World::new(7);
    world.add(set(spec));
    world.settle();
    all_ready(&mut world);
    world.told();
    world
}

/// Makes every pod run and be ready until none is new, and lets go those that go.
fn all_ready(world: &mut World) {
    for _ in 0..20 {
        let pods = world.pods();
        for pod in pods {
            let name = name_of(&pod).to_owned();
            if pod.metadata.deletion_timestamp.is_some() {
                world.gone(&key(Kind::Pod, &name));
            } else {
                world.set_pod(&name, "Running", true);
            }
            world.settle();
        }
    }
}

/// Names of the pods, with `-` behind those that go, and `*` behind those of the new revision.
fn shown(world: &World) -> Vec<String> {
    let set = serde_json::to_value(&world.objects[&key(Kind::StatefulSet, "web")]).expect("JSON");
    let update = set["status"]["updateRevision"].as_str().expect("a revision").to_owned();
    let pod = |pod: std::sync::Arc<k8s_openapi::api::core::v1::Pod>| {
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let is_new = labels.get("controller-revision-hash") == Some(&update);
        let going = if pod.metadata.deletion_timestamp.is_some() { "-" } else { "" };
        format!("{}{going}{}", name_of(&pod), if is_new { "*" } else { "" })
    };
    world.pods().into_iter().map(pod).collect()
}

fn change(world: &mut World, spec: Value) {
    world.edit(&key(Kind::StatefulSet, "web"), |set| merge(&mut set["spec"], &spec));
    world.settle();
}

fn new_template() -> Value {
    json!({"template": {"metadata": {"annotations": {"v": "2"}}}})
}

#[test]
fn one_after_the_other() {
    let mut world = World::new(3);
    world.add(set(json!({})));
    let steps: &[(&str, &str, bool, &[&str])] = &[
        ("", "", false, &["web-0*"]),
        ("web-0", "Running", false, &["web-0*"]),
        ("web-0", "Running", true, &["web-0*", "web-1*"]),
        ("web-0", "Running", false, &["web-0*", "web-1*"]),
        ("web-1", "Running", true, &["web-0*", "web-1*"]),
        ("web-0", "Running", true, &["web-0*", "web-1*", "web-2*"]),
    ];
    for (pod, phase, is_ready, want) in steps {
        if !pod.is_empty() {
            world.set_pod(pod, phase, *is_ready);
        }
        world.settle();
        assert_eq!(shown(&world), *want, "{pod} {phase} {is_ready}");
    }
    // The other way round, and each waits for the one before to be gone.
    all_ready(&mut world);
    change(&mut world, json!({"replicas": 1}));
    assert_eq!(shown(&world), ["web-0*", "web-1*", "web-2-*"]);
    world.gone(&key(Kind::Pod, "web-2"));
    world.settle();
    assert_eq!(shown(&world), ["web-0*", "web-1-*"]);
}

#[test]
fn all_at_once() {
    let mut world = World::new(3);
    world.add(set(json!({"podManagementPolicy": "Parallel"})));
    world.settle();
    assert_eq!(shown(&world), ["web-0*", "web-1*", "web-2*"]);
    change(&mut world, json!({"replicas": 1}));
    assert_eq!(shown(&world), ["web-0*", "web-1-*", "web-2-*"]);
}

#[test]
fn how_an_update_goes_on() {
    let check = |spec: Value, first: &[&str], last: &[&str]| {
        let mut world = running(spec.clone());
        change(&mut world, new_template());
        assert_eq!(shown(&world), first, "{spec}");
        all_ready(&mut world);
        assert_eq!(shown(&world), last, "{spec} in the end");
    };
    let strategy = |strategy: Value| json!({"updateStrategy": strategy});
    let rolling = |rolling: Value| strategy(json!({"rollingUpdate": rolling}));
    let all = ["web-0*", "web-1*", "web-2*"];
    check(json!({}), &["web-0", "web-1", "web-2-"], &all);
    check(
        rolling(json!({"partition": 1})),
        &["web-0", "web-1", "web-2-"],
        &["web-0", "web-1*", "web-2*"],
    );
    check(
        rolling(json!({"partition": 3})),
        &["web-0", "web-1", "web-2"],
        &["web-0", "web-1", "web-2"],
    );
    check(rolling(json!({"maxUnavailable": 2})), &["web-0", "web-1-", "web-2-"], &all);
    check(rolling(json!({"maxUnavailable": "70%"})), &["web-0", "web-1-", "web-2-"], &all);
    let kept = ["web-0", "web-1", "web-2"];
    check(strategy(json!({"type": "OnDelete"})), &kept, &kept);
    let mut parallel = strategy(json!({"rollingUpdate": {}}));
    parallel["podManagementPolicy"] = "Parallel".into();
    check(parallel, &["web-0", "web-1", "web-2-"], &all);
}

#[test]
fn a_partition_keeps_the_older_revision() {
    let mut world = running(json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}}));
    change(&mut world, new_template());
    all_ready(&mut world);
    assert_eq!(shown(&world), ["web-0", "web-1", "web-2*"]);
    world.delete(&key(Kind::Pod, "web-1"));
    world.gone(&key(Kind::Pod, "web-1"));
    world.settle();
    assert_eq!(shown(&world), ["web-0", "web-1", "web-2*"], "made anew as it was");
    change(&mut world, json!({"updateStrategy": {"rollingUpdate": {"partition": 0}}}));
    all_ready(&mut world);
    assert_eq!(shown(&world), ["web-0*", "web-1*", "web-2*"]);
}

#[test]
fn other_numbers_and_the_ready_wait() {
    let mut world = World::new(5);
    world.add(set(json!({"ordinals": {"start": 5}, "minReadySeconds": 10, "replicas": 2})));
    world.settle();
    world.set_pod("web-5", "Running", true);
    world.settle();
    assert_eq!(shown(&world), ["web-5*"], "ready, and not yet available");
    world.wait(10);
    assert_eq!(shown(&world), ["web-5*", "web-6*"]);
    change(&mut world, json!({"ordinals": {"start": 6}}));
    world.set_pod("web-6", "Running", true);
    world.settle();
    world.wait(10);
    let pods = shown(&world);
    assert_eq!(pods, ["web-5*", "web-6*", "web-7*"], "5 waits until 7 is well");
}

#[test]
fn ended_pods_are_made_anew() {
    for phase in ["Failed", "Succeeded"] {
        let mut world = running(json!({}));
        world.set_pod("web-1", phase, false);
        world.settle();
        assert_eq!(shown(&world), ["web-0*", "web-1-*", "web-2*"], "{phase}");
        world.gone(&key(Kind::Pod, "web-1"));
        world.settle();
        assert_eq!(shown(&world), ["web-0*", "web-1*", "web-2*"], "{phase}");
        assert_eq!(
            world.told(),
            [
                "SuccessfulDelete: Delete Pod web-1 in StatefulSet web successful",
                "SuccessfulCreate: Create Pod web-1 in StatefulSet web successful"
            ]
        );
    }
}

#[test]
fn a_template_comes_back_with_a_new_number() {
    let mut world = running(json!({"revisionHistoryLimit": 1}));
    let numbers = |world: &World| {
        let mut numbers: Vec<i64> = (world.objects.values())
            .filter_map(|object| match object {
                Object::ControllerRevision(one) => Some(one.revision),
                _ => None,
            })
            .collect();
        numbers.sort_unstable();
        numbers
    };
    for (version, want) in [("2", vec![1, 2]), ("3", vec![2, 3]), ("2", vec![3, 4])] {
        change(&mut world, json!({"template": {"metadata": {"annotations": {"v": version}}}}));
        all_ready(&mut world);
        assert_eq!(numbers(&world), want, "version {version}");
    }
}

#[test]
fn a_claim_is_bound_and_waits_for_its_pods() {
    let mut world = World::new(6);
    let claim_key = key(Kind::PersistentVolumeClaim, "c");
    world.add(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}}));
    world.settle();
    let shown = |world: &World| serde_json::to_value(&world.objects[&claim_key]).expect("JSON");
    let status = json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"}});
    assert_eq!(shown(&world)["status"], status);
    let volume = shown(&world)["spec"]["volumeName"].as_str().expect("a name").to_owned();
    assert_eq!(volume, format!("pvc-{}", world.objects[&claim_key].uid()));
    world
        .edit(&claim_key, |claim| claim["spec"]["resources"]["requests"]["storage"] = "2Gi".into());
    world.settle();
    assert_eq!(shown(&world)["status"]["capacity"]["storage"], "2Gi");
    world.add(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "m", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}}));
    let mut going = world.objects[&claim_key].clone();
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now);
    going.meta_mut().deletion_timestamp = Some(now);
    world.put(going.clone());
    world.settle();
    let finalizers = |world: &World| shown(world)["metadata"]["finalizers"].clone();
    assert_eq!(finalizers(&world), json!(["kubernetes.io/pvc-protection"]));
    world.told();
    world.gone(&key(Kind::Pod, "p"));
    world.put(going);
    world.settle();
    assert_eq!(finalizers(&world), Value::Null);
    let kept = format!("default.c.{volume}");
    assert_eq!(
        world.told(),
        [
            format!(
                "VolumeRetained: What the claim holds is kept in the state folder, as \
                 claims/released/{kept}"
            ),
            format!("Reclaim: {volume} as {:?}", Some(kept)),
        ]
    );
}

#[test]
fn what_becomes_of_the_folder_of_a_claim() {
    let check = |reclaim: Reclaim, limited: bool, want: &[&str]| {
        let mut world = World::new(6);
        world.settings.volumes.reclaim = reclaim;
        world.settings.claims_are_limited = limited;
        let claim_key = key(Kind::PersistentVolumeClaim, "c");
        let mut claim = world.add(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}));
        world.settle();
        claim.clone_from(&world.objects[&claim_key]);
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now);
        claim.meta_mut().deletion_timestamp = Some(now);
        world.put(claim.clone());
        world.settle();
        let told = world.told().into_iter().map(|line| {
            let reason = line.split(':').next().expect("a reason").to_owned();
            if reason == "Reclaim" { line.replace(claim.uid(), "UID") } else { reason }
        });
        assert_eq!(told.collect::<Vec<_>>(), want, "{reclaim:?}");
    };
    let aside = "Reclaim: pvc-UID as Some(\"default.c.pvc-UID\")";
    check(Reclaim::Retain, false, &["Warning SizeNotLimited", "VolumeRetained", aside]);
    check(Reclaim::Retain, true, &["VolumeRetained", aside]);
    check(Reclaim::Delete, true, &["Reclaim: pvc-UID as None"]);
}

#[test]
fn a_set_that_is_going_makes_no_revision() {
    let mut world = World::new(6);
    let mut going = world.add(set(json!({"replicas": 0})));
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now);
    going.meta_mut().deletion_timestamp = Some(now);
    going.meta_mut().finalizers = Some(vec!["foregroundDeletion".to_owned()]);
    world.put(going);
    world.settle();
    assert_eq!(world.keys(Kind::ControllerRevision), []);
}

#[test]
fn claims_are_made_and_kept() {
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Mi"}}}});
    let policy = |deleted: &str, scaled: &str| {
        json!({"replicas": 2, "volumeClaimTemplates": [claim],
            "persistentVolumeClaimRetentionPolicy":
                {"whenDeleted": deleted, "whenScaled": scaled}})
    };
    let owners = |world: &World, name: &str| -> Vec<String> {
        let claim = &world.objects[&key(Kind::PersistentVolumeClaim, name)];
        let owners = claim.meta().owner_references.iter().flatten();
        owners.map(|owner| format!("{}/{}", owner.kind, owner.name)).collect()
    };
    let check = |deleted: &str, scaled: &str, kept: &[&str], condemned: &[&str]| {
        let mut world = World::new(4);
        world.add(set(policy(deleted, scaled)));
        world.settle();
        all_ready(&mut world);
        assert_eq!(
            world.told()[..2],
            [
                "SuccessfulCreate: Create Claim data-web-0 Pod web-0 in StatefulSet web success",
                "SuccessfulCreate: Create Pod web-0 in StatefulSet web successful"
            ]
        );
        change(&mut world, json!({"replicas": 1}));
        let found = [owners(&world, "data-web-0"), owners(&world, "data-web-1")];
        assert_eq!(found, [kept.to_vec(), condemned.to_vec()], "{deleted} {scaled}");
        let pod = serde_json::to_value(&world.objects[&key(Kind::Pod, "web-0")]).expect("JSON");
        let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}});
        assert_eq!(pod["spec"]["volumes"], json!([volume]));
    };
    check("Retain", "Retain", &[], &[]);
    check("Delete", "Retain", &["StatefulSet/web"], &["StatefulSet/web"]);
    check("Retain", "Delete", &[], &["Pod/web-1"]);
    check("Delete", "Delete", &["StatefulSet/web"], &["Pod/web-1"]);
}
