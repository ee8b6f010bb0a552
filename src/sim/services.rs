//! Services of a simulated life: Deployments, StatefulSets and DaemonSets that nobody has thought
//! of, and what users and fate do to them.

use super::mischief::{Mischief, pick};
use super::world::{World, delete};
use crate::engine::Request;
use crate::kinds::deployment::rollback::ROLLBACK_TO;
use crate::kinds::{Kind, Object};
use crate::seed::Seed;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Value, json};
use std::sync::Arc;

/// The kinds that keep programs up.
pub(super) const KINDS: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];

/// True milliseconds in which a program that runs for good does not end.
const FOR_GOOD: i64 = 100 * 365 * 86_400_000;

pub(super) fn draw(world: &mut World) -> Mischief {
    match world.seed.below(16) {
        0 => Mischief::Request(Request::Create(service(world))),
        1 => delete_one(world),
        2 | 3 => kill_one(world),
        4 | 5 => sicken_one(world),
        6..=9 => edit(world, retemplate),
        10 | 11 => edit(world, rescale),
        12 => edit(world, pause),
        13 => edit(world, resume),
        _ => edit(world, roll_back),
    }
}

/// A service that nobody has thought of.
pub(super) fn service(world: &mut World) -> Object {
    let name = world.new_name().replace('c', "s");
    let version = world.new_version();
    let seed = &mut world.seed;
    let kind = KINDS[one_of(seed, &[0, 0, 0, 1, 1, 2]) as usize];
    let mut manifest = json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template(seed, &name, &version),
            "minReadySeconds": one_of(seed, &[0, 0, 0, 7, 20]),
            "revisionHistoryLimit": one_of(seed, &[2, 10]),
        },
    });
    let spec = &mut manifest["spec"];
    match kind {
        Kind::Deployment => deployment(seed, spec),
        Kind::StatefulSet => stateful_set(seed, spec),
        _ => {}
    }
    kind.deserialize(manifest).expect("a service by construction")
}

fn deployment(seed: &mut Seed, spec: &mut Value) {
    spec["replicas"] = seed.below(6).into();
    spec["progressDeadlineSeconds"] = one_of(seed, &[30, 60, 600]).into();
    let share = |seed: &mut Seed| match seed.below(3) {
        0 => json!(format!("{}%", seed.below(101))),
        _ => json!(seed.below(4)),
    };
    spec["strategy"] = match seed.below(4) {
        0 => json!({"type": "Recreate"}),
        _ => {
            let (surge, unavailable) = (share(seed), share(seed));
            let nothing = |value: &Value| *value == json!(0) || *value == json!("0%");
            let surge = if nothing(&unavailable) && nothing(&surge) { json!(1) } else { surge };
            json!({
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
            })
        }
    };
}

fn stateful_set(seed: &mut Seed, spec: &mut Value) {
    spec["replicas"] = seed.below(5).into();
    spec["serviceName"] = "none".into();
    spec["podManagementPolicy"] = ["OrderedReady", "Parallel"][seed.below(2) as usize].into();
    spec["ordinals"] = json!({"start": one_of(seed, &[0, 0, 3])});
    let partition = one_of(seed, &[0, 0, 1, 2]);
    spec["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
}

/// A program that is fine most of the time, and sometimes slow, never ready or soon dead.
fn template(seed: &mut Seed, app: &str, version: &str) -> Value {
    let soon = seed.below(20_000) as i64;
    let (lives, ready_after) = match seed.below(8) {
        0 => (FOR_GOOD, FOR_GOOD),
        1 => (seed.below(30_000) as i64, soon),
        2 => (600_000 + seed.below(7_200_000) as i64, soon),
        3 => (FOR_GOOD, 10 * soon),
        _ => (FOR_GOOD, soon),
    };
    let stops_in = one_of(seed, &[1, 3000, 40_000]);
    let stops_in = seed.below(stops_in) as i64;
    let mut template = program(app, version, [lives, 1, ready_after, stops_in]);
    template["spec"]["terminationGracePeriodSeconds"] = one_of(seed, &[5, 30]).into();
    let container = &mut template["spec"]["containers"][0];
    for (name, out_of) in [("readinessProbe", 4), ("livenessProbe", 2), ("startupProbe", 3)] {
        if seed.below(4) < out_of {
            container[name] = probe(seed, name == "startupProbe");
        }
    }
    template
}

fn probe(seed: &mut Seed, is_startup: bool) -> Value {
    json!({
        "exec": {"command": ["ask"]},
        "initialDelaySeconds": one_of(seed, &[0, 0, 5]),
        "periodSeconds": one_of(seed, &[5, 10, 20]),
        "failureThreshold": if is_startup { 6 } else { seed.below(3) + 1 },
    })
}

/// `version` tells templates apart that are alike.
fn program(app: &str, version: &str, numbers: [i64; 4]) -> Value {
    let mut command = vec!["sim".to_owned()];
    command.extend(numbers.iter().map(i64::to_string));
    command.push(version.to_owned());
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": "sim", "command": command}]},
    })
}

