//! The recorded scenarios of a real Kubernetes, replayed: the pods do what they did there, the
//! plans of Deployment and ReplicaSets answer here, and what they write and say is what Kubernetes
//! wrote and said.

use crate::common;
use crate::world::{World, key, name_of};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::time::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn deployments_are_as_recorded() {
    for scenario in ["deploy-rolling", "deploy-pause", "deploy-stuck"] {
        check(scenario);
    }
}

/// Every status that Kubernetes wrote is one that the plans wrote, in the same order, and the last
/// is the last; the events are the same ones in the same order, and so are the annotations of each
/// ReplicaSet in the end. Here fewer steps are written one by one: Kubernetes writes a condition or
/// an annotation, looks again, and then writes the rest.
fn check(scenario: &str) {
    let lines: Vec<Value> = common::recording(&format!("scenarios/{scenario}.jsonl"));
    let mut replay = Replay::new(&lines);
    replay.run();
    let written = |kind: Kind, name: &str| -> Vec<(String, String)> {
        let of_kind = replay.world.written.iter().filter(|one| one.kind() == kind);
        let versions = of_kind.map(|one| serde_json::to_value(one).expect("JSON"));
        let versions = versions.map(|one| replay.translate(&one));
        let versions = versions.filter(|one| one["metadata"]["name"] == name);
        versions.map(|one| show(&one)).collect()
    };
    let mut compared = 0;
    for ((kind, name), recorded) in &replay.recorded {
        let ours = written(Kind::from_name(kind).expect("a kind"), name);
        let mut rest = ours.iter();
        for status in recorded {
            let found = rest.any(|one| one.0 == status.0);
            assert!(found, "{scenario}: {name}: {status:?}\nis not in\n{ours:#?}");
            compared += 1;
        }
        assert_eq!(ours.last(), recorded.last(), "{scenario}: {name}: the end");
    }
    assert!(compared > 15, "{scenario} has statuses to compare, {compared}");
    for kind in [Kind::Deployment, Kind::ReplicaSet] {
        assert_eq!(replay.told(kind), recorded_events(&lines, kind), "{scenario}: events");
    }
}

/// Reasons and messages about a kind, in order, without the names of pods.
fn recorded_events(lines: &[Value], kind: Kind) -> Vec<String> {
    let events = lines.iter().map(|line| &line["object"]).filter(|object| {
        object["kind"] == "Event" && object["involvedObject"]["kind"] == kind.info().kind
    });
    let text = |event: &Value| {
        let word = |field: &str| event[field].as_str().expect("a text").to_owned();
        let message = word("message").replace("(combined from similar events): ", "");
        let about = event["involvedObject"]["name"].as_str().expect("a name").to_owned();
        plain_event(&about, &format!("{}: {message}", word("reason")))
    };
    sorted_by_object(events.map(text).collect())
}

/// The events of one object are in order; those of several come as they come.
fn sorted_by_object(mut events: Vec<(String, String)>) -> Vec<String> {
    events.sort_by(|a, b| a.0.cmp(&b.0));
    events.into_iter().map(|(about, text)| format!("{about} {text}")).collect()
}

fn plain_event(about: &str, text: &str) -> (String, String) {
    let text = match text.split_once(" pod: ") {
        Some((what, _)) => format!("{what} pod"),
        None => text.to_owned(),
    };
    (about.to_owned(), text)
}

/// What is compared of a Deployment's or ReplicaSet's version, and its annotations.
fn show(object: &Value) -> (String, String) {
    let mut status = object["status"].clone();
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        for time in ["lastUpdateTime", "lastTransitionTime"] {
            condition.as_object_mut().expect("a condition").remove(time);
        }
    }
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|name, _| name.starts_with("deployment.kubernetes.io/"));
    }
    let replicas = &object["spec"]["replicas"];
    let text = format!("{replicas} {} {status}", object["metadata"]["generation"]);
    (text, annotations.to_string())
}

