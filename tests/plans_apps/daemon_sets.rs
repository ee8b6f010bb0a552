//! DaemonSets: one pod on this host, if it fits, and how a new template comes to it.

use crate::common::merge;
use crate::world::{World, key, name_of};
use cronlet_api::admission;
use cronlet_api::kind::Kind;
use serde_json::{Value, json};

fn set(spec: Value) -> Value {
    let template = json!({
        "metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "m", "image": "i", "command": ["x"]}]},
    });
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template},
    });
    merge(&mut set["spec"], &spec);
    set
}

fn world(spec: Value) -> World {
    let mut world = World::new(11);
    world.add(set(spec));
    world.settle();
    world
}

fn change(world: &mut World, spec: Value) {
    world.edit(&key(Kind::DaemonSet, "agent"), |set| merge(&mut set["spec"], &spec));
    world.settle();
}

fn status(world: &World) -> Value {
    let set = serde_json::to_value(&world.objects[&key(Kind::DaemonSet, "agent")]).expect("JSON");
    set["status"].clone()
}

/// How many pods stay, and how many go.
fn counts(world: &World) -> (usize, usize) {
    let pods = world.pods();
    let going = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()).count();
    (pods.len() - going, going)
}

fn ready(world: &mut World, is_ready: bool) {
    for pod in world.pods().iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        world.set_pod(name_of(pod), "Running", is_ready);
    }
    world.settle();
}

fn gone(world: &mut World) {
    for pod in world.pods().iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
        world.gone(&key(Kind::Pod, name_of(pod)));
    }
    world.settle();
}

#[test]
fn what_picks_a_node_has_an_effect() {
    let picky = json!({"nodeSelector": {"disk": "ssd"}, "tolerations": [], "hostUsers": false});
    let object = set(json!({"template": {"spec": picky}})).to_string();
    let object = Kind::DaemonSet.read_json(object.as_bytes()).expect("a DaemonSet");
    let admitted = admission::preview(object, "default").expect("it is fine");
    let [warning] = &admitted.warnings[..] else { panic!("{:?}", admitted.warnings) };
    assert!(warning.starts_with("spec.template.spec.hostUsers: has no effect"), "{warning}");
}

#[test]
fn one_pod_on_this_host() {
    let mut world = world(json!({"minReadySeconds": 5}));
    assert_eq!(counts(&world), (1, 0));
    let pod = serde_json::to_value(world.pods()[0].as_ref()).expect("JSON");
    assert_eq!(pod["metadata"]["labels"]["pod-template-generation"], "1");
    let affinity = &pod["spec"]["affinity"]["nodeAffinity"];
    let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"];
    let term = &required["nodeSelectorTerms"][0];
    assert_eq!(term["matchFields"][0]["values"], json!(["localhost"]));
    assert!(pod["spec"]["tolerations"].as_array().expect("a list").len() >= 6);
    let counted = |ready: i64, more: Value| {
        let mut status = json!({"observedGeneration": 1, "desiredNumberScheduled": 1,
            "currentNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": ready,
            "updatedNumberScheduled": 1});
        merge(&mut status, &more);
        status
    };
    assert_eq!(status(&world), counted(0, json!({"numberUnavailable": 1})));
    ready(&mut world, true);
    assert_eq!(status(&world), counted(1, json!({"numberUnavailable": 1})));
    world.wait(5);
    assert_eq!(status(&world), counted(1, json!({"numberAvailable": 1})));
    let told = world.told();
    assert!(told.len() == 1 && told[0].starts_with("SuccessfulCreate: Created pod: agent-"));
}

#[test]
fn nodes_that_do_not_fit() {
    let pod = |spec: Value| json!({"template": {"spec": spec}});
    let none = world(pod(json!({"nodeSelector": {"disk": "ssd"}})));
    assert_eq!(
        (counts(&none), status(&none)["desiredNumberScheduled"].clone()),
        ((0, 0), 0.into())
    );
    let mut here = world(pod(json!({"nodeSelector": {"kubernetes.io/os": "linux"}})));
    assert_eq!(counts(&here), (1, 0));
    change(&mut here, pod(json!({"nodeSelector": {"disk": "ssd"}})));
    assert_eq!(counts(&here), (0, 1), "it no longer fits");
    gone(&mut here);
    assert_eq!(counts(&here), (0, 0));
    here.add(json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "localhost",
            "labels": {"disk": "ssd", "kubernetes.io/os": "linux"}}}));
    change(&mut here, json!({"minReadySeconds": 1}));
    assert_eq!(counts(&here), (1, 0), "the Node has the label now");
    for (effect, want) in [("NoSchedule", (1, 0)), ("NoExecute", (0, 1))] {
        let taints = json!([{"key": "k", "effect": effect}]);
        here.edit(&key(Kind::Node, "localhost"), |node| node["spec"]["taints"] = taints);
        change(&mut here, json!({"minReadySeconds": if effect == "NoExecute" { 2 } else { 3 }}));
        assert_eq!(counts(&here), want, "{effect}");
    }
}

