//! Who is bound, in which order, and what the others are told.

use super::Nothing;
use crate::kubelet::ports::{self, Ports};
use crate::scheduler::queue::{
    Decision, Held, Host, Pending, Taken, bind, held, is_bound, slot, takes_run,
};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::settings::{Limits, Settings};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::json;

/// A pod made at that second, of a Job or not.
fn pod(name: &str, second: i64, of_job: bool) -> Pod {
    let kind = if of_job { "Job" } else { "ReplicaSet" };
    let owner =
        json!({"apiVersion": "v1", "kind": kind, "name": "o", "uid": "o", "controller": true});
    let at = Timestamp::from_second(second).expect("in range").to_string();
    let meta = json!({"name": name, "namespace": "default", "creationTimestamp": at,
        "ownerReferences": [owner]});
    serde_json::from_value(json!({"metadata": meta, "spec": {"containers": []}})).expect("a pod")
}

fn decide(pods: &[Pod], running: u32, runs: Option<u32>) -> Vec<Decision> {
    decide_on(&Node::default(), pods, running, runs)
}

fn decide_on(node: &Node, pods: &[Pod], running: u32, runs: Option<u32>) -> Vec<Decision> {
    let pending: Vec<Pending> =
        pods.iter().map(|pod| Pending { pod, slot: slot(pod, None) }).collect();
    let settings = Settings { limits: Limits { runs, ..Limits::default() }, ..Settings::default() };
    let now = Timestamp::from_second(1000).expect("in range");
    let host = Host { node, lookup: &Nothing, settings: &settings, now };
    let mut taken = Taken::default();
    taken.runs = running;
    bind(&pending, &taken, &host, &mut Ports::default())
}

