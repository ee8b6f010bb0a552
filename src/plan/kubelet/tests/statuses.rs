//! What a status says in full: messages, addresses, resources, conditions and their times.

use super::{World, simple};
use crate::kubelet::events;
use crate::order::{ContainerEvent, Report};
use cronlet_api::time::{ClockStep, SignedDuration};
use k8s_openapi::api::core::v1::PodCondition;
use serde_json::{Value, json};

fn play(spec: Value, script: &[&str]) -> World {
    let mut world = World::new(spec);
    script.iter().for_each(|line| world.step(line));
    world
}

/// Compares one part of the status, by its JSON pointer; `null` where there is none.
#[track_caller]
fn check(world: &World, pointer: &str, want: Value) {
    let status = serde_json::to_value(world.pod.status.as_ref()).expect("JSON");
    let got = status.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(got, want, "{pointer} of {status:#}");
}

#[test]
fn a_running_pod_in_full() {
    let mut spec = simple("Always");
    let requests = json!({"cpu": "100m", "memory": "1Gi"});
    spec["containers"][0]["resources"] = json!({"requests": requests, "limits": {"cpu": "1"}});
    spec["containers"][0]["volumeMounts"] = json!([
        {"name": "v", "mountPath": "/v", "readOnly": true},
        {"name": "v", "mountPath": "/w"}]);
    spec["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    let world = play(spec, &["0 bind", "1.7 started main"]);
    let main = |pointer: &str, want: Value| {
        check(&world, &format!("/containerStatuses/0{pointer}"), want);
    };
    main("/resources", json!({"requests": requests, "limits": {"cpu": "1"}}));
    main("/allocatedResources", requests.clone());
    main("/containerID", json!("cronlet://main-0"));
    main("/image", json!("x"));
    main("/imageID", json!(""));
    main("/lastState", json!({}));
    // Kubernetes' times are whole seconds.
    main("/state/running/startedAt", json!("2027-01-15T08:00:01Z"));
    main(
        "/volumeMounts/0",
        json!({"name": "v", "mountPath": "/v", "readOnly": true,
        "recursiveReadOnly": "Disabled"}),
    );
    main("/volumeMounts/1", json!({"name": "v", "mountPath": "/w"}));
    check(&world, "/hostIP", json!("127.0.0.1"));
    check(&world, "/hostIPs", json!([{"ip": "127.0.0.1"}]));
    check(&world, "/podIPs", json!([{"ip": "127.0.0.1"}]));
    check(&world, "/podIP", json!("127.0.0.1"));
    check(&world, "/startTime", json!("2027-01-15T08:00:00Z"));
    check(&world, "/qosClass", json!("Burstable"));
    check(&world, "/observedGeneration", json!(1));
    check(&world, "/resources", json!({}));
}

#[test]
fn nothing_has_an_address_before_it_runs() {
    let world = play(simple("Always"), &["0 bind"]);
    for pointer in [
        "/podIP",
        "/podIPs",
        "/containerStatuses/0/containerID",
        "/containerStatuses/0/resources",
        "/containerStatuses/0/state/waiting/message",
    ] {
        check(&world, pointer, Value::Null);
    }
}

#[test]
fn the_backoff_says_how_long() {
    let mut world = play(simple("Always"), &["0 bind", "0 started main"]);
    let mut at = 0;
    let mut waits = Vec::new();
    for _ in 0..8 {
        world.step(&format!("{at} exit main 1"));
        at += 300;
        world.step(&format!("{at} look"));
        let status = world.pod.status.as_ref().expect("a status");
        let state = status.container_statuses.as_ref().expect("one")[0].state.clone();
        waits.push(state.and_then(|state| state.waiting?.message).unwrap_or_default());
        world.step(&format!("{at} started main"));
    }
    let full = |wait| format!("back-off {wait} restarting failed container=main pod=p_default(u)");
    let mut want = vec![String::new()];
    want.extend(["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"].map(full));
    assert_eq!(waits, want);
}

#[test]
fn the_deadline_is_named() {
    let mut spec = simple("Never");
    spec["activeDeadlineSeconds"] = json!(5);
    let world = play(spec, &["0 bind", "1 started main", "5 look", "6 exit main 143"]);
    check(&world, "/reason", json!("DeadlineExceeded"));
    let message = "Pod was active on the node longer than the specified deadline";
    check(&world, "/message", json!(message));
}

fn condition<'w>(world: &'w World, type_: &str) -> &'w PodCondition {
    let conditions = world.pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut all = conditions.expect("conditions").iter();
    all.find(|condition| condition.type_ == type_).expect("the condition")
}

#[test]
fn conditions_turn_when_they_change() {
    let mut world = play(simple("Always"), &["0 bind", "2 started main", "5 exit main 1"]);
    let since = |world: &World, type_: &str| {
        let at = condition(world, type_).last_transition_time.as_ref().expect("a time").0;
        world.seconds(at)
    };
    let times = ["PodScheduled", "Initialized", "PodReadyToStartContainers", "Ready"]
        .map(|type_| since(&world, type_));
    assert_eq!(times, [0.0, 0.0, 2.0, 5.0]);
    world.step("7 started main");
    assert_eq!(since(&world, "Ready"), 7.0);
    assert_eq!(since(&world, "PodReadyToStartContainers"), 2.0);
}