#[test]
fn a_new_template() {
    let new = json!({"template": {"metadata": {"annotations": {"v": "2"}}}});
    let check = |strategy: Value, steps: &[(usize, usize)]| {
        let mut world = world(json!({"updateStrategy": strategy}));
        ready(&mut world, true);
        change(&mut world, new.clone());
        let mut found = vec![counts(&world)];
        ready(&mut world, true);
        found.push(counts(&world));
        gone(&mut world);
        found.push(counts(&world));
        assert_eq!(found, steps, "{strategy}");
        let is_updated = status(&world)["updatedNumberScheduled"] == 1;
        assert_eq!(is_updated, strategy["type"] != "OnDelete", "{strategy}");
    };
    check(json!({}), &[(0, 1), (0, 1), (1, 0)]);
    check(json!({"type": "OnDelete"}), &[(1, 0), (1, 0), (1, 0)]);
    let surge = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    check(surge, &[(2, 0), (1, 1), (1, 0)]);
}

#[test]
fn a_surging_pod_takes_over_when_it_was_ready_for_long_enough() {
    let surge = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let mut world = world(json!({"updateStrategy": surge, "minReadySeconds": 7}));
    ready(&mut world, true);
    world.wait(10);
    change(&mut world, json!({"template": {"metadata": {"annotations": {"v": "2"}}}}));
    ready(&mut world, true);
    world.wait(6);
    assert_eq!(counts(&world), (2, 0));
    world.wait(1);
    assert_eq!(counts(&world), (1, 1), "nothing else wakes it");
}

/// The template of a set whose container has the port on the host.
fn on_host(port: u16) -> Value {
    let ports = json!([{"containerPort": port, "hostPort": port}]);
    let container = json!([{"name": "m", "image": "i", "command": ["x"], "ports": ports}]);
    json!({"template": {"spec": {"containers": container}}})
}

#[test]
fn a_surging_pod_gets_its_port_from_the_old_one() {
    let surge = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let mut spec = on_host(8080);
    merge(&mut spec, &json!({"updateStrategy": surge}));
    let mut world = world(spec);
    ready(&mut world, true);
    world.told();
    let old = name_of(&world.pods()[0]).to_owned();
    change(&mut world, json!({"template": {"metadata": {"annotations": {"v": "2"}}}}));
    assert_eq!(counts(&world), (1, 1), "the old one goes, though the new one is not available");
    let blocked = status(&world)["conditions"][0].clone();
    assert_eq!((&blocked["type"], &blocked["reason"]), (&"PortInUse".into(), &"OldPodGoes".into()));
    let why = format!("waits for port 8080, which pod {old} has: the old pod goes first");
    assert!(blocked["message"].as_str().expect("a text").contains(&why), "{blocked}");
    assert!(world.told().iter().any(|one| one.starts_with("PortInUse: ") && one.contains(&why)));
    gone(&mut world);
    assert_eq!(status(&world)["conditions"], Value::Null);
    // A pod of someone else keeps the port.
    world.set_pod(name_of(&world.pods()[0].clone()), "Running", true);
    world.add(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other"},
        "spec": {"containers": on_host(9090)["template"]["spec"]["containers"]}}));
    world.set_pod("other", "Running", true);
    change(&mut world, on_host(9090));
    assert_eq!((counts(&world), &status(&world)["conditions"]), ((3, 0), &Value::Null));
}

#[test]
fn ended_pods_are_replaced() {
    for (phase, reason) in [("Failed", "Warning FailedDaemonPod"), ("Succeeded", "SucceededDaemon")]
    {
        let mut world = world(json!({}));
        world.told();
        let name = name_of(&world.pods()[0]).to_owned();
        world.set_pod(&name, phase, false);
        world.settle();
        world.wait(1);
        let told = world.told();
        assert!(told[0].starts_with(reason), "{told:?}");
        assert!(told[1].starts_with("SuccessfulDelete: Deleted pod: agent-"), "{told:?}");
        assert_eq!(counts(&world), (1, 1), "the ended one does not hold up the next: {phase}");
    }
}