/// A template of which nothing bad can be said.
pub(super) fn good_template(app: &str, version: &str) -> PodTemplateSpec {
    let mut template = program(app, version, [FOR_GOOD, 1, 3000, 500]);
    template["spec"]["containers"][0]["readinessProbe"] =
        json!({"exec": {"command": ["ask"]}, "periodSeconds": 5});
    serde_json::from_value(template).expect("a template by construction")
}

pub(super) fn set_template(object: &mut Object, template: PodTemplateSpec) {
    match object {
        Object::Deployment(one) => {
            Arc::make_mut(one).spec.get_or_insert_default().template = template;
        }
        Object::StatefulSet(one) => {
            Arc::make_mut(one).spec.get_or_insert_default().template = template;
        }
        Object::DaemonSet(one) => {
            Arc::make_mut(one).spec.get_or_insert_default().template = template;
        }
        other => unreachable!("{} has no template", other.key()),
    }
}

pub(super) fn template_of(object: &Object) -> Option<PodTemplateSpec> {
    match object {
        Object::Deployment(one) => one.spec.as_ref().map(|spec| spec.template.clone()),
        Object::StatefulSet(one) => one.spec.as_ref().map(|spec| spec.template.clone()),
        Object::DaemonSet(one) => one.spec.as_ref().map(|spec| spec.template.clone()),
        _ => None,
    }
}

fn pick_service(world: &mut World) -> Option<Object> {
    let kind = KINDS[one_of(&mut world.seed, &[0, 0, 0, 1, 1, 2]) as usize];
    pick(world, kind)
}

fn delete_one(world: &mut World) -> Mischief {
    match pick_service(world) {
        Some(object) => Mischief::Request(delete(object.kind(), object.name())),
        None => Mischief::Done,
    }
}

fn one_running(world: &mut World) -> Option<(String, String)> {
    let mut running = world.host.borrow().services();
    let at = world.seed.below(running.len() as u64) as usize;
    (at < running.len()).then(|| running.swap_remove(at))
}

fn kill_one(world: &mut World) -> Mischief {
    if let Some((uid, container)) = one_running(world) {
        world.host.borrow_mut().kill(&uid, &container);
    }
    Mischief::Done
}

fn sicken_one(world: &mut World) -> Mischief {
    let milliseconds = world.seed.below(300_000) as i64;
    if let Some((uid, container)) = one_running(world) {
        world.host.borrow_mut().sicken(&uid, &container, milliseconds);
    }
    Mischief::Done
}

fn edit(world: &mut World, change: fn(&mut Object, &mut World)) -> Mischief {
    let Some(mut object) = pick_service(world) else { return Mischief::Done };
    object.meta_mut().resource_version = None;
    change(&mut object, world);
    Mischief::Request(Request::Update(object))
}

fn retemplate(object: &mut Object, world: &mut World) {
    let version = world.new_version();
    let template = template(&mut world.seed, object.name(), &version);
    let template = serde_json::from_value(template).expect("a template by construction");
    set_template(object, template);
}

fn rescale(object: &mut Object, world: &mut World) {
    let replicas = Some(world.seed.below(7) as i32);
    match object {
        Object::Deployment(one) => {
            Arc::make_mut(one).spec.get_or_insert_default().replicas = replicas;
        }
        Object::StatefulSet(one) => {
            Arc::make_mut(one).spec.get_or_insert_default().replicas = replicas;
        }
        _ => {}
    }
}

fn pause(object: &mut Object, _: &mut World) {
    set_paused(object, true);
}

fn resume(object: &mut Object, _: &mut World) {
    set_paused(object, false);
}

pub(super) fn set_paused(object: &mut Object, paused: bool) {
    if let Object::Deployment(one) = object {
        Arc::make_mut(one).spec.get_or_insert_default().paused = paused.then_some(true);
    }
}

fn roll_back(object: &mut Object, _: &mut World) {
    ask_rollback(object);
}

/// To the revision before this one.
pub(super) fn ask_rollback(object: &mut Object) {
    if object.kind() == Kind::Deployment {
        let annotations = object.meta_mut().annotations.get_or_insert_default();
        annotations.insert(ROLLBACK_TO.to_owned(), "0".to_owned());
    }
}

pub(super) fn set_partition(object: &mut Object, partition: i32) {
    if let Object::StatefulSet(one) = object {
        let spec = Arc::make_mut(one).spec.get_or_insert_default();
        let strategy = spec.update_strategy.get_or_insert_default();
        strategy.rolling_update.get_or_insert_default().partition = Some(partition);
    }
}

fn one_of(seed: &mut Seed, numbers: &[u64]) -> u64 {
    numbers[seed.below(numbers.len() as u64) as usize]
}
