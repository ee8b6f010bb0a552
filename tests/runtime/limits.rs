//! Limits: what the container may use, what its shim uses, and what is left of both.

use crate::world::{World, alive, kill, sh, until};
use cronlet_plan::order::{ContainerEvent, Launch, ResourceLimits};
use std::path::{Path, PathBuf};

#[test]
fn out_of_memory_is_told() {
    let mut world = World::new();
    let limits = ResourceLimits { memory_bytes_max: Some(32 << 20), ..ResourceLimits::default() };
    let hungry = sh("x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo not reached");
    let hungry = Launch { limits, ..hungry };
    let exit = world.run(&hungry);
    if world.cannot("memory") {
        assert_eq!(exit.reason, "Completed", "no limit, and the host was said to have none");
        return;
    }
    assert_eq!((exit.code, exit.reason.as_str()), (137, "OOMKilled"));
    // Its own end by the same signal is none.
    let killed = Launch { limits: hungry.limits.clone(), ..sh("kill -KILL $$") };
    assert_eq!(world.run(&killed).reason, "Error");
    assert!(cgroups_of(&hungry).is_empty() && cgroups_of(&killed).is_empty());
}

/// Each container is below the limit of its pod; together they are above.
#[test]
fn a_pod_is_held_to_its_limit() {
    let mut world = World::new();
    if world.cannot("memory") {
        return;
    }
    let limits = ResourceLimits { memory_bytes_max: Some(48 << 20), ..ResourceLimits::default() };
    // It keeps the last bytes of what never ends.
    let script = "cat /dev/zero | tail -c 30000000";
    let first = Launch { limits: limits.clone(), pod_limits: limits, ..sh(script) };
    let second = Launch { container: "second".into(), ..first.clone() };
    [&first, &second].into_iter().for_each(|launch| world.start(launch));
    let mut reason = None;
    until(|| {
        reason = world.seen().iter().find_map(|report| match &report.event {
            ContainerEvent::Exited(exit) => Some(exit.reason.clone()),
            _ => None,
        });
        reason.is_some()
    });
    assert_eq!(reason.as_deref(), Some("OOMKilled"));
    world.clean(&first);
    let left = [&first, &second].into_iter().flat_map(cgroups_of);
    assert_eq!(left.collect::<Vec<_>>(), [""; 0].map(PathBuf::from));
    assert_eq!(folders_called(&format!("{}.pod", first.pod_uid)), [""; 0].map(PathBuf::from));
}

#[test]
fn limits_are_in_the_cgroups_and_go_with_the_container() {
    let mut world = World::new();
    let limits = ResourceLimits {
        cpu_millis_max: Some(1500),
        cpu_millis_request: Some(500),
        memory_bytes_max: Some(64 << 20),
    };
    let launch = Launch { limits, ..sh("sleep 1000") };
    world.start(&launch);
    world.started(&launch);
    let found = cgroups_of(&launch);
    let read = |file: &str| {
        let texts = found.iter().filter_map(|f| std::fs::read_to_string(f.join(file)).ok());
        texts.map(|text| text.trim().to_owned()).next()
    };
    let either = |v1: &str, v2: &str| read(v1).or_else(|| read(v2));
    if !world.cannot("memory") {
        let bytes = either("memory.limit_in_bytes", "memory.max");
        assert_eq!(bytes.as_deref(), Some("67108864"));
    }
    if !world.cannot("CPU") {
        let quota = either("cpu.cfs_quota_us", "cpu.max").expect("a quota");
        assert!(quota.starts_with("150000"), "{quota}");
        let share = either("cpu.shares", "cpu.weight").expect("a weight");
        assert!(share == "512" || share == "20", "{share}");
    }
    world.stop(&launch, 0);
    world.exited(&launch);
    assert!(cgroups_of(&launch).is_empty());
}

/// The cgroup folders of a container, in every hierarchy.
fn cgroups_of(launch: &Launch) -> Vec<PathBuf> {
    folders_called(&format!("{}.{}.{}", launch.pod_uid, launch.container, launch.attempt))
}

fn folders_called(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.file_name() == name {
                found.push(entry.path());
            }
            open.push(entry.path());
        }
    }
    found
}

