//! Deployments: how one ReplicaSet takes over from another, and what is told of it.

use crate::world::{World, key, name_of};
use cronlet_api::deployment::annotations::{REVISION, REVISION_HISTORY};
use cronlet_api::kind::{Kind, Object};
use cronlet_plan::kubelet::availability;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Value, json};
use std::sync::Arc;

fn deployment(replicas: i32, more: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "x:1"}]},
            },
        },
    });
    for (name, value) in more.as_object().expect("an object") {
        object["spec"][name] = value.clone();
    }
    object
}

fn strategy(surge: Value, unavailable: Value) -> Value {
    let rolling = json!({"maxSurge": surge, "maxUnavailable": unavailable});
    json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}})
}

fn edit(world: &mut World, change: impl FnOnce(&mut Value)) {
    world.edit(&key(Kind::Deployment, "web"), change);
    world.settle();
}

fn set_image(world: &mut World, image: &str) {
    edit(world, |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    });
}

/// A Deployment whose pods are all ready.
fn rolled_out(replicas: i32, more: Value) -> World {
    let mut world = World::new(1);
    world.add(deployment(replicas, more));
    world.settle();
    finish(&mut world);
    world.told();
    world
}

/// Every pod that is not going becomes ready, and every one that is going is gone.
fn step(world: &mut World) -> bool {
    let mut any = false;
    for pod in world.pods() {
        let name = name_of(&pod).to_owned();
        if availability::is_going(&pod) {
            world.gone(&key(Kind::Pod, &name));
            any = true;
        } else if !availability::is_ready(&pod) {
            world.set_pod(&name, "Running", true);
            any = true;
        }
    }
    world.settle();
    any
}

fn finish(world: &mut World) {
    for _ in 0..200 {
        if !step(world) {
            return;
        }
    }
    panic!("the rollout never ends: {}", sizes(world));
}

fn image(set: &ReplicaSet) -> String {
    let spec = set.spec.as_ref().and_then(|spec| spec.template.as_ref()?.spec.as_ref());
    spec.and_then(|spec| spec.containers[0].image.clone()).expect("an image")
}

fn set_of(world: &World, wanted: &str) -> Arc<ReplicaSet> {
    world.sets().into_iter().find(|set| image(set) == wanted).expect("a set of this image")
}

/// `x:1=3 x:2=0`: wanted pods of each set that has any, by image.
fn sizes(world: &World) -> String {
    let size = |set: &ReplicaSet| set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let sets = world.sets();
    let mut sizes: Vec<String> = sets
        .iter()
        .filter(|set| size(set) > 0)
        .map(|set| format!("{}={}", image(set), size(set)))
        .collect();
    sizes.sort();
    sizes.join(" ")
}

fn condition(deployment: &Deployment, kind: &str) -> String {
    let status = deployment.status.as_ref().expect("a status");
    let found = status.conditions.iter().flatten().find(|one| one.type_ == kind);
    found.map_or("none".into(), |one| {
        format!("{} {}", one.status, one.reason.as_deref().unwrap_or_default())
    })
}

fn progress(world: &World) -> String {
    condition(&world.deployment("web"), "Progressing")
}

fn annotation(object: &Object, name: &str) -> Option<String> {
    object.meta().annotations.as_ref()?.get(name).cloned()
}

fn revision(world: &World, image: &str) -> String {
    let set = Object::ReplicaSet(set_of(world, image));
    let history = annotation(&set, REVISION_HISTORY);
    let before = history.map(|history| format!(" after {history}")).unwrap_or_default();
    annotation(&set, REVISION).expect("a revision") + &before
}