/// Decisions in their order: `name` is bound, `name?` is told to wait.
#[track_caller]
fn check(pods: &[Pod], running: u32, runs: Option<u32>, want: &[&str]) {
    let words: Vec<String> = decide(pods, running, runs)
        .iter()
        .map(|decision| {
            let mark = if is_bound(&decision.pod) { "" } else { "?" };
            assert_eq!(decision.event.is_some(), is_bound(&decision.pod));
            format!("{}{mark}", decision.pod.metadata.name.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(words, want);
}

#[test]
fn runs_are_limited_in_the_order_of_slots() {
    let pods = || [pod("c", 5, true), pod("b", 9, true), pod("a", 9, true), pod("free", 99, false)];
    check(&pods(), 0, None, &["c", "a", "b", "free"]);
    check(&pods(), 0, Some(2), &["c", "a", "b?", "free"]);
    check(&pods(), 1, Some(2), &["c", "a?", "b?", "free"]);
    check(&pods(), 7, Some(2), &["c?", "a?", "b?", "free"]);
    check(&pods(), 0, Some(0), &["c?", "a?", "b?", "free"]);
}

#[test]
fn a_pod_is_told_once_why_it_waits() {
    let waiting = decide(&[pod("a", 1, true)], 1, Some(1)).remove(0).pod;
    let condition =
        &waiting.status.as_ref().expect("a status").conditions.as_ref().expect("some")[0];
    assert_eq!((&*condition.type_, &*condition.status), ("PodScheduled", "False"));
    assert_eq!(condition.reason.as_deref(), Some("RunLimit"));
    let message = condition.message.as_deref();
    assert_eq!(message, Some("waiting for one of the 1 runs that limits.runs allows on this host"));
    check(std::slice::from_ref(&waiting), 1, Some(1), &[]);
    let bound = decide(std::slice::from_ref(&waiting), 0, Some(1)).remove(0);
    let conditions = bound.pod.status.as_ref().and_then(|status| status.conditions.clone());
    let conditions = conditions.expect("conditions");
    assert_eq!((conditions.len(), &*conditions[0].status), (1, "True"));
    assert_eq!(conditions[0].reason, None);
    let event = bound.event.expect("an event");
    assert_eq!(event.message, "Successfully assigned default/a to localhost");
}

#[test]
fn a_pod_waits_for_a_node_that_fits() {
    let mut choosy = pod("choosy", 1, true);
    let spec = choosy.spec.get_or_insert_default();
    spec.node_selector = Some([("disk".to_owned(), "ssd".to_owned())].into());
    let mut node = Node::default();
    let waiting = decide_on(&node, &[choosy, pod("other", 2, true)], 0, Some(1));
    let [told, bound] = &waiting[..] else { panic!("two decisions") };
    assert!(is_bound(&bound.pod), "it takes no run that it does not use");
    let event = told.event.as_ref().expect("an event");
    let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. \
                   no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption \
                   is not helpful for scheduling.";
    assert_eq!((event.reason, &*event.message), ("FailedScheduling", message));
    let conditions = told.pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let reason = conditions.expect("conditions")[0].reason.as_deref();
    assert_eq!(reason, Some("Unschedulable"));
    let waiting = [told.pod.clone()];
    assert!(decide_on(&node, &waiting, 0, None).is_empty(), "it is told once");
    let (settings, now) = (&Settings::default(), Timestamp::UNIX_EPOCH);
    let host = Host { node: &node, lookup: &Nothing, settings, now };
    let held = held(&waiting[0], &host, &Ports::default());
    assert_eq!(held, Some(Held::Change), "those behind it need not wait");
    node.metadata.labels = Some([("disk".to_owned(), "ssd".to_owned())].into());
    assert!(is_bound(&decide_on(&node, &waiting, 0, None)[0].pod));
}

#[test]
fn what_is_gone_bound_or_gated_is_not_bound() {
    let mut going = pod("going", 1, true);
    going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
    let mut bound = pod("bound", 1, true);
    bound.spec.get_or_insert_default().node_name = Some("n".into());
    let gates = json!({"containers": [], "schedulingGates": [{"name": "g"}]});
    let mut gated = pod("gated", 1, true);
    gated.spec = serde_json::from_value(gates).expect("a spec");
    check(&[going, bound.clone(), gated], 0, Some(1), &["gated?"]);
    assert!(takes_run(&bound) && !takes_run(&pod("a", 1, true)));
    bound.status.get_or_insert_default().phase = Some("Failed".into());
    assert!(!takes_run(&bound));
}

#[test]
fn the_slot_is_the_jobs() {
    let at = |second| Timestamp::from_second(second).expect("in range");
    let name = "batch.kubernetes.io/cronjob-scheduled-timestamp";
    let job = json!({"metadata": {"annotations": {name: at(60).to_string()}}});
    let job: Job = serde_json::from_value(job).expect("a job");
    assert_eq!(slot(&pod("a", 70, true), Some(&job)), at(60));
    assert_eq!(slot(&pod("a", 70, true), Some(&Job::default())), at(70));
}

/// A bound pod, or one to be bound, with these `hostPort`s: `80`, `80/UDP`, `80@10.0.0.1`.
fn on_ports(name: &str, is_bound: bool, ports: &[&str]) -> Pod {
    let port = |text: &&str| {
        let (text, ip) = text.split_once('@').unwrap_or((text, ""));
        let (number, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
        let number: i32 = number.parse().expect("a number");
        json!({"containerPort": 1, "hostPort": number, "protocol": protocol, "hostIP": ip})
    };
    let ports: Vec<serde_json::Value> = ports.iter().map(port).collect();
    let node = if is_bound { "localhost" } else { "" };
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": [{"name": "main", "ports": ports}]},
    }))
    .expect("a pod")
}

#[test]
fn pods_that_want_one_host_port_are_parted() {
    let check = |held: &[&str], wanted: &[&str], free: bool| {
        let mut ports = Ports::default();
        ports.watch(&on_ports("first", true, held));
        let pods = [on_ports("second", false, wanted), on_ports("third", false, wanted)];
        let pending: Vec<Pending> =
            pods.iter().map(|pod| Pending { pod, slot: slot(pod, None) }).collect();
        let now = Timestamp::from_second(1000).expect("in range");
        let (node, settings) = (Node::default(), Settings::default());
        let host = Host { node: &node, lookup: &Nothing, settings: &settings, now };
        let decisions = bind(&pending, &Taken::default(), &host, &mut ports);
        let bound: Vec<bool> = decisions.iter().map(|decision| is_bound(&decision.pod)).collect();
        // Of two that come together one waits for the other.
        assert_eq!(bound, [free, false], "{held:?} {wanted:?}");
        let event = decisions[1].event.as_ref().expect("an event");
        assert_eq!(event.reason, "FailedScheduling");
        let holder = if free { "default/second" } else { "default/first" };
        let text = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested";
        assert!(event.message.starts_with(text), "{}", event.message);
        assert!(event.message.contains(holder), "{}", event.message);
    };
    check(&["80"], &["80"], false);
    check(&["80"], &["443", "80"], false);
    check(&["80"], &["81"], true);
    check(&["80"], &["80/UDP"], true);
    check(&["80@10.0.0.1"], &["80"], false);
    check(&["80"], &["80@10.0.0.1"], false);
    check(&["80@10.0.0.1"], &["80@10.0.0.1"], false);
    check(&["80@10.0.0.1"], &["80@10.0.0.2"], true);
    check(&["0"], &["80"], true);
}

#[test]
fn who_waits_for_a_port_hears_when_it_is_free() {
    let pod = |name: &str, state: serde_json::Value, phase: &str| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "n", "containers": [
                {"name": "main", "ports": [{"containerPort": 80}]}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "main", "ready": true,
                "restartCount": 0, "image": "", "imageID": "", "state": state}]},
        }))
        .expect("a pod")
    };
    let running = || json!({"running": {}});
    let waiting = || json!({"waiting": {"reason": "PortInUse"}});
    let key = |name: &str| Key::new(Kind::Pod, "default", name);
    let port = ports::Port { protocol: ports::Protocol::Tcp, number: 80 };
    let mut ports = Ports::default();
    assert_eq!(ports.watch(&pod("first", running(), "Running")), []);
    assert_eq!(ports.watch(&pod("second", waiting(), "Pending")), []);
    assert_eq!(ports.holders(port, &key("second")), [key("first")]);
    assert_eq!(ports.holders(port, &key("first")), []);
    assert_eq!(ports.watch(&pod("first", running(), "Succeeded")), [key("second")]);
    assert_eq!(ports.holders(port, &key("second")), []);
    ports.watch(&pod("first", running(), "Running"));
    assert_eq!(ports.forget(&key("first")), [key("second")]);
    assert_eq!(ports.forget(&key("second")), []);
}