#[test]
fn an_idle_shim_costs_little() {
    let mut world = World::new();
    let launches: Vec<Launch> = (0..40).map(|_| sh("exec sleep 1000")).collect();
    launches.iter().for_each(|launch| world.start(launch));
    let shims: Vec<u32> = launches
        .iter()
        .map(|launch| {
            let pid = world.started(launch);
            world.shim_of(pid)
        })
        .collect();
    let total: u64 = shims.iter().map(|shim| private_kilobytes(*shim)).sum();
    let each = total / shims.len() as u64;
    println!("an idle shim's private memory: {each} kB");
    // 500 pods and the daemon shall fit in 70 MB.
    assert!(each < 120, "{each} kB");
}

fn private_kilobytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    let kilobytes = |line: &str| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok();
    private.filter_map(kilobytes).sum()
}

#[test]
fn a_log_that_cannot_be_written_holds_nothing_up() {
    let mut world = World::new();
    let folder = tempfile::tempdir().expect("tempdir");
    let at = |name: &str| folder.path().join(name);
    let wait_for = |path: &Path| format!("while [ ! -e {} ]; do sleep 0.02; done", path.display());
    let script = format!(
        "echo first; {}; seq 100000; touch {}; {}; echo last",
        wait_for(&at("go")),
        at("done").display(),
        wait_for(&at("end"))
    );
    let launch = sh(&script);
    world.start(&launch);
    let pid = world.started(&launch);
    let shim = world.shim_of(pid);
    until(|| world.output(&launch) == "first\n");
    // As a full disk: no file of the shim's may grow.
    limit(shim, rustix::process::Resource::Fsize, Some(1000));
    std::fs::write(at("go"), "").expect("write");
    until(|| at("done").exists());
    limit(shim, rustix::process::Resource::Fsize, None);
    std::fs::write(at("end"), "").expect("write");
    assert_eq!(world.exited(&launch).code, 0);
    let output = world.output(&launch);
    let kept = output.lines().filter(|line| line.parse::<u32>().is_ok()).count();
    let confessed = output.lines().filter_map(|line| line.strip_prefix("cronlet: "));
    let number = |text: &str| text.split(' ').next().and_then(|n| n.parse::<usize>().ok());
    let lost: usize = confessed.filter_map(number).sum();
    assert!(lost > 0 && kept + lost == 100_000, "{kept} kept, {lost} lost");
    assert!(output.starts_with("first\n") && output.ends_with("\nlast\n"));
}

#[test]
fn no_descriptors_left_is_said_and_passes() {
    let world = World::new();
    crate::ordinary::alone(world, "limits::no_descriptors_left_is_said_and_passes", |mut world| {
        let open = std::fs::read_dir("/proc/self/fd").expect("fds").count() as u64;
        let own = std::process::id();
        limit(own, rustix::process::Resource::Nofile, Some(open + 4));
        let launches: Vec<Launch> = (0..20).map(|_| sh("exec sleep 1000")).collect();
        launches.iter().for_each(|launch| world.start(launch));
        let (mut ran, mut refused) = (Vec::new(), Vec::new());
        for launch in &launches {
            match world.begun(launch) {
                Ok(pid) => ran.push(pid),
                Err(why) => {
                    assert!(why.contains("Too many open files"), "{why}");
                    refused.push(launch);
                }
            }
        }
        assert!(!ran.is_empty() && !refused.is_empty(), "{} ran", ran.len());
        assert!(ran.iter().all(|pid| alive(*pid)), "nothing else is disturbed");
        limit(own, rustix::process::Resource::Nofile, Some(500));
        world.forget();
        refused.iter().for_each(|launch| world.start(launch));
        assert!(refused.iter().all(|launch| alive(world.started(launch))));
    });
}

#[test]
fn a_dead_zygote_is_replaced() {
    let mut world = World::new();
    for zygote in crate::ordinary::zygotes() {
        // Those of tests that run beside this one are replaced as well.
        kill(zygote);
    }
    assert_eq!(world.run(&sh("exit 3")).code, 3);
}

pub fn limit(pid: u32, resource: rustix::process::Resource, maximum: Option<u64>) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    // The hard limit stays, so that an ordinary user may take it back.
    let hard = rustix::process::getrlimit(resource).maximum;
    let limit = rustix::process::Rlimit { current: maximum.or(hard), maximum: hard };
    rustix::process::prlimit(Some(pid), resource, limit).expect("prlimit");
}