#[test]
fn a_rolling_update_goes_by_steps() {
    let check = |replicas: i32, surge: Value, unavailable: Value, want: &str| {
        let mut world = rolled_out(replicas, strategy(surge, unavailable));
        set_image(&mut world, "x:2");
        let mut seen = vec![sizes(&world)];
        while step(&mut world) {
            seen.push(sizes(&world));
        }
        seen.dedup();
        let short = seen.join(", ").replace("x:", "");
        assert_eq!(short, want, "{replicas} pods");
        assert_eq!(progress(&world), "True NewReplicaSetAvailable");
    };
    check(3, json!("25%"), json!("25%"), "1=3 2=1, 1=2 2=2, 1=1 2=3, 2=3");
    check(3, json!(1), json!(1), "1=2 2=2, 2=3");
    check(4, json!(0), json!(1), "1=3 2=1, 1=2 2=2, 1=1 2=3, 2=4");
    check(2, json!("100%"), json!(0), "1=2 2=2, 2=2");
    check(2, json!(0), json!("100%"), "2=2");
    check(0, json!(1), json!(0), "");
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut world = rolled_out(2, json!({"strategy": {"type": "Recreate"}}));
    set_image(&mut world, "x:2");
    assert_eq!(sizes(&world), "");
    assert_eq!(world.sets().len(), 1, "the new set is made when the old pods are gone");
    // As in Kubernetes, a rollout begins with its set.
    assert_eq!(progress(&world), "True NewReplicaSetAvailable");
    let going = world.pods();
    world.gone(&key(Kind::Pod, name_of(&going[0])));
    world.settle();
    assert_eq!(sizes(&world), "", "one still runs");
    world.gone(&key(Kind::Pod, name_of(&going[1])));
    world.settle();
    assert_eq!(sizes(&world), "x:2=2");
    assert_eq!(progress(&world), "True ReplicaSetUpdated");
    finish(&mut world);
    assert_eq!(progress(&world), "True NewReplicaSetAvailable");
    set_image(&mut world, "x:1");
    finish(&mut world);
    assert_eq!((sizes(&world), revision(&world, "x:1")), ("x:1=2".into(), "3 after 1".into()));
}

#[test]
fn a_template_that_comes_back_has_its_set_again() {
    let mut world = rolled_out(2, json!({}));
    for image in ["x:2", "x:3", "x:2", "x:1", "x:2"] {
        set_image(&mut world, image);
        finish(&mut world);
        assert_eq!(sizes(&world), format!("{image}=2"));
    }
    assert_eq!(world.sets().len(), 3);
    assert_eq!(revision(&world, "x:1"), "5 after 1");
    assert_eq!(revision(&world, "x:2"), "6 after 2,4");
    assert_eq!(revision(&world, "x:3"), "3");
    let web = Object::Deployment(world.deployment("web"));
    assert_eq!(annotation(&web, REVISION).as_deref(), Some("6"));
}

#[test]
fn old_sets_are_kept_as_many_as_the_limit_says() {
    let mut world = rolled_out(1, json!({"revisionHistoryLimit": 2}));
    for image in ["x:2", "x:3", "x:4", "x:1"] {
        set_image(&mut world, image);
        finish(&mut world);
    }
    let mut images: Vec<String> = world.sets().iter().map(|set| image(set)).collect();
    images.sort();
    assert_eq!(images, ["x:1", "x:3", "x:4"]);
    edit(&mut world, |object| object["spec"]["revisionHistoryLimit"] = json!(0));
    assert_eq!(world.sets().len(), 1);
    set_image(&mut world, "x:5");
    let new = world.pods().into_iter().find(|pod| !availability::is_ready(pod)).expect("a new pod");
    world.set_pod(name_of(&new), "Running", true);
    world.settle();
    assert_eq!(world.sets().len(), 1, "the old one goes before its pod");
    assert!(world.pods().iter().any(|pod| availability::is_going(pod)));
}

#[test]
fn a_taken_name_is_no_hindrance() {
    let mut world = World::new(1);
    world.add(deployment(1, json!({})));
    world.settle();
    let first = world.sets()[0].metadata.name.clone().expect("a name");
    // Someone else's set of the same name, and the Deployment anew.
    let mut world = World::new(2);
    let mut other = deployment(0, json!({}));
    other["kind"] = json!("ReplicaSet");
    other["metadata"]["name"] = json!(first);
    let foreign = json!({"matchLabels": {"app": "other"}});
    other["spec"]["selector"] = foreign;
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");
    world.add(other);
    world.add(deployment(1, json!({})));
    world.settle();
    let status = world.deployment("web").status.clone().expect("a status");
    assert_eq!(status.collision_count, Some(1));
    assert_eq!(world.sets().len(), 2);
    assert_eq!(sizes(&world), "x:1=1");
}

#[test]
fn a_broken_version_does_not_hold_up_its_repair() {
    let mut world = rolled_out(4, strategy(json!(1), json!(1)));
    set_image(&mut world, "x:broken");
    // None of its pods becomes ready.
    for pod in world.pods().iter().filter(|pod| availability::is_going(pod)) {
        world.gone(&key(Kind::Pod, name_of(pod)));
    }
    world.settle();
    assert_eq!(sizes(&world), "x:1=3 x:broken=2");
    world.told();
    set_image(&mut world, "x:3");
    // The broken pods go at once: that costs no availability.
    assert_eq!(sizes(&world), "x:1=3 x:3=2");
    finish(&mut world);
    assert_eq!(sizes(&world), "x:3=4");
}

