//! ReplicaSets: how many pods, whose, and which goes first.

use crate::world::{World, key, name_of};
use cronlet_api::kind::{Kind, Object};
use cronlet_plan::kubelet::availability::DELETION_COST;
use serde_json::{Value, json};

fn set(replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web", "tier": "x"}},
                "spec": {"containers": [{"name": "main", "image": "x"}]},
            },
        },
    })
}

fn pod(name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    })
}

fn counts(world: &World) -> String {
    let status = world.set("web").status.clone().expect("a status");
    let count = |count: Option<i32>| count.unwrap_or(0);
    format!(
        "{} labeled {} ready {} available {} terminating {}",
        status.replicas,
        count(status.fully_labeled_replicas),
        count(status.ready_replicas),
        count(status.available_replicas),
        count(status.terminating_replicas),
    )
}

fn replicas(world: &mut World, replicas: i32) {
    world.edit(&key(Kind::ReplicaSet, "web"), |set| set["spec"]["replicas"] = json!(replicas));
    world.settle();
}

#[test]
fn as_many_pods_as_wanted() {
    let mut world = World::new(1);
    world.add(set(3));
    world.settle();
    assert_eq!(counts(&world), "3 labeled 3 ready 0 available 0 terminating 0");
    let told = world.told();
    assert_eq!(told.len(), 3);
    let pods = world.pods();
    for pod in &pods {
        let name = name_of(pod);
        assert!(told.contains(&format!("SuccessfulCreate: Created pod: {name}")), "{told:?}");
        assert_eq!(pod.metadata.generate_name.as_deref(), Some("web-"));
        let owner = &pod.metadata.owner_references.as_ref().expect("an owner")[0];
        assert_eq!(
            (&*owner.kind, &*owner.name, owner.controller),
            ("ReplicaSet", "web", Some(true))
        );
        assert_eq!(owner.block_owner_deletion, Some(true));
    }
    world.set_pod(name_of(&pods[0]), "Running", true);
    world.settle();
    assert_eq!(counts(&world), "3 labeled 3 ready 1 available 1 terminating 0");
    // One that has failed is not active: another takes its place, and it stays to be looked at.
    world.set_pod(name_of(&pods[1]), "Failed", false);
    world.settle();
    assert_eq!(counts(&world), "3 labeled 3 ready 1 available 1 terminating 0");
    assert_eq!(world.pods().len(), 4);
    world.told();
    replicas(&mut world, 1);
    assert_eq!(counts(&world), "1 labeled 1 ready 1 available 1 terminating 2");
    let told = world.told();
    assert!(told.iter().all(|one| one.starts_with("SuccessfulDelete: Deleted pod: web-")));
    let going: Vec<_> =
        world.pods().into_iter().filter(|p| p.metadata.deletion_timestamp.is_some()).collect();
    going.iter().for_each(|pod| world.gone(&key(Kind::Pod, name_of(pod))));
    world.settle();
    assert_eq!(counts(&world), "1 labeled 1 ready 1 available 1 terminating 0");
    let observed = world.set("web").status.as_ref().and_then(|status| status.observed_generation);
    assert_eq!(observed, world.set("web").metadata.generation);
}

#[test]
fn a_set_of_many_is_made_in_several_plans_and_bounded() {
    let mut world = World::new(1);
    world.add(set(1200));
    world.settle();
    assert_eq!(world.pods().len(), 1200);
    world.told();
    replicas(&mut world, 10_001);
    assert_eq!(world.pods().len(), 10_000);
    let status = world.set("web").status.clone().expect("a status");
    let failure = &status.conditions.expect("a condition")[0];
    assert_eq!((&*failure.type_, &*failure.status), ("ReplicaFailure", "True"));
    assert_eq!(world.told().iter().filter(|one| one.contains("FailedCreate")).count(), 1);
    replicas(&mut world, 3);
    assert_eq!(world.set("web").status.clone().expect("a status").conditions, None);
}

#[test]
fn pods_are_taken_in_and_let_go() {
    let mut world = World::new(1);
    world.add(pod("bare", json!({"app": "web"})));
    world.add(pod("other", json!({"app": "db"})));
    let owned = json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"}]);
    let mut child = pod("child", json!({"app": "web"}));
    child["metadata"]["ownerReferences"] = owned;
    world.add(child);
    world.add(set(3));
    world.settle();
    let controller = |world: &World, name: &str| {
        let pod = &world.objects[&key(Kind::Pod, name)];
        pod.controller_uid().map(str::to_owned)
    };
    let uid = world.set("web").metadata.uid.clone();
    assert_eq!(controller(&world, "bare"), uid);
    assert_eq!(controller(&world, "other"), None);
    assert_eq!(controller(&world, "child"), uid, "an owner that does not control is no matter");
    let owners = world.objects[&key(Kind::Pod, "child")].meta().owner_references.clone();
    assert_eq!(owners.expect("owners").len(), 2);
    // Two were there, so one was made; `bare` and `child` lack a label of the template.
    assert_eq!(counts(&world), "3 labeled 1 ready 0 available 0 terminating 0");
    world.edit(&key(Kind::Pod, "bare"), |pod| pod["metadata"]["labels"]["app"] = json!("old"));
    world.settle();
    assert_eq!(controller(&world, "bare"), None);
    assert_eq!(world.objects[&key(Kind::Pod, "bare")].meta().owner_references, None);
    assert_eq!(counts(&world), "3 labeled 2 ready 0 available 0 terminating 0");
    // It comes back: now there is one too many.
    world.edit(&key(Kind::Pod, "bare"), |pod| pod["metadata"]["labels"]["app"] = json!("web"));
    world.settle();
    assert_eq!(controller(&world, "bare"), uid);
    assert_eq!(world.pods().iter().filter(|p| p.metadata.deletion_timestamp.is_some()).count(), 1);
}