#[test]
fn no_more_pods_are_bound_than_the_node_takes() {
    let owned = |name: &str, owner: &str| {
        let mut pod = pod(name, 0, false);
        pod.metadata.owner_references = None;
        if !owner.is_empty() {
            let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner,
                "uid": owner, "controller": true}]);
            pod.metadata.owner_references = serde_json::from_value(owner).expect("an owner");
        }
        pod
    };
    let check = |pods_max: u32, before: &[(&str, &str)], new: &[(&str, &str)], bound: &[&str]| {
        let node = json!({"status": {"allocatable": {"pods": pods_max.to_string()}}});
        let node: Node = serde_json::from_value(node).expect("a node");
        let mut taken = Taken::default();
        for (name, owner) in before {
            let pod = owned(name, owner);
            taken.insert(&Object::from(pod.clone()).key(), &pod);
        }
        let pods: Vec<Pod> = new.iter().map(|(name, owner)| owned(name, owner)).collect();
        let pending: Vec<Pending> =
            pods.iter().map(|pod| Pending { pod, slot: slot(pod, None) }).collect();
        let now = Timestamp::from_second(1000).expect("in range");
        let settings = Settings::default();
        let host = Host { node: &node, lookup: &Nothing, settings: &settings, now };
        let decisions = bind(&pending, &taken, &host, &mut Ports::default());
        let (yes, no): (Vec<_>, Vec<_>) = decisions.iter().partition(|one| is_bound(&one.pod));
        let names: Vec<&str> =
            yes.iter().filter_map(|one| one.pod.metadata.name.as_deref()).collect();
        assert_eq!(names, bound);
        for decision in no {
            let event = decision.event.as_ref().expect("an event");
            assert!(event.message.starts_with("0/1 nodes are available: 1 Too many pods. "));
        }
    };
    check(2, &[("a", "")], &[("b", ""), ("c", "")], &["b"]);
    check(2, &[("a", ""), ("b", "")], &[("c", "")], &[]);
    // The last tenth is not one owner's.
    check(3, &[("a", "x")], &[("b", "x"), ("c", "x"), ("d", "y")], &["b", "d"]);
    check(0, &[], &[("a", "")], &[]);
}