#[test]
fn a_new_size_is_shared_out_in_proportion() {
    // Sizes of the old and the new set in the middle of a rollout of so many pods, the new size,
    // and what comes of it.
    let check = |replicas: i32, surge: i32, to: i32, want: &str| {
        let mut world = rolled_out(replicas, strategy(json!(surge), json!(surge)));
        set_image(&mut world, "x:2");
        let before = sizes(&world);
        edit(&mut world, |object| object["spec"]["replicas"] = json!(to));
        let all = format!("{before} -> {}", sizes(&world));
        assert_eq!(all.replace("x:", ""), want, "from {replicas} to {to}");
        finish(&mut world);
        assert_eq!(sizes(&world), if to > 0 { format!("x:2={to}") } else { String::new() });
    };
    check(10, 2, 20, "1=8 2=4 -> 1=15 2=7");
    // To 5 and 2; but three available pods are enough of 5, so the rollout goes on at once.
    check(10, 2, 5, "1=8 2=4 -> 1=3 2=4");
    check(10, 2, 0, "1=8 2=4 -> ");
    check(10, 5, 11, "1=5 2=10 -> 1=5 2=11");
    let mut world = rolled_out(3, json!({}));
    edit(&mut world, |object| object["spec"]["replicas"] = json!(7));
    assert_eq!(sizes(&world), "x:1=7");
    let told = world.told();
    assert!(told[0].ends_with(" from 3 to 7"), "{told:?}");
}

#[test]
fn a_paused_deployment_keeps_its_sets_and_its_size() {
    let mut world = rolled_out(2, json!({}));
    edit(&mut world, |object| object["spec"]["paused"] = json!(true));
    assert_eq!(progress(&world), "Unknown DeploymentPaused");
    set_image(&mut world, "x:2");
    assert_eq!((sizes(&world), world.sets().len()), ("x:1=2".into(), 1));
    edit(&mut world, |object| object["spec"]["replicas"] = json!(4));
    assert_eq!(sizes(&world), "x:1=4");
    finish(&mut world);
    world.wait(10_000);
    assert_eq!(progress(&world), "Unknown DeploymentPaused", "no deadline counts");
    edit(&mut world, |object| object["spec"]["paused"] = json!(false));
    assert_eq!(progress(&world), "True ReplicaSetUpdated");
    finish(&mut world);
    assert_eq!(sizes(&world), "x:2=4");
}

#[test]
fn a_rollout_without_progress_is_late() {
    let mut world = rolled_out(2, json!({"progressDeadlineSeconds": 60}));
    set_image(&mut world, "x:2");
    assert_eq!(progress(&world), "True ReplicaSetUpdated");
    world.wait(60);
    assert_eq!(progress(&world), "True ReplicaSetUpdated");
    world.wait(1);
    assert_eq!(progress(&world), "False ProgressDeadlineExceeded");
    assert_eq!(condition(&world.deployment("web"), "Available"), "True MinimumReplicasAvailable");
    assert_eq!(world.due(), None);
    // It is late, and goes on.
    finish(&mut world);
    assert_eq!(
        (progress(&world), sizes(&world)),
        ("True NewReplicaSetAvailable".into(), "x:2=2".into())
    );
    edit(&mut world, |object| object["spec"]["progressDeadlineSeconds"] = json!(i32::MAX));
    assert_eq!(progress(&world), "none");
}

#[test]
fn min_ready_seconds_slow_a_rollout_down() {
    let mut world = rolled_out(2, json!({}));
    edit(&mut world, |object| object["spec"]["minReadySeconds"] = json!(30));
    world.wait(31);
    let set = set_of(&world, "x:1");
    assert_eq!(set.spec.as_ref().and_then(|spec| spec.min_ready_seconds), Some(30));
    set_image(&mut world, "x:2");
    step(&mut world);
    assert_eq!(sizes(&world), "x:1=2 x:2=1", "ready is not available");
    world.wait(29);
    assert_eq!(sizes(&world), "x:1=2 x:2=1");
    world.wait(1);
    assert_eq!(sizes(&world), "x:1=1 x:2=2");
}

