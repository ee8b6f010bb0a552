//! What goes wrong, and what users do: drawn from the seed.

use super::services;
use super::world::{World, delete};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::seed::Seed;
use cronlet_engine::Request;
use serde_json::json;
use std::sync::Arc;

/// One thing that happens besides time and programs.
pub(super) enum Mischief {
    Request(Request),
    /// `kill -9` of the daemon.
    Crash,
    PowerCut,
    StepClock(i64),
    /// Something was set up that shows later.
    Done,
}

pub(super) fn draw(world: &mut World) -> Mischief {
    if world.has_services() && world.seed.below(2) == 0 {
        return services::draw(world);
    }
    match world.seed.below(16) {
        0 | 1 => Mischief::Crash,
        2 => Mischief::PowerCut,
        3 => {
            world.disk.fail_after(world.seed.below(60));
            Mischief::Done
        }
        4 if world.seed.below(2) == 0 => take_disk_away(world),
        4 => fill_disk(world),
        5 => Mischief::StepClock(step(&mut world.seed)),
        6 => {
            let failures = [0, 0, 50, 300][world.seed.below(4) as usize];
            world.host.borrow_mut().fork_failures = failures;
            Mischief::Done
        }
        7 | 8 => Mischief::Request(Request::Create(cron_job(world))),
        9 => delete_one(world, Kind::CronJob),
        10 => delete_one(world, Kind::Job),
        11 => delete_one(world, Kind::Pod),
        _ => edit(world),
    }
}

fn step(seed: &mut Seed) -> i64 {
    let size = [900, 30_000, 300_000, 7_200_000][seed.below(4) as usize];
    let by = seed.below(size) as i64 + 500;
    if seed.below(2) == 0 { by } else { -by }
}

fn fill_disk(world: &mut World) -> Mischief {
    world.disk.set_full(true);
    let until = world.host.borrow().now + world.seed.below(120_000) as i64;
    world.room_at = Some(until);
    Mischief::Done
}

/// For some seconds or minutes.
fn take_disk_away(world: &mut World) -> Mischief {
    world.disk.set_away(true);
    let longest = [4000, 120_000][world.seed.below(2) as usize];
    world.room_at = Some(world.host.borrow().now + 1 + world.seed.below(longest) as i64);
    Mischief::Done
}

/// A name of some object of this kind that exists.
pub(super) fn pick(world: &mut World, kind: Kind) -> Option<Object> {
    let (mut objects, _) = world.reader()?.list(kind, None);
    if objects.is_empty() {
        return None;
    }
    let at = world.seed.below(objects.len() as u64) as usize;
    Some(objects.swap_remove(at))
}

fn delete_one(world: &mut World, kind: Kind) -> Mischief {
    match pick(world, kind) {
        Some(object) => Mischief::Request(delete(kind, object.name())),
        None => Mischief::Done,
    }
}

fn edit(world: &mut World) -> Mischief {
    let Some(Object::CronJob(mut cron_job)) = pick(world, Kind::CronJob) else {
        return Mischief::Done;
    };
    let seed = &mut world.seed;
    let changed = Arc::make_mut(&mut cron_job);
    changed.metadata.resource_version = None;
    let spec = &mut changed.spec;
    match seed.below(3) {
        0 => spec.schedule = schedule(seed),
        1 => spec.suspend = Some(spec.suspend != Some(true)),
        _ => spec.time_zone = Some(zone(seed)),
    }
    Mischief::Request(Request::Update(Object::CronJob(cron_job)))
}

fn schedule(seed: &mut Seed) -> String {
    let minute = seed.below(60);
    let hour = seed.below(24);
    match seed.below(6) {
        0 => "* * * * *".to_owned(),
        1 => format!("*/{} * * * *", seed.below(20) + 2),
        2 => format!("{minute} * * * *"),
        3 => format!("{minute} {hour} * * *"),
        4 => format!("{minute} 1-3 * * *"),
        _ => format!("{minute} */{} * * *", seed.below(5) + 1),
    }
}

fn zone(seed: &mut Seed) -> String {
    let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];
    zones[seed.below(zones.len() as u64) as usize].to_owned()
}

/// A CronJob that nobody has thought of.
pub(super) fn cron_job(world: &mut World) -> Object {
    let name = world.new_name();
    let minutely = world.setup.minutely;
    let seed = &mut world.seed;
    let milliseconds = match minutely {
        true => 1000,
        false => [20, 900, 5000, 45_000, 200_000, 4_000_000][seed.below(6) as usize],
    };
    let milliseconds = seed.below(milliseconds) + 1;
    let exit = [0, 0, 0, 1][seed.below(4) as usize];
    let policy = ["Allow", "Forbid", "Replace"][seed.below(3) as usize];
    let backoff = seed.below(3);
    let restart = ["Never", "OnFailure"][seed.below(2) as usize];
    let deadline = [None, None, Some(30), Some(3600)][seed.below(4) as usize];
    let manifest = json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "schedule": if minutely { "* * * * *".to_owned() } else { schedule(seed) },
            "timeZone": zone(seed),
            "concurrencyPolicy": policy,
            "startingDeadlineSeconds": deadline,
            "jobTemplate": {"spec": {
                "backoffLimit": backoff,
                "template": {"spec": {
                    "restartPolicy": restart,
                    "containers": [{
                        "name": "main",
                        "image": "sim",
                        "command": ["sim", milliseconds.to_string(), exit.to_string()],
                    }],
                }},
            }},
        },
    });
    Kind::CronJob.deserialize(manifest).expect("a CronJob by construction")
}
