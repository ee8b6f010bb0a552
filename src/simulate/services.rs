//! Services of a simulated life: Deployments, StatefulSets and DaemonSets that nobody has thought
//! of, and what users and fate do to them.

use super::faults::{Mischief, pick};
use super::templates;
use super::world::World;
use cronlet_api::deployment::annotations::ROLLBACK_TO;
use cronlet_api::kind::{Kind, Object};
use cronlet_api::seed::Seed;
use cronlet_engine::{DeleteOptions, Request};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Value, json};
use std::sync::Arc;

/// A class whose claims get folders where no volume is left.
const CLASS: &str = "standard";
const VOLUMES: usize = 6;

/// The kinds that keep programs up.
pub(super) const KINDS: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];

/// PersistentVolumes of the class that claims name, for some of them: the others get folders.
pub(super) fn volumes() -> Vec<Object> {
    let volume = |number: usize| {
        let modes = ["ReadWriteOnce", "ReadOnlyMany"];
        let spec = json!({
            "capacity": {"storage": format!("{}Gi", number % 3 + 1)},
            "accessModes": modes[..=number % 2],
            "storageClassName": CLASS,
            "hostPath": {"path": format!("/srv/{number}")},
        });
        let json = json!({"metadata": {"name": format!("v{number}")}, "spec": spec});
        Kind::PersistentVolume.deserialize(json).expect("a volume by construction")
    };
    (0..VOLUMES).map(volume).collect()
}

/// An administrator offers a volume anew whose claim was deleted.
fn offer(world: &World) -> Option<Mischief> {
    let is_released = |object: &Object| match object {
        Object::PersistentVolume(volume) => {
            let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
            phase == Some("Released")
        }
        _ => false,
    };
    let mut volume = world.reader()?.list(Kind::PersistentVolume, None).0;
    volume.retain(is_released);
    let mut object = volume.pop()?;
    object.meta_mut().resource_version = None;
    if let Object::PersistentVolume(volume) = &mut object {
        Arc::make_mut(volume).spec.get_or_insert_default().claim_ref = None;
    }
    Some(Mischief::Request(Request::Update(object)))
}

pub(super) fn draw(world: &mut World) -> Mischief {
    if let Some(offered) = offer(world) {
        return offered;
    }
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
            "template": templates::drawn(seed, &name, &version),
            "minReadySeconds": one_of(seed, &[0, 0, 0, 7, 20]),
            "revisionHistoryLimit": one_of(seed, &[2, 10]),
        },
    });
    let spec = &mut manifest["spec"];
    match kind {
        Kind::Deployment => deployment(seed, spec),
        Kind::StatefulSet => stateful_set(seed, spec),
        _ => daemon_set(seed, spec),
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
    let mut rolling = json!({"partition": partition});
    match seed.below(4) {
        0 => rolling["maxUnavailable"] = (seed.below(3) + 1).into(),
        1 => rolling["maxUnavailable"] = format!("{}%", seed.below(100) + 1).into(),
        _ => {}
    }
    spec["updateStrategy"] = match seed.below(5) {
        0 => json!({"type": "OnDelete"}),
        _ => json!({"type": "RollingUpdate", "rollingUpdate": rolling}),
    };
    if seed.below(2) == 0 {
        claims(seed, spec);
    }
}

fn claims(seed: &mut Seed, spec: &mut Value) {
    let when = |seed: &mut Seed| ["Retain", "Delete"][seed.below(2) as usize];
    spec["persistentVolumeClaimRetentionPolicy"] =
        json!({"whenDeleted": when(seed), "whenScaled": when(seed)});
    spec["volumeClaimTemplates"] = json!([{
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": CLASS,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }]);
}

fn daemon_set(seed: &mut Seed, spec: &mut Value) {
    spec["updateStrategy"] = match seed.below(3) {
        0 => json!({"type": "OnDelete"}),
        1 => json!({
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }),
        _ => json!({"type": "RollingUpdate"}),
    };
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
    let Some(object) = pick_service(world) else { return Mischief::Done };
    let propagation = match world.seed.below(4) {
        0 => Some("Foreground".to_owned()),
        1 => Some("Orphan".to_owned()),
        _ => None,
    };
    let options = DeleteOptions { propagation, ..DeleteOptions::default() };
    Mischief::Request(Request::Delete { key: object.key(), options })
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
    let template = templates::drawn(&mut world.seed, object.name(), &version);
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

/// Its pods are made anew only when users delete them.
pub(super) fn is_on_delete(object: &Object) -> bool {
    let strategy = match object {
        Object::StatefulSet(one) => {
            one.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref()?.type_.as_deref())
        }
        Object::DaemonSet(one) => {
            one.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref()?.type_.as_deref())
        }
        _ => None,
    };
    strategy == Some("OnDelete")
}

pub(super) fn set_partition(object: &mut Object, partition: i32) {
    if is_on_delete(object) {
        return;
    }
    if let Object::StatefulSet(one) = object {
        let spec = Arc::make_mut(one).spec.get_or_insert_default();
        let strategy = spec.update_strategy.get_or_insert_default();
        strategy.rolling_update.get_or_insert_default().partition = Some(partition);
    }
}

pub(super) fn one_of(seed: &mut Seed, numbers: &[u64]) -> u64 {
    numbers[seed.below(numbers.len() as u64) as usize]
}