#[test]
fn sets_are_taken_in_and_let_go() {
    let mut world = rolled_out(1, json!({}));
    let name = set_of(&world, "x:1").metadata.name.clone().expect("a name");
    world.edit(&key(Kind::ReplicaSet, &name), |set| {
        set["metadata"]["labels"] = json!({"app": "stray"});
    });
    world.settle();
    assert_eq!(world.set(&name).metadata.owner_references, None);
    assert_eq!(world.deployment("web").status.clone().expect("a status").collision_count, Some(1));
    world.edit(&key(Kind::ReplicaSet, &name), |set| {
        set["metadata"]["labels"] = json!({"app": "web"});
    });
    world.settle();
    let owners = world.set(&name).metadata.owner_references.clone().expect("an owner");
    assert_eq!(owners[0].name, "web");
    finish(&mut world);
    assert_eq!(sizes(&world), "x:1=1", "the oldest set of a template is the one");
}

#[test]
fn annotations_go_with_the_revision() {
    let mut world = rolled_out(1, json!({}));
    edit(&mut world, |object| {
        object["metadata"]["annotations"]["kubernetes.io/change-cause"] = json!("a reason");
    });
    let set = Object::ReplicaSet(set_of(&world, "x:1"));
    assert_eq!(annotation(&set, "kubernetes.io/change-cause").as_deref(), Some("a reason"));
    assert_eq!(annotation(&set, REVISION).as_deref(), Some("1"));
}

#[test]
fn an_annotation_asks_for_a_rollback() {
    let check = |to: &str, want: &str, told: &str| {
        let mut world = rolled_out(1, json!({}));
        set_image(&mut world, "x:2");
        finish(&mut world);
        world.told();
        edit(&mut world, |object| {
            object["metadata"]["annotations"]["deprecated.deployment.rollback.to"] = json!(to);
        });
        let first = world.told().remove(0);
        assert_eq!(first, told);
        finish(&mut world);
        assert_eq!(sizes(&world), want, "back to {to}");
    };
    check("0", "x:1=1", "DeploymentRollback: Rolled back deployment \"web\" to revision 1");
    check("1", "x:1=1", "DeploymentRollback: Rolled back deployment \"web\" to revision 1");
    let same = "Warning DeploymentRollbackTemplateUnchanged: The rollback revision contains the \
                same template as current deployment \"web\"";
    check("2", "x:2=1", same);
    let unknown = "Warning DeploymentRollbackRevisionNotFound: Unable to find the revision to \
                   rollback to.";
    check("7", "x:2=1", unknown);
}

#[test]
fn what_cannot_be_made_is_told() {
    let mut world = World::new(1);
    let mut manifest = deployment(2, json!({}));
    manifest["spec"]["template"]["metadata"]["finalizers"] = json!(["mine"]);
    world.add(manifest);
    world.settle();
    let web = world.deployment("web");
    assert_eq!(condition(&web, "ReplicaFailure"), "True FailedCreate");
    let mut world = World::new(1);
    let mut manifest = deployment(2, json!({}));
    let long = "w".repeat(250);
    manifest["metadata"]["name"] = json!(long);
    world.add(manifest);
    world.settle();
    let web = world.deployment(&long);
    assert_eq!(condition(&web, "Progressing"), "False ReplicaSetCreateError");
    let told = world.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("Warning ReplicaSetCreateError: Failed to create"), "{told:?}");
}

#[test]
fn nothing_moves_when_the_service_stops() {
    let mut world = rolled_out(2, strategy(json!(0), json!(2)));
    world.stopping = true;
    set_image(&mut world, "x:2");
    assert_eq!(sizes(&world), "x:1=2");
    assert_eq!(world.pods().len(), 2);
}

#[test]
fn the_only_pod_goes_first_where_the_new_one_needs_its_host_port() {
    let mut object = deployment(1, strategy(json!(1), json!(0)));
    object["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 80, "hostPort": 8080}]);
    let mut world = World::new(1);
    world.add(object);
    world.settle();
    finish(&mut world);
    world.told();
    set_image(&mut world, "x:2");
    let going = world.pods().iter().filter(|pod| availability::is_going(pod)).count();
    assert_eq!((world.pods().len(), going), (2, 1), "the new pod is made, and the old one goes");
    let told = world.told();
    assert!(told.iter().any(|one| one.starts_with("PortInUse: pod web-")), "{told:?}");
    finish(&mut world);
    assert_eq!(world.pods().len(), 1);
}
