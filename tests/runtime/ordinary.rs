//! The runtime of an ordinary user: run again as `nobody` where the tests run as root.

use crate::limits::limit;
use crate::world::{World, kill, sh, until};
use cronlet_plan::order::Launch;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

const NOBODY: u32 = 65534;
/// Set in a test that was run again.
const AGAIN: &str = "CRONLET_TEST_AGAIN";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs these tests of this program again in a process of their own, as `nobody` if asked to.
fn again(names: &[&str], as_nobody: bool) {
    let folder = tempfile::tempdir().expect("tempdir");
    let copy = |from: PathBuf, name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).expect("copy");
        to
    };
    let tests = copy(std::env::current_exe().expect("a path"), "tests");
    let program = copy(env!("CARGO_BIN_EXE_cronlet").into(), "cronlet");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("chmod");
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).expect("mkdir");
    let mut command = Command::new(&tests);
    if as_nobody {
        chown(&temporary, Some(NOBODY), Some(NOBODY)).expect("chown");
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&tests);
    }
    command.args(names).args(["--exact", "--nocapture"]);
    command.env("TMPDIR", temporary).env("CRONLET_TEST_PROGRAM", program).env(AGAIN, "1");
    let output = command.current_dir("/").output().expect("run again");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains(&format!("{} passed", names.len())), "{said}");
}

/// Runs `body` in a process that has no other test, whose limits can be changed.
pub fn alone(world: World, name: &str, body: impl FnOnce(World)) {
    if std::env::var_os(AGAIN).is_some() {
        body(world);
    } else {
        drop(world);
        again(&[name], false);
    }
}

/// The zygotes of this process.
pub fn zygotes() -> Vec<u32> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{own}/task")).expect("threads").flatten() {
        let children = std::fs::read_to_string(entry.path().join("children")).unwrap_or_default();
        found.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    found.retain(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim() == "cronlet-zygote"
    });
    found
}

fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect()
}

#[test]
fn nobody_can_do_all_that_needs_no_root() {
    if !is_root() {
        // Then the tests below ran as an ordinary user already.
        return assert!(rustix::process::geteuid().as_raw() != 0);
    }
    let names = [
        "ends::exit_codes_and_signals",
        "ends::no_grandchild_is_left",
        "ends::term_then_kill_after_the_grace",
        "ends::two_containers_of_a_pod_end_apart",
        "hooks::a_failed_start_hook_is_told",
        "hooks::before_the_stop_and_within_the_grace",
        "survives::a_container_outlives_the_daemon",
        "survives::a_killed_shim_takes_its_containers_along",
        "volumes::a_read_only_root_has_writable_volumes",
        "volumes::files_are_shown_read_only_and_secrets_stay_in_memory",
        "volumes::memory_has_its_limit",
        "volumes::parts_of_volumes_and_mounts_in_mounts",
        "volumes::the_host_is_shown_and_checked",
    ];
    again(&names, true);
}

#[test]
fn what_needs_root_is_refused_with_its_reason() {
    if is_root() {
        return again(&["ordinary::what_needs_root_is_refused_with_its_reason"], true);
    }
    let own = rustix::process::geteuid().as_raw();
    let mut world = World::new();
    let mut check = |launch: Launch, want: &str| {
        world.start(&launch);
        let (reason, message) = world.failed(&launch);
        assert_eq!(reason, "CreateContainerConfigError");
        assert!(message.starts_with(want), "{message}");
    };
    check(Launch { user: Some(0), ..sh("true") }, "runAsUser 0: this daemon runs as user");
    check(Launch { group: Some(3), ..sh("true") }, "group 3: user");
    check(Launch { groups: vec![77], ..sh("true") }, "group 77: user");
    let same = Launch { user: Some(own), ..sh("id -u") };
    assert_eq!(world.run(&same).code, 0);
    assert_eq!(world.output(&same), format!("{own}\n"));
    let message = Launch {
        termination_message_path: "/dev/of/my/own".into(),
        ..sh("echo there > /dev/of/my/own; echo > /dev/null; head -c 4 /dev/urandom | wc -c")
    };
    assert_eq!(world.run(&message).message, "there\n");
    assert_eq!(world.output(&message), "4\n");
}

#[test]
fn a_refused_fork_is_said_and_passes() {
    if is_root() {
        return again(&["ordinary::a_refused_fork_is_said_and_passes"], true);
    }
    let mut world = World::new();
    let nproc = rustix::process::Resource::Nproc;
    let first = sh("exec sleep 1000");
    world.start(&first);
    let pid = world.started(&first);
    let shim = world.shim_of(pid);
    let own = zygotes();
    // The spare shim goes, so that a fork is needed at all.
    until(|| own.iter().flat_map(|zygote| children(*zygote)).any(|spare| spare != shim));
    let spares = own.iter().flat_map(|zygote| children(*zygote)).filter(|spare| *spare != shim);
    spares.for_each(kill);
    for pid in own.iter().copied().chain([shim]) {
        limit(pid, nproc, Some(1));
    }
    // The zygote's fork of a shim, then a shim's fork of a second container.
    let other = sh("exit 5");
    let beside = Launch { container: "beside".into(), ..sh("exit 6") };
    let beside = Launch { pod_uid: first.pod_uid.clone(), ..beside };
    for launch in [&other, &beside] {
        world.start(launch);
        let (reason, message) = world.failed(launch);
        assert_eq!(reason, "RunContainerError");
        assert!(message.starts_with("fork refused: "), "{message}");
    }
    for pid in own.iter().copied().chain([shim]) {
        limit(pid, nproc, None);
    }
    world.forget();
    assert_eq!(world.run(&other).code, 5);
    assert_eq!(world.run(&beside).code, 6);
}
