//! Pods that end again and again: the waits before they are replaced double, and start anew after a
//! while without an end.

use crate::world::{World, key, name_of};
use cronlet_api::kind::Kind;
use cronlet_plan::kubelet::availability::{has_ended, is_going};
use serde_json::json;

const SETS: &[Kind] = &[Kind::DaemonSet, Kind::ReplicaSet, Kind::StatefulSet];

fn world(kind: Kind) -> World {
    let mut world = World::new(5);
    let container = json!({"name": "m", "image": "i", "command": ["x"], "restartPolicy": "Never"});
    let template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container]}});
    let selector = json!({"matchLabels": {"app": "web"}});
    world.add(json!({"apiVersion": "apps/v1", "kind": kind.info().kind,
        "metadata": {"name": "web"}, "spec": {"selector": selector, "template": template}}));
    world.settle();
    world
}

/// Pods that were deleted are gone at once.
fn settle(world: &mut World) {
    world.settle();
    for pod in world.pods().iter().filter(|pod| is_going(pod)) {
        world.gone(&key(Kind::Pod, name_of(pod)));
    }
    world.settle();
}

/// Lets the one pod end, and returns after how many seconds there is another.
fn end(world: &mut World, phase: &str) -> i64 {
    let running = |world: &World| world.pods().into_iter().find(|pod| !has_ended(pod));
    let pod = running(world).expect("a pod");
    world.set_pod(name_of(&pod), phase, false);
    settle(world);
    let since = world.now;
    while running(world).is_none() {
        let due = world.due().expect("another look");
        world.wait_until(due);
        settle(world);
    }
    world.now.duration_since(since).as_secs()
}

#[test]
fn the_waits_double_and_are_forgotten() {
    for kind in SETS {
        let mut world = world(*kind);
        let waits: Vec<i64> = (0..13).map(|_| end(&mut world, "Failed")).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900], "{kind:?}");
        world.wait(31 * 60);
        let waits: Vec<i64> = (0..3).map(|_| end(&mut world, "Succeeded")).collect();
        assert_eq!(waits, [0, 1, 2], "{kind:?}");
    }
}

/// Checks that collected pods (`limits.terminatedPods`) still count.
#[test]
fn pods_that_are_gone_count() {
    let mut world = world(Kind::ReplicaSet);
    let waits = [(); 5].map(|()| {
        let wait = end(&mut world, "Failed");
        for pod in world.pods().iter().filter(|pod| has_ended(pod)) {
            world.gone(&key(Kind::Pod, name_of(pod)));
        }
        world.settle();
        world.wait(1);
        wait
    });
    assert_eq!(waits, [0, 1, 2, 4, 8]);
}

/// Checks the key, as `failedPodsBackoffKey`, which names the generation.
#[test]
fn another_spec_starts_anew() {
    let mut world = world(Kind::DaemonSet);
    let waits: Vec<i64> = (0..6).map(|_| end(&mut world, "Failed")).collect();
    assert_eq!(waits.last(), Some(&16));
    world.edit(&key(Kind::DaemonSet, "web"), |set| set["spec"]["minReadySeconds"] = json!(1));
    world.settle();
    assert_eq!(end(&mut world, "Failed"), 0);
    assert_eq!(end(&mut world, "Failed"), 1);
}

/// Each of the places may lose a pod at once, as when a host is short of memory.
#[test]
fn as_many_as_there_are_places_are_replaced_at_once() {
    let mut world = world(Kind::ReplicaSet);
    world.edit(&key(Kind::ReplicaSet, "web"), |set| set["spec"]["replicas"] = json!(3));
    world.settle();
    let fail_all = |world: &mut World| {
        for pod in world.pods().iter().filter(|pod| !has_ended(pod)) {
            world.set_pod(name_of(pod), "Failed", false);
        }
        world.settle();
        world.pods().iter().filter(|pod| !has_ended(pod)).count()
    };
    assert_eq!(fail_all(&mut world), 3);
    assert_eq!(fail_all(&mut world), 0);
    world.wait(1);
    assert_eq!(world.pods().iter().filter(|pod| !has_ended(pod)).count(), 3);
}
