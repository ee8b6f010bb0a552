//! How the files of a running pod follow the objects that they come from.

use super::{Order, PodObserved, Report};
use crate::kubelet::{plan, status};
use crate::order::{ContainerEvent, HookState};
use crate::plan::{Action, Lookup, View};
use crate::scheduler::queue;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockSteps, SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// ConfigMaps by their names.
#[derive(Default)]
struct Maps(BTreeMap<String, Value>);

impl Lookup for Maps {
    fn get(&self, key: &Key) -> Option<Object> {
        let data = self.0.get(&*key.name).filter(|_| key.kind == Kind::ConfigMap)?;
        let json = json!({"metadata": {"name": &*key.name}, "data": data});
        Some(key.kind.read_json(&serde_json::to_vec(&json).expect("JSON")).expect("a ConfigMap"))
    }

    fn list(&self, _: Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }

    fn orphans(&self, _: Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }
}

/// A pod of one container that mounts one volume.
struct World {
    pod: Pod,
    observed: PodObserved,
    maps: Maps,
    now: Timestamp,
}

impl World {
    /// Runs, started with the volume as it is at first.
    fn new(volume: Value, mount: Value, maps: &[(&str, Value)]) -> World {
        let (mut volume, mut mount) = (volume, mount);
        (volume["name"], mount["name"]) = (json!("v"), json!("v"));
        let container = json!({"name": "main", "image": "x", "command": ["run"],
            "volumeMounts": [mount]});
        let pod = json!({
            "metadata": {"name": "p", "namespace": "default", "uid": "u", "labels": {"k": "1"}},
            "spec": {"containers": [container], "volumes": [volume], "nodeName": "localhost"}});
        let mut pod: Pod = serde_json::from_value(pod).expect("a pod");
        pod.status = Some(status::fresh(pod.spec.as_ref().expect("a spec")));
        let maps = Maps(maps.iter().map(|(name, data)| ((*name).into(), data.clone())).collect());
        let now = Timestamp::UNIX_EPOCH;
        let mut world = World { pod, observed: PodObserved::default(), maps, now };
        assert!(queue::is_bound(&world.pod));
        assert_eq!(world.refreshed(), None, "nothing runs yet");
        let (id, post_start) = ("cronlet://1".to_owned(), HookState::Done);
        world.report("main", ContainerEvent::Started { id, pid: 1, at: now, post_start });
        world
    }

    fn report(&mut self, container: &str, event: ContainerEvent) {
        let (pod_uid, container) = ("u".to_owned(), container.to_owned());
        self.observed.apply_report(&Report { pod_uid, container, attempt: 0, event });
    }

    /// Plans and carries out until nothing is left to do: the files that were ordered last.
    fn refreshed(&mut self) -> Option<Vec<(String, String)>> {
        let mut found = None;
        for _ in 0..4 {
            let settings = Settings::default();
            let view = View {
                now: self.now,
                steps: &ClockSteps::default(),
                settings: &settings,
                owned: &[],
                lookup: &self.maps,
                stopping: false,
            };
            for action in plan::plan(&self.pod, &self.observed, &view).actions {
                match action {
                    Action::Put(Object::Pod(pod)) => self.pod = (*pod).clone(),
                    Action::Order(order) => {
                        self.observed.apply_order(&order);
                        if let Order::Refresh { mut volumes, .. } = order {
                            let files = volumes.remove(0).files.into_iter();
                            let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
                            found = Some(files.map(|one| (one.path, text(one.content))).collect());
                        }
                    }
                    _ => {}
                }
            }
        }
        found
    }
}

fn files(want: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(want.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect())
}

/// Returns the order that a change asks for; `None` if it asks for none.
#[track_caller]
fn check(volume: Value, mount: Value, change: impl Fn(&mut World), want: Option<&[(&str, &str)]>) {
    let mut world = World::new(volume, mount, &[("cm", json!({"a": "1"}))]);
    assert_eq!(world.refreshed(), None, "it was started with what is");
    change(&mut world);
    assert_eq!(world.refreshed(), want.and_then(files));
    assert_eq!(world.refreshed(), None, "it is ordered once");
}

fn set(name: &'static str, data: Value) -> impl Fn(&mut World) {
    move |world: &mut World| {
        world.maps.0.insert(name.into(), data.clone());
    }
}

fn remove(name: &'static str) -> impl Fn(&mut World) {
    move |world: &mut World| {
        world.maps.0.remove(name);
    }
}

#[test]
fn files_follow_their_objects() {
    let whole = || json!({"mountPath": "/v"});
    let part = || json!({"mountPath": "/v", "subPath": "a"});
    let map = || json!({"configMap": {"name": "cm"}});
    let optional = |name: &str| json!({"configMap": {"name": name, "optional": true}});
    let two = json!({"a": "2", "b": "3"});
    check(map(), whole(), set("cm", two.clone()), Some(&[("a", "2"), ("b", "3")]));
    check(map(), whole(), set("cm", json!({"a": "1"})), None);
    check(map(), whole(), set("other", two.clone()), None);
    check(map(), part(), set("cm", two.clone()), None);
    // What is required and goes keeps its last content.
    check(map(), whole(), remove("cm"), None);
    check(optional("cm"), whole(), remove("cm"), Some(&[]));
    check(optional("late"), whole(), set("late", json!({"x": "y"})), Some(&[("x", "y")]));
    let projected = json!({"projected": {"sources": [{"configMap": {"name": "cm",
        "items": [{"key": "a", "path": "deep/a"}]}}]}});
    check(projected, whole(), set("cm", two), Some(&[("deep/a", "2")]));
    let label = json!({"downwardAPI": {"items": [{"path": "label",
        "fieldRef": {"fieldPath": "metadata.labels['k']"}}]}});
    let relabel = |world: &mut World| {
        let labels = world.pod.metadata.labels.get_or_insert_default();
        labels.insert("k".into(), "2".into());
    };
    check(label, whole(), relabel, Some(&[("label", "2")]));
    let empty = json!({"emptyDir": {}});
    check(empty, whole(), set("cm", json!({"a": "2"})), None);
}

#[test]
fn a_daemon_that_was_away_catches_up_and_a_failure_is_tried_again() {
    let (volume, mount) = (json!({"configMap": {"name": "cm"}}), json!({"mountPath": "/v"}));
    let mut world = World::new(volume, mount, &[("cm", json!({"a": "1"}))]);
    world.observed.files.clear();
    assert_eq!(world.refreshed(), files(&[("a", "1")]));
    let (volume, message, at) = ("v".to_owned(), "no room".to_owned(), world.now);
    world.report("", ContainerEvent::NotRefreshed { volume, message, at });
    assert_eq!(world.refreshed(), None, "not at once");
    world.now += SignedDuration::from_secs(10);
    assert_eq!(world.refreshed(), files(&[("a", "1")]));
    // Files of a pod that ends stay: its namespace may be going, and the map with it.
    set("cm", json!({}))(&mut world);
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now);
    world.pod.metadata.deletion_timestamp = Some(now);
    assert_eq!(world.refreshed(), None);
}
