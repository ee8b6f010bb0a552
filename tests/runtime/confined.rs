//! Tests of the limits that `securityContext` sets to a container's program.

use crate::world::{World, sh};
use cronlet_node::probes::exec::{Ran, Run};
use cronlet_plan::order::{Confinement, Filter, Hook, Launch};
use std::time::Duration;
use tokio::sync::oneshot::channel;

/// Capabilities that containerd gives a container that asks for none.
const USUAL: u64 = 0xa804_25fb;
const NET_BIND_SERVICE: u64 = 1 << 10;
const SYS_ADMIN: u64 = 1 << 21;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A line of the program's own `/proc/self/status`.
const STATUS: &str =
    "sed -n 's/^\\(Cap...\\|NoNewPrivs\\|Seccomp\\):[[:space:]]*/\\1=/p' /proc/self/status";

fn output(world: &mut World, launch: &Launch) -> String {
    let exit = world.run(launch);
    assert_eq!(exit.code, 0, "{exit:?}\n{}", world.log(launch));
    world.output(launch)
}

fn confined(confinement: Confinement, script: &str) -> Launch {
    Launch { confinement, ..sh(script) }
}

/// Returns the value of `key` in the lines of [`STATUS`].
fn value(said: &str, key: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{key} is not in {said}")).to_owned()
}

#[test]
fn capabilities_are_those_that_runc_gives() {
    let mut world = World::new();
    let own = std::fs::read_to_string("/proc/self/status").expect("a status").replace(":\t", "=");
    let bounding = u64::from_str_radix(&value(&own, "CapBnd"), 16).expect("a set");
    let mut check = |user: Option<u32>, capabilities: Option<u64>| {
        let confinement = Confinement { capabilities, ..Confinement::default() };
        let said = output(&mut world, &Launch { user, ..confined(confinement, STATUS) });
        let is_bound = is_root() || capabilities.is_none();
        let bound = capabilities.filter(|_| is_bound).unwrap_or(u64::MAX) & bounding;
        let held = if is_root() && user.is_none() { bound } else { 0 };
        let want =
            [("CapInh", 0), ("CapAmb", 0), ("CapBnd", bound), ("CapPrm", held), ("CapEff", held)];
        for (set, want) in want {
            assert_eq!(value(&said, set), format!("{want:016x}"), "{set} of {user:?}: {said}");
        }
        // An ordinary user cannot bind set-user-id programs but by this.
        assert_eq!(value(&said, "NoNewPrivs"), if is_bound { "0" } else { "1" }, "{said}");
    };
    let users = if is_root() { vec![None, Some(1234)] } else { vec![None] };
    for user in users {
        check(user, None);
        check(user, Some(0));
        check(user, Some(NET_BIND_SERVICE));
        check(user, Some(USUAL));
    }
}

#[test]
fn no_program_gains_privileges() {
    let mut world = World::new();
    for no_new_privileges in [false, true] {
        let confinement = Confinement { no_new_privileges, ..Confinement::default() };
        let said = output(&mut world, &confined(confinement, STATUS));
        assert_eq!(value(&said, "NoNewPrivs"), u8::from(no_new_privileges).to_string());
        assert_eq!(value(&said, "Seccomp"), "0");
    }
}

/// Threads, pipes and processes work; namespaces, mounts and keys do not.
#[test]
fn the_usual_filter_refuses_what_containers_do_not_do() {
    let mut world = World::new();
    let mut check = |no_new_privileges: bool, user: Option<u32>| {
        let filter = Some(Filter { capabilities: USUAL });
        let confinement = Confinement { no_new_privileges, filter, ..Confinement::default() };
        let script = format!(
            "{STATUS}; seq 3 | wc -l; unshare --user true 2>&1; (sleep 0 & wait) && echo waited; \
             umount /no/such 2>&1; true"
        );
        let said = output(&mut world, &Launch { user, ..confined(confinement, &script) });
        assert_eq!(value(&said, "Seccomp"), "2", "{said}");
        assert!(
            said.contains("\n3\nunshare: unshare failed: Operation not permitted\nwaited\n"),
            "{said}"
        );
        assert!(!said.contains("no mount point") && !said.contains("not found"), "{said}");
        // Who may not filter otherwise gives up gaining privileges for it.
        let gains_none = no_new_privileges || !is_root();
        assert_eq!(value(&said, "NoNewPrivs"), u8::from(gains_none).to_string(), "{said}");
    };
    let users = if is_root() { vec![None, Some(1234)] } else { vec![None] };
    for user in users {
        check(false, user);
        check(true, user);
    }
    let filter = Some(Filter { capabilities: USUAL | SYS_ADMIN });
    let may = Confinement { filter, ..Confinement::default() };
    if is_root() {
        assert_eq!(output(&mut world, &confined(may, "unshare --mount echo apart")), "apart\n");
    }
}

/// Probes and hooks are as confined as the container that they belong to.
#[test]
fn what_runs_beside_it_is_confined_as_it_is() {
    let mut world = World::new();
    let confinement = Confinement {
        no_new_privileges: true,
        capabilities: Some(0),
        filter: Some(Filter { capabilities: 0 }),
        ..Confinement::default()
    };
    let hook = format!("{STATUS} > /tmp/hook; mv /tmp/hook /tmp/hooked");
    let folder = cronlet_plan::order::MountSource::EmptyDir { memory: false, size_bytes_max: None };
    let script = format!(
        "while ! cat /tmp/hooked 2>/dev/null; do sleep 0.01; done; {STATUS}; exec sleep 1000"
    );
    let launch = Launch {
        post_start: Some(Hook::Exec(["/bin/sh", "-c", &hook].map(String::from).into())),
        mounts: vec![crate::volumes::mount("/tmp", "tmp", folder)],
        ..confined(confinement, &script)
    };
    world.start(&launch);
    world.started(&launch);
    let (reply, ran) = channel();
    world.exec(Run {
        pod_uid: launch.pod_uid.clone(),
        container: launch.container.clone(),
        attempt: launch.attempt,
        command: ["/bin/sh", "-c", STATUS].map(String::from).into(),
        timeout: Duration::from_secs(60),
        reply,
    });
    let Ok(Ran::Ended { code: 0, output }) = ran.blocking_recv() else { panic!("no answer") };
    assert_eq!(value(&output, "CapEff"), "0000000000000000");
    assert_eq!((value(&output, "NoNewPrivs"), value(&output, "Seccomp")), ("1".into(), "2".into()));
    crate::world::until(|| world.output(&launch).lines().count() == 2 * output.lines().count());
    assert_eq!(world.output(&launch), output.repeat(2), "the hook, then the program");
}

#[test]
fn a_secret_name_is_told_by_its_variable() {
    let mut world = World::new();
    let check = |world: &mut World, program: &str, want: &str| {
        let launch =
            Launch { argv: vec![program.into()], called: Some("$(PROGRAM)".into()), ..sh("") };
        let message = world.run(&launch).message;
        assert_eq!(message, format!("exec: \"$(PROGRAM)\": {want}"));
    };
    check(&mut world, "s3cr3t", "executable file not found in $PATH");
    check(&mut world, "/etc/s3cr3t", "no such file or directory");
    check(&mut world, "/etc/passwd", "permission denied");
}