#[test]
fn a_set_that_goes_takes_no_one_in() {
    let mut world = World::new(1);
    let mut object = world.add(set(0));
    object.meta_mut().deletion_timestamp = object.meta().creation_timestamp.clone();
    world.put(object);
    world.add(pod("bare", json!({"app": "web"})));
    world.settle();
    assert_eq!(world.objects[&key(Kind::Pod, "bare")].meta().owner_references, None);
}

#[test]
fn nothing_starts_when_the_service_stops() {
    let mut world = World::new(1);
    world.stopping = true;
    world.add(set(2));
    world.settle();
    assert_eq!(world.pods().len(), 0);
}

/// Four pods that differ in one thing; the first of each pair is less useful.
#[test]
fn which_pod_goes_first() {
    let check = |what: &str, change: &dyn Fn(&mut World, &str, &str)| {
        for seed in 0..4 {
            let mut world = World::new(seed);
            world.add(set(2));
            world.settle();
            let pods = world.pods();
            let (less, more) = (name_of(&pods[0]).to_owned(), name_of(&pods[1]).to_owned());
            change(&mut world, &less, &more);
            world.settle();
            world.told();
            replicas(&mut world, 1);
            assert_eq!(world.told(), [format!("SuccessfulDelete: Deleted pod: {less}")], "{what}");
        }
    };
    let cost = |world: &mut World, name: &str, cost: &str| {
        world.edit(&key(Kind::Pod, name), |pod| {
            pod["metadata"]["annotations"] = json!({DELETION_COST: cost});
        });
    };
    let restarts = |world: &mut World, name: &str, count: i32| {
        let Some(Object::Pod(mut pod)) = world.objects.get(&key(Kind::Pod, name)).cloned() else {
            panic!("no pod");
        };
        let status = json!([{
            "name": "main", "image": "", "imageID": "", "ready": true, "restartCount": count,
        }]);
        let inner = std::sync::Arc::make_mut(&mut pod).status.get_or_insert_default();
        inner.container_statuses = Some(serde_json::from_value(status).expect("statuses"));
        world.put(Object::Pod(pod));
    };
    check("not assigned", &|world, _, more| world.set_pod(more, "Pending", false));
    check("pending", &|world, less, more| {
        world.set_pod(less, "Pending", false);
        world.set_pod(more, "Running", false);
    });
    check("not ready", &|world, less, more| {
        world.set_pod(less, "Running", false);
        world.set_pod(more, "Running", true);
    });
    check("cheaper", &|world, less, more| {
        world.set_pod(less, "Running", true);
        world.set_pod(more, "Running", true);
        cost(world, less, "-5");
        cost(world, more, "10");
    });
    check("ready for a shorter time", &|world, less, more| {
        world.set_pod(more, "Running", true);
        world.wait(1000);
        world.set_pod(less, "Running", true);
        world.wait(1);
    });
    check("more restarts", &|world, less, more| {
        world.set_pod(less, "Running", true);
        world.set_pod(more, "Running", true);
        restarts(world, less, 2);
        restarts(world, more, 1);
    });
    check("made later", &|world, less, _| {
        world.wait(1000);
        let mut pod = world.objects[&key(Kind::Pod, less)].clone();
        let at =
            cronlet_api::time::Timestamp::from_second(world.now.as_second()).expect("in range");
        pod.meta_mut().creation_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at));
        world.put(pod);
        world.wait(1);
    });
}

#[test]
fn a_ready_pod_is_available_after_min_ready_seconds() {
    let mut world = World::new(1);
    let mut manifest = set(2);
    manifest["spec"]["minReadySeconds"] = json!(10);
    world.add(manifest);
    world.settle();
    let pods = world.pods();
    world.set_pod(name_of(&pods[0]), "Running", true);
    world.settle();
    world.wait(4);
    world.set_pod(name_of(&pods[1]), "Running", true);
    world.settle();
    assert_eq!(counts(&world), "2 labeled 2 ready 2 available 0 terminating 0");
    world.wait(6);
    assert_eq!(counts(&world), "2 labeled 2 ready 2 available 1 terminating 0");
    world.set_pod(name_of(&pods[1]), "Running", false);
    world.settle();
    world.wait(10);
    assert_eq!(counts(&world), "2 labeled 2 ready 1 available 1 terminating 0");
    assert_eq!(world.due(), None);
}

#[test]
fn a_pod_that_is_refused_fails_the_set_until_it_is_taken() {
    let mut world = World::new(1);
    let mut manifest = set(3);
    // A finalizer of a template is looked at only when the pod is made.
    manifest["spec"]["template"]["metadata"]["finalizers"] = json!(["mine"]);
    world.add(manifest);
    world.settle();
    assert_eq!(world.pods().len(), 0);
    let failure = world.set("web").status.clone().expect("a status").conditions;
    let failure = &failure.expect("a condition")[0];
    assert_eq!(
        (&*failure.type_, failure.reason.as_deref()),
        ("ReplicaFailure", Some("FailedCreate"))
    );
    world.edit(&key(Kind::ReplicaSet, "web"), |set| {
        set["spec"]["template"]["metadata"]["finalizers"] = json!(["mine/too"]);
    });
    world.settle();
    assert_eq!(world.pods().len(), 3);
    assert_eq!(world.set("web").status.clone().expect("a status").conditions, None);
}