struct Replay<'a> {
    lines: &'a [Value],
    world: World,
    /// Our names of ReplicaSets, and theirs, in the order of their making.
    names: Vec<(String, String)>,
    /// What Kubernetes wrote, by kind and name.
    recorded: BTreeMap<(String, String), Vec<(String, String)>>,
    /// Ready recorded pods, by their ReplicaSet.
    ready: BTreeMap<String, String>,
    deployment: String,
}

impl<'a> Replay<'a> {
    fn new(lines: &'a [Value]) -> Replay<'a> {
        Replay {
            lines,
            world: World::new(1),
            names: Vec::new(),
            recorded: BTreeMap::new(),
            ready: BTreeMap::new(),
            deployment: String::new(),
        }
    }

    fn run(&mut self) {
        let mut start = None;
        for line in self.lines {
            let object = &line["object"];
            let t = line["t"].as_f64().expect("seconds");
            if let Some((from, at)) = start {
                let since = SignedDuration::from_secs_f64(t - from);
                self.world.wait_until(at + since);
            }
            match object["kind"].as_str() {
                Some("Deployment") if start.is_none() => {
                    start = Some((t, self.begin(object)));
                }
                Some("Deployment") => self.follow_user(object),
                Some("ReplicaSet") => self.note_set(object),
                Some("Pod") => self.follow_pod(line["type"] == "DELETED", object),
                _ => {}
            }
            self.world.settle();
        }
    }

    fn begin(&mut self, object: &Value) -> Timestamp {
        let created = object["metadata"]["creationTimestamp"].as_str().expect("a time");
        self.world.now = created.parse().expect("a time");
        self.deployment = object["metadata"]["name"].as_str().expect("a name").to_owned();
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = Value::Null;
        self.world.add(object);
        self.world.now
    }

    /// What a user changes is the spec; the rest is the controllers'.
    fn follow_user(&mut self, recorded: &Value) {
        let ours = self.world.deployment(&self.deployment);
        if recorded["metadata"]["generation"] != json!(ours.metadata.generation) {
            self.world.edit(&key(Kind::Deployment, &self.deployment), |ours| {
                ours["spec"] = recorded["spec"].clone();
            });
        }
        // Between: the spec was not yet looked at.
        if recorded["status"]["observedGeneration"] == recorded["metadata"]["generation"] {
            self.note(recorded);
        }
    }

    fn note(&mut self, recorded: &Value) {
        let word = |value: &Value| value.as_str().expect("a text").to_owned();
        let (kind, name) = (word(&recorded["kind"]), word(&recorded["metadata"]["name"]));
        let versions = self.recorded.entry((kind, name)).or_default();
        let version = show(recorded);
        versions.pop_if(|last| last.0 == version.0);
        versions.push(version);
    }

    fn note_set(&mut self, recorded: &Value) {
        let name = recorded["metadata"]["name"].as_str().expect("a name");
        if !self.names.iter().any(|(_, theirs)| theirs == name) {
            let known = |ours: &str| self.names.iter().any(|(known, _)| known == ours);
            let sets = self.world.sets();
            let mut sets = sets.iter().map(|set| set.metadata.name.clone().expect("a name"));
            let ours = sets.find(|ours| !known(ours)).expect("it is made here as well");
            let made = self.world.set(&ours);
            compare_made(&serde_json::to_value(&*made).expect("JSON"), recorded);
            self.names.push((ours, name.to_owned()));
        }
        // Between, as above.
        if recorded["status"]["observedGeneration"] == recorded["metadata"]["generation"] {
            self.note(recorded);
        }
    }

    /// As many pods of a set become ready, end and go as did there.
    fn follow_pod(&mut self, is_gone: bool, recorded: &Value) {
        let theirs = recorded["metadata"]["ownerReferences"][0]["name"].as_str().expect("an owner");
        let name = recorded["metadata"]["name"].as_str().expect("a name").to_owned();
        let ours = self.names.iter().find(|(_, one)| one == theirs).map(|(ours, _)| ours.clone());
        let Some(ours) = ours else { return };
        let of_set = |pod: &&std::sync::Arc<k8s_openapi::api::core::v1::Pod>| {
            let owners = pod.metadata.owner_references.as_ref().expect("an owner");
            owners[0].name == ours
        };
        let all = self.world.pods();
        let pods: Vec<_> = all.iter().filter(of_set).collect();
        let is_going =
            |pod: &k8s_openapi::api::core::v1::Pod| pod.metadata.deletion_timestamp.is_some();
        let conditions = recorded["status"]["conditions"].as_array();
        let is_ready = conditions.is_some_and(|all| {
            all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        });
        if is_gone {
            let pod = pods.iter().find(|pod| is_going(pod)).expect("one goes here as well");
            self.world.gone(&key(Kind::Pod, name_of(pod)));
        } else if is_ready && recorded["metadata"]["deletionTimestamp"].is_null() {
            if self.ready.insert(name, ours).is_none() {
                let unready = |pod: &&&std::sync::Arc<k8s_openapi::api::core::v1::Pod>| {
                    !is_going(pod) && !cronlet_plan::kubelet::availability::is_ready(pod)
                };
                let pod = pods.iter().find(unready).expect("one is not ready yet");
                self.world.set_pod(name_of(pod), "Running", true);
            }
        } else if recorded["status"]["phase"] != "Pending" && !is_ready {
            // A pod that ends after it was asked to go.
            let phase = recorded["status"]["phase"].as_str().expect("a phase");
            if let Some(pod) = pods.iter().find(|pod| is_going(pod)).filter(|_| phase != "Running")
            {
                self.world.set_pod(name_of(pod), phase, false);
            }
        }
    }

    /// Our names of ReplicaSets as theirs.
    fn translate(&self, ours: &Value) -> Value {
        let mut text = ours.to_string();
        for (ours, theirs) in &self.names {
            text = text.replace(ours, theirs);
        }
        serde_json::from_str(&text).expect("JSON")
    }

    fn told(&self, kind: Kind) -> Vec<String> {
        let events = self.world.events.iter().filter(|(about, _, _)| *about == kind);
        let text = |(_, about, text): &(Kind, String, String)| {
            let (mut about, mut text) = (about.clone(), text.clone());
            for (ours, theirs) in &self.names {
                (about, text) = (about.replace(ours, theirs), text.replace(ours, theirs));
            }
            plain_event(&about, &text)
        };
        sorted_by_object(events.map(text).collect())
    }
}

/// But for the hash in names and labels, a ReplicaSet is made as there.
fn compare_made(ours: &Value, theirs: &Value) {
    let hash = |object: &Value| {
        let labels = &object["metadata"]["labels"];
        labels["pod-template-hash"].as_str().expect("the hash").to_owned()
    };
    let ours_as_theirs = |value: &Value| -> Value {
        let text = value.to_string().replace(&hash(ours), &hash(theirs));
        serde_json::from_str(&text).expect("JSON")
    };
    for field in ["name", "labels"] {
        let ours = ours_as_theirs(&ours["metadata"][field]);
        assert_eq!(ours, theirs["metadata"][field], "metadata.{field}");
    }
    for field in ["selector", "template"] {
        assert_eq!(ours_as_theirs(&ours["spec"][field]), theirs["spec"][field], "spec.{field}");
    }
    let owner = |object: &Value| {
        let mut owner = object["metadata"]["ownerReferences"][0].clone();
        owner["uid"] = json!("a uid");
        owner
    };
    assert_eq!(owner(ours), owner(theirs));
    let is_ours = Kind::ReplicaSet.deserialize(ours.clone()).map(|set: Object| set.kind());
    assert_eq!(is_ours.expect("it is read"), Kind::ReplicaSet);
}
