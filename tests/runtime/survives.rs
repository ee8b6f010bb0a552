//! What survives: the daemon's death, the shim's death, repeated orders, many at once, a host that
//! refuses.

use crate::world::{World, alive, kill, sh, until};
use cronlet_plan::order::{ContainerEvent, ContainerState, Launch};

#[test]
fn a_container_outlives_the_daemon() {
    let mut world = World::new();
    let folder = tempfile::tempdir().expect("tempdir");
    let go = folder.path().join("go");
    let launch = sh(&format!("while [ ! -e {} ]; do sleep 0.02; done; exit 5", go.display()));
    world.start(&launch);
    let pid = world.started(&launch);
    let found = world.reopen();
    let state = &found[&launch.pod_uid].containers["main"].state;
    let ContainerState::Running { pid: same, .. } = state else { panic!("{state:?}") };
    assert_eq!(*same, pid);
    std::fs::write(go, "").expect("write");
    assert_eq!(world.exited(&launch).code, 5);
}

#[test]
fn an_end_while_no_daemon_listens_is_told_later() {
    let mut world = World::new();
    let folder = tempfile::tempdir().expect("tempdir");
    let go = folder.path().join("go");
    let launch = sh(&format!("while [ ! -e {} ]; do sleep 0.02; done; exit 6", go.display()));
    world.start(&launch);
    let shim = world.started(&launch);
    let shim = world.shim_of(shim);
    world.close();
    std::fs::write(go, "").expect("write");
    // Nothing lives and all is on record: the shim is gone too.
    until(|| !alive(shim));
    let found = world.reopen();
    let state = &found[&launch.pod_uid].containers["main"].state;
    assert!(matches!(state, ContainerState::Exited(exit) if exit.code == 6), "{state:?}");
}

#[test]
fn no_line_is_lost_while_no_daemon_listens() {
    let mut world = World::new();
    let folder = tempfile::tempdir().expect("tempdir");
    let go = folder.path().join("go");
    let script = format!("while [ ! -e {} ]; do sleep 0.02; done; seq 100000", go.display());
    let launch = sh(&script);
    world.start(&launch);
    world.started(&launch);
    world.close();
    std::fs::write(go, "").expect("write");
    until(|| world.log(&launch).ends_with("F 100000\n"));
    let want: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert!(world.output(&launch) == want, "100000 lines in their order");
}

#[test]
fn an_attempt_is_never_begun_twice() {
    let mut world = World::new();
    let folder = tempfile::tempdir().expect("tempdir");
    let file = folder.path().join("starts");
    let script = format!("echo x >> {}; exit 1", file.display());
    let launch = sh(&script);
    let exit = world.run(&launch);
    // To the shim that lingers, to none, to a new daemon: always the same answer.
    for _ in 0..3 {
        world.forget();
        assert_eq!(world.run(&launch), exit);
        world.reopen();
    }
    let again = Launch { attempt: 1, ..launch.clone() };
    assert_ne!(world.run(&again).id, exit.id);
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "x\nx\n");
    let observed = world.reopen().remove(&launch.pod_uid).expect("recovered");
    let seen = &observed.containers["main"];
    assert_eq!((seen.attempt, seen.streak), (1, 2));
    assert_eq!(seen.last.as_ref().map(|e| &e.id), Some(&exit.id));
    world.forget();
    world.start(&launch);
    world.clean(&launch);
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "x\nx\n");
}

#[test]
fn a_killed_shim_takes_its_containers_along() {
    for (cgroups, open) in [(true, true), (false, true), (true, false)] {
        let mut world = World::with(cgroups);
        let launch = sh("sleep 1000 & sleep 1001");
        world.start(&launch);
        let pid = world.started(&launch);
        let shim = world.shim_of(pid);
        let exit = if open {
            kill(shim);
            world.exited(&launch)
        } else {
            world.close();
            kill(shim);
            until(|| !alive(shim));
            let found = world.reopen();
            let state = found[&launch.pod_uid].containers["main"].state.clone();
            let ContainerState::Exited(exit) = state else { panic!("{state:?}") };
            exit
        };
        assert_eq!((exit.code, exit.reason.as_str()), (137, "ContainerStatusUnknown"));
        assert!(!alive(pid));
        // The pod goes on with a new shim.
        let again = Launch { attempt: 1, ..sh("exit 3") };
        let again = Launch { pod_uid: launch.pod_uid.clone(), ..again };
        assert_eq!(world.run(&again).code, 3);
    }
}

#[test]
fn what_ran_when_the_host_went_down_is_told_as_lost() {
    let mut world = World::new();
    let launch = sh("sleep 1000");
    world.start(&launch);
    let pid = world.started(&launch);
    let shim = world.shim_of(pid);
    world.close();
    kill(shim);
    until(|| !alive(shim) && !alive(pid));
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("read");
    let [segment] = &world.journal()[..] else { panic!("one daemon, one segment") };
    let text = std::fs::read_to_string(segment).expect("read");
    assert!(text.contains(boot.trim()));
    std::fs::write(segment, text.replace(boot.trim(), "an-earlier-boot")).expect("write");
    let found = world.reopen();
    let state = &found[&launch.pod_uid].containers["main"].state;
    let ContainerState::Exited(exit) = state else { panic!("{state:?}") };
    assert_eq!((exit.code, exit.reason.as_str()), (137, "ContainerStatusUnknown"));
    assert_eq!(exit.message, "The host was restarted while the container ran");
}

#[test]
fn stops_and_cleans_of_what_is_not_there() {
    let mut world = World::new();
    let never = sh("true");
    world.stop(&never, 5);
    assert_eq!(world.failed(&never).1, "stopped before it was started");
    world.clean(&never);
    let done = sh("exit 4");
    world.run(&done);
    world.forget();
    world.stop(&done, 5);
    assert_eq!(world.exited(&done).code, 4);
    world.clean(&done);
    assert!(world.reopen().is_empty());
}

#[test]
fn two_hundred_pods_at_once() {
    let mut world = World::new();
    let launches: Vec<Launch> = (0..200).map(|n| sh(&format!("exit {}", n % 7))).collect();
    launches.iter().for_each(|launch| world.start(launch));
    for (n, launch) in launches.iter().enumerate() {
        assert_eq!(world.exited(launch).code, i32::try_from(n % 7).expect("small"));
    }
    let starts =
        world.seen().iter().filter(|r| matches!(r.event, ContainerEvent::Started { .. })).count();
    assert_eq!(starts, 200);
}

#[test]
fn a_pod_whose_shim_cannot_be_reached_is_ended() {
    let mut world = World::new();
    let launch = sh("trap 'exit 9' TERM; while :; do sleep 0.02; done");
    world.start(&launch);
    let pid = world.started(&launch);
    world.close();
    let socket = world.state.join("journal").join(format!("{}.sock", launch.pod_uid));
    until(|| std::fs::remove_file(&socket).is_ok());
    let found = world.reopen();
    let state = &found[&launch.pod_uid].containers["main"].state;
    assert!(matches!(state, ContainerState::Exited(exit) if exit.code == 9), "{state:?}");
    assert!(!alive(pid));
}
