//! Pods that admission refuses, or whose name is taken: each controller of `apps` tries again, with
//! waits that double, and makes them as soon as it may.

use crate::world::{World, key};
use cronlet_api::kind::{Kind, Object};
use serde_json::{Value, json};

const SETS: &[Kind] = &[Kind::DaemonSet, Kind::ReplicaSet, Kind::StatefulSet];

fn set(kind: Kind) -> Value {
    // A finalizer of a template is looked at only when the pod is made.
    let metadata = json!({"labels": {"app": "web"}, "finalizers": ["mine"]});
    let container = json!({"name": "m", "image": "i", "command": ["x"]});
    json!({
        "apiVersion": "apps/v1", "kind": kind.info().kind, "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": metadata, "spec": {"containers": [container]}},
        },
    })
}

fn world(kind: Kind) -> World {
    let mut world = World::new(3);
    world.add(set(kind));
    world.settle();
    world
}

/// Events `FailedCreate` since this was last asked.
fn refusals(world: &mut World) -> usize {
    world.told().iter().filter(|one| one.starts_with("Warning FailedCreate: ")).count()
}

/// 1, 2, 4 and so on up to 1,000 s (`DefaultTypedControllerRateLimiter`).
#[test]
fn the_waits_double() {
    for kind in SETS {
        let mut world = world(*kind);
        let told = world.told();
        let [refusal] = &told[..] else { panic!("{kind:?}: {told:?}") };
        assert!(refusal.starts_with("Warning FailedCreate: "), "{refusal}");
        assert!(refusal.contains("metadata.finalizers[0]: Invalid value: \"mine\""), "{refusal}");
        let mut waits = Vec::new();
        for _ in 0..12 {
            let due = world.due().expect("another try");
            waits.push(due.duration_since(world.now).as_secs());
            world.wait_until(due);
            assert_eq!(refusals(&mut world), 1, "{kind:?} after {waits:?}");
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000], "{kind:?}");
        let web = serde_json::to_value(&world.objects[&key(*kind, "web")]).expect("JSON");
        let status = &web["status"];
        for count in ["replicas", "currentReplicas", "currentNumberScheduled", "numberReady"] {
            assert_eq!(status[count].as_i64().unwrap_or(0), 0, "{kind:?} {count}: {status}");
        }
        assert_eq!(status["observedGeneration"], 1, "{kind:?}");
    }
}

#[test]
fn a_look_between_two_tries_says_nothing_and_an_edit_is_tried_at_once() {
    for kind in SETS {
        let mut world = world(*kind);
        assert_eq!(refusals(&mut world), 1, "{kind:?}");
        world.edit(&key(*kind, "web"), |set| set["spec"]["minReadySeconds"] = json!(1));
        world.settle();
        assert_eq!(refusals(&mut world), 0, "{kind:?}");
        world.edit(&key(*kind, "web"), |set| {
            set["spec"]["template"]["metadata"]["finalizers"] = json!(["mine.com/too"]);
        });
        world.settle();
        assert_eq!(world.pods().len(), 1, "{kind:?}");
        assert_eq!(world.due(), None, "{kind:?}");
        let Some(web) = world.objects.get(&key(*kind, "web")) else { panic!("{kind:?}") };
        let annotations = web.meta().annotations.clone().unwrap_or_default();
        assert!(
            !annotations.keys().any(|name| name.starts_with("cronlet.dev/")),
            "{annotations:?}"
        );
    }
}

/// The name of a StatefulSet's pod may be another's, which it cannot take in.
#[test]
fn a_name_that_is_taken_is_tried_again() {
    let mut world = World::new(3);
    let containers = json!([{"name": "m", "image": "i", "command": ["x"]}]);
    world.add(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"},
        "spec": {"containers": containers}}));
    let mut set = set(Kind::StatefulSet);
    set["spec"]["template"]["metadata"]["finalizers"] = json!(null);
    world.add(set);
    world.settle();
    let told = world.told();
    assert!(told[0].contains("pods \"web-0\" already exists"), "{told:?}");
    world.wait(3);
    assert_eq!(refusals(&mut world), 2);
    world.gone(&key(Kind::Pod, "web-0"));
    world.wait(4);
    let web = world.pods();
    assert!(Object::Pod(web[0].clone()).controller_uid().is_some(), "{web:?}");
}
