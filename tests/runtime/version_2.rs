//! The same where cgroups have version 2, as real hosts do: in a virtual machine, for where this
//! runs they may not.

use crate::common::{has, virtual_machine};

/// Those that ask most of cgroups, and need no more than busybox.
const TESTS: [&str; 9] = [
    "ends::exit_codes_and_signals",
    "ends::no_grandchild_is_left",
    "ends::term_then_kill_after_the_grace",
    "limits::a_pod_is_held_to_its_limit",
    "limits::limits_are_in_the_cgroups_and_go_with_the_container",
    "limits::out_of_memory_is_told",
    "survives::a_container_outlives_the_daemon",
    "survives::a_killed_shim_takes_its_containers_along",
    "survives::two_hundred_pods_at_once",
];

#[test]
fn limits_and_ends_hold_under_cgroups_of_version_2() {
    if !has(&virtual_machine::needs()) {
        return;
    }
    let this = std::env::current_exe().and_then(std::fs::read).expect("this program is a file");
    let tests = TESTS.join(" ");
    let script = format!(
        "export CRONLET_TEST_PROGRAM=/bin/cronlet CRONLET_TEST_LIMITS=1
        cat /sys/fs/cgroup/cgroup.controllers
        /files/runtime --exact {tests}"
    );
    let said = virtual_machine::run(&script, &[("runtime", &this)]);
    assert!(said.starts_with("cpuset cpu io memory "), "{said}");
    let want = format!("test result: ok. {} passed; 0 failed", TESTS.len());
    assert!(said.contains(&want), "{said}");
}
