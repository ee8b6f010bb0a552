//! Programs that probes run in containers.

use crate::world::{World, alive, read_when_there, sh, until};
use cronlet_node::probes::exec::{Ran, Run};
use cronlet_plan::order::{Launch, Mount, MountSource};
use std::time::Duration;
use tokio::sync::oneshot::{Receiver, channel};

const PATIENT: Duration = Duration::from_secs(60);

fn run(world: &World, launch: &Launch, script: &str, timeout: Duration) -> Receiver<Ran> {
    let (reply, ran) = channel();
    world.exec(Run {
        pod_uid: launch.pod_uid.clone(),
        container: launch.container.clone(),
        attempt: launch.attempt,
        command: ["/bin/sh", "-c", script].map(String::from).into(),
        timeout,
        reply,
    });
    ran
}

fn ended(code: i32, output: &str) -> Result<Ran, tokio::sync::oneshot::error::RecvError> {
    Ok(Ran::Ended { code, output: output.into() })
}

#[test]
fn a_probe_runs_in_its_container() {
    let mut world = World::new();
    let volume = MountSource::EmptyDir { memory: false, size_bytes_max: None };
    let mount = Mount {
        at: "/mnt".into(),
        read_only: false,
        sub_path: None,
        sub_path_called: None,
        volume: "data".into(),
        source: volume,
    };
    let mut launch = sh("echo inside > /mnt/note; exec sleep 1000");
    (launch.mounts, launch.working_dir) = (vec![mount], Some("/mnt".into()));
    launch.env.push(("NAME".into(), "value".into()));
    world.start(&launch);
    world.started(&launch);
    let check = |script: &str, want: Result<Ran, _>| {
        assert_eq!(run(&world, &launch, script, PATIENT).blocking_recv(), want, "{script}");
    };
    check("while ! cat note 2>/dev/null; do :; done; echo $NAME >&2", ended(0, "inside\nvalue\n"));
    check("exit 3", ended(3, ""));
    check("kill -9 $$", ended(137, ""));
    let long = "x".repeat(10 << 10);
    check("yes x | tr -d '\\n' | head -c 100000", ended(0, &long));
    let both = [run(&world, &launch, "echo 1", PATIENT), run(&world, &launch, "echo 2", PATIENT)];
    assert_eq!(both.map(Receiver::blocking_recv), [ended(0, "1\n"), ended(0, "2\n")]);
}

#[test]
fn a_probe_that_takes_too_long_ends_with_all_it_began() {
    let mut world = World::new();
    let launch = sh("exec sleep 1000");
    world.start(&launch);
    world.started(&launch);
    let note = world.state.join("pids");
    let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", note.display());
    // However slow this machine is, at last there is time enough to begin.
    let mut timeout = Duration::from_millis(250);
    while !note.exists() {
        let ran = run(&world, &launch, &script, timeout);
        assert_eq!(ran.blocking_recv(), Ok(Ran::TimedOut));
        timeout *= 2;
    }
    let pid = read_when_there(&note).parse().expect("a pid");
    until(|| !alive(pid));
}

#[test]
fn what_cannot_be_run_says_so() {
    let mut world = World::new();
    let launch = sh("exec sleep 1000");
    let nobody = run(&world, &launch, "true", PATIENT).blocking_recv();
    assert!(nobody.is_err(), "{nobody:?}");
    world.start(&launch);
    world.started(&launch);
    let (reply, ran) = channel();
    let command = vec!["no-such-program".to_owned()];
    let (pod_uid, container) = (launch.pod_uid.clone(), "main".to_owned());
    world.exec(Run { pod_uid, container, attempt: 0, command, timeout: PATIENT, reply });
    let Ok(Ran::Refused(why)) = ran.blocking_recv() else { panic!("it ran") };
    assert!(why.contains("executable file not found"), "{why}");
    let other = Launch { attempt: 1, ..launch };
    let ran = run(&world, &other, "true", PATIENT).blocking_recv();
    assert_eq!(ran, Ok(Ran::Refused("container not running".into())));
}