#[test]
fn other_conditions_stay_and_gates_hold_readiness_back() {
    let mut spec = simple("Always");
    spec["readinessGates"] = json!([{"conditionType": "example.com/lb"}]);
    let mut world = play(spec, &["0 bind", "1 started main"]);
    let ready = condition(&world, "Ready");
    let message =
        "corresponding condition of pod readiness gate \"example.com/lb\" does not exist.";
    assert_eq!(ready.message.as_deref(), Some(message));
    assert_eq!(ready.reason.as_deref(), Some("ReadinessGatesNotReady"));
    let status = world.pod.status.as_mut().expect("a status");
    let (type_, yes) = ("example.com/lb".to_owned(), "True".to_owned());
    let gate = PodCondition { type_, status: yes, ..Default::default() };
    status.conditions.get_or_insert_default().push(gate);
    world.step("2 look");
    assert_eq!(condition(&world, "Ready").status, "True");
    let conditions = world.pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    assert_eq!(conditions.expect("conditions")[0].type_, "example.com/lb");
    let status = world.pod.status.as_mut().expect("a status");
    status.conditions.get_or_insert_default()[0].status = "False".into();
    world.step("3 look");
    let message = "the status of pod readiness gate \"example.com/lb\" is not \"True\", but False";
    assert_eq!(condition(&world, "Ready").message.as_deref(), Some(message));
}

#[test]
fn a_long_wait_is_told_again_after_a_minute() {
    let mut world = play(simple("Always"), &["0 bind"]);
    for at in [0, 300, 600, 900, 1200] {
        for word in ["look", "started main", "exit main 1"] {
            world.step(&format!("{at} {word}"));
        }
    }
    let mut said = |line: &str| {
        world.answer.clear();
        world.step(line);
        world.answer.join("; ")
    };
    assert_eq!(said("1259 look"), "wake 1260");
    assert_eq!(
        said("1260 look"),
        "BackOff{main} Back-off restarting failed container main in pod p_default(u); \
         Running PIrcS main:wait(CrashLoopBackOff)#4<1; wake 1280"
    );
    assert_eq!(said("1280 look"), "start main#5");
}

#[test]
fn the_conditions_tell_of_the_deadline_before_the_containers_have_ended() {
    let mut spec = simple("Always");
    spec["activeDeadlineSeconds"] = json!(10);
    let mut world = play(spec, &["0 bind", "1 started main", "10 look"]);
    let ready = |world: &World| {
        let status = world.pod.status.as_ref().expect("a status");
        let all = status.conditions.iter().flatten();
        let ready = all.filter(|one| one.type_ == "Ready").find_map(|one| one.reason.clone());
        (world.phase().expect("a phase"), ready, status.reason.clone())
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(ready(&world), ("Running".to_owned(), text("PodFailed"), None));
    world.step("11 exit main 143");
    let late = text("DeadlineExceeded");
    assert_eq!(ready(&world), ("Failed".to_owned(), text("PodFailed"), late));
}

#[test]
fn a_change_of_the_pod_is_observed() {
    let mut world = play(simple("Always"), &["0 bind", "1 started main"]);
    world.pod.metadata.generation = Some(4);
    world.step("2 look");
    check(&world, "/observedGeneration", json!(4));
    assert_eq!(condition(&world, "Ready").observed_generation, Some(4));
}

#[test]
fn a_step_of_the_clock_neither_ends_a_wait_nor_a_pod() {
    let mut spec = simple("Always");
    spec["activeDeadlineSeconds"] = json!(60);
    let mut world = play(spec, &["0 bind", "0 started main", "1 exit main 1", "1 started main"]);
    world.step("2 exit main 1");
    world.answer.clear();
    // At second 3 the clock is set an hour forward.
    world.steps.push(ClockStep {
        from: world.now + SignedDuration::from_secs(1),
        by_milliseconds: 3_600_000,
    });
    world.step("3605 look");
    assert_eq!(world.answer, ["wake 3612"]);
    world.answer.clear();
    world.step("3612 look");
    let waits = "Running PIrcS main:wait(CrashLoopBackOff)#1<1";
    assert_eq!(world.answer, [waits, "start main#2", "wake 3660"]);
}

#[test]
fn a_failed_pre_stop_hook_is_told() {
    let world = play(simple("Always"), &["0 bind", "1 started main"]);
    let report =
        |event| Report { pod_uid: "u".into(), container: "main".into(), attempt: 0, event };
    let note = events::of_report(
        &world.pod,
        &world.observed,
        &report(ContainerEvent::PreStopFailed("exit 1".into())),
    );
    let note = note.expect("an event");
    assert_eq!((note.reason, &*note.message), ("FailedPreStopHook", "PreStopHook failed"));
    assert_eq!(note.field_path, "spec.containers{main}");
    assert_eq!(
        events::of_report(&world.pod, &world.observed, &report(ContainerEvent::PostStart(Ok(())))),
        None
    );
}
