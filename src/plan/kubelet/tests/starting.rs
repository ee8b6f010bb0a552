//! How containers start: init containers, sidecars, hooks, and what cannot start.

use super::{World, check, simple, staged};
use serde_json::json;

#[test]
fn init_then_sidecar_then_main() {
    check(
        staged("Never"),
        "0 bind\n1 started first\n2 exit first 0\n3 hooked side\n4 hook-done side
         5 started main\n9 exit main 0\n10 exit side 143",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         -- 2 exit first 0
         Pending PircS first:end(0 Completed)* side:wait(init) main:wait(init)
         start side#0
         -- 3 hooked side
         -- 4 hook-done side
         Created{side} Container created
         Started{side} Container started
         Pending PIrcS first:end(0 Completed)* side:run* main:wait(init)
         start main#0
         -- 5 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS first:end(0 Completed)* side:run* main:run*
         -- 9 exit main 0
         Running PIrcS first:end(0 Completed)* side:run* main:end(0 Completed)
         Killing{side} Stopping container side
         stop side#0 30s
         -- 10 exit side 143
         Succeeded pIrcS first:end(0 Completed)* side:end(143 Error) main:end(0 Completed)",
    );
}

/// Input is not dropped in silence.
#[test]
fn a_container_that_wants_input_is_told_of() {
    let mut pod = simple("Never");
    pod["containers"][0]["stdin"] = json!(true);
    check(
        pod,
        "0 bind\n1 started main",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         NoInput{main} stdin: true: its input is /dev/null, as attach is not served
         Running PIRCS main:run*",
    );
}

/// A program that goes to the background ends with its container, and that is said once.
#[test]
fn what_is_left_in_the_background_is_told_of() {
    check(
        simple("Never"),
        "0 bind\n1 started main\n2 exit main 0 leaving 2\n3 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 exit main 0 leaving 2
         LeftInBackground{main} the program ended and left 2 processes running, ended with it: \
         have it stay in the foreground
         Succeeded pIrcS main:end(0 Completed)
         -- 3 look",
    );
}

#[test]
fn a_start_that_fails_is_tried_again() {
    check(
        simple("Never"),
        "0 bind\n1 failed main RunContainerError\n10.9 look\n11 look
         11.5 failed main RunContainerError\n31.5 look\n32 started main\n33 exit main 0",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 failed main RunContainerError
         Failed{main} Error: cannot
         Pending pIrcS main:wait(RunContainerError)
         wake 11
         -- 10.9 look
         wake 11
         -- 11 look
         start main#0
         -- 11.5 failed main RunContainerError
         wake 31.5
         -- 31.5 look
         start main#0
         -- 32 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 33 exit main 0
         Succeeded pIrcS main:end(0 Completed)",
    );
}

#[test]
fn a_failed_post_start_is_told_once() {
    check(
        simple("OnFailure"),
        "0 bind\n1 hooked main\n2 hook-failed main\n3 exit main 137\n4 hooked main
         5 hook-done main",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 hooked main
         -- 2 hook-failed main
         stop main#0 30s
         -- 3 exit main 137
         Created{main} Container created
         Started{main} Container started
         FailedPostStartHook{main} PostStartHook failed
         Killing{main} FailedPostStartHook
         Running PIrcS main:wait(PostStartHookError)<137
         start main#1
         -- 4 hooked main
         -- 5 hook-done main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#1<137",
    );
}

#[test]
fn an_unbound_pod_orders_nothing_and_goes_at_once() {
    check(
        simple("Always"),
        "0 look\n1 delete 30",
        "-- 0 look
         -- 1 delete 30
         remove",
    );
}

#[test]
fn an_image_without_program_waits_with_the_way_on() {
    check(
        json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "redis:7"}]}),
        "0 bind\n5 look\n10 look\n20 look\n40 look\n900 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Failed{main} Error: image \"redis:7\" is not pulled: containers are host \
         programs here; give the container a command, or add a line to images: in the \
         configuration, such as redis: [redis]
         Pending pIrcS main:wait(ImageNotMapped)
         wake 10
         -- 5 look
         wake 15
         -- 10 look
         wake 20
         -- 20 look
         wake 40
         -- 40 look
         wake 80
         -- 900 look
         wake 1200",
    );
}

#[test]
fn a_short_life_that_is_seen_late_is_told_whole() {
    let mut world = World::new(simple("Never"));
    world.step("0 bind");
    world.answer.clear();
    world.happen(&["started", "main"]);
    world.step("1 exit main 0");
    let want = [
        "Created{main} Container created",
        "Started{main} Container started",
        "Succeeded pIrcS main:end(0 Completed)",
    ];
    assert_eq!(world.answer, want);
}

#[test]
fn a_sidecar_that_restarts_holds_up_nothing_that_came_after() {
    check(
        json!({"restartPolicy": "Never", "initContainers": [
            {"name": "side", "image": "x", "command": ["run"], "restartPolicy": "Always"},
            {"name": "next", "image": "x", "command": ["run"]}],
            "containers": [{"name": "main", "image": "x", "command": ["run"]}]}),
        "0 bind\n1 started side\n2 started next\n3 exit side 1\n4 started side\n5 exit side 1
         6 exit next 0",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS side:wait(init) next:wait(init) main:wait(init)
         start side#0
         -- 1 started side
         Created{side} Container created
         Started{side} Container started
         Pending PircS side:run* next:wait(init) main:wait(init)
         start next#0
         -- 2 started next
         Created{next} Container created
         Started{next} Container started
         Pending PircS side:run* next:run main:wait(init)
         -- 3 exit side 1
         Pending PircS side:end(1 Error) next:run main:wait(init)
         start side#1
         -- 4 started side
         Created{side} Container created
         Started{side} Container started
         Pending PircS side:run*#1<1 next:run main:wait(init)
         -- 5 exit side 1
         BackOff{side} Back-off restarting failed container side in pod p_default(u)
         Pending PircS side:end(1 Error)#1<1 next:run main:wait(init)
         wake 15
         -- 6 exit next 0
         BackOff{side} Back-off restarting failed container side in pod p_default(u)
         Pending PircS side:wait(CrashLoopBackOff)#1<1 next:end(0 Completed)* main:wait(init)
         start main#0
         wake 15",
    );
}

#[test]
fn a_sidecar_that_has_not_started_holds_up_the_next() {
    check(
        json!({"restartPolicy": "Never", "initContainers": [
            {"name": "side", "image": "x", "command": ["run"], "restartPolicy": "Always"},
            {"name": "next", "image": "x", "command": ["run"]}],
            "containers": [{"name": "main", "image": "x", "command": ["run"]}]}),
        "0 bind\n1 hooked side\n2 exit side 1\n3 hooked side\n4 exit side 1\n13 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS side:wait(init) next:wait(init) main:wait(init)
         start side#0
         -- 1 hooked side
         -- 2 exit side 1
         Created{side} Container created
         Started{side} Container started
         Pending PircS side:end(1 Error) next:wait(init) main:wait(init)
         start side#1
         -- 3 hooked side
         -- 4 exit side 1
         Created{side} Container created
         Started{side} Container started
         BackOff{side} Back-off restarting failed container side in pod p_default(u)
         Pending PircS side:end(1 Error)#1<1 next:wait(init) main:wait(init)
         wake 14
         -- 13 look
         wake 14",
    );
}

#[test]
fn what_the_runtime_cannot_run_waits_as_such() {
    check(
        simple("Always"),
        "0 bind\n1 unstartable main\n2 unstartable main\n12 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 unstartable main
         Created{main} Container created
         Failed{main} Error: cannot
         Running PIrcS main:wait(RunContainerError)<128
         start main#1
         -- 2 unstartable main
         Created{main} Container created
         Failed{main} Error: cannot
         Running PIrcS main:wait(RunContainerError)#1<128
         wake 12
         -- 12 look
         Running PIrcS main:wait(CrashLoopBackOff)#1<128
         start main#2",
    );
}

#[test]
fn what_the_runtime_cannot_run_fails_a_pod_that_runs_once() {
    check(
        simple("Never"),
        "0 bind\n1 unstartable main",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 unstartable main
         Created{main} Container created
         Failed{main} Error: cannot
         Failed pIrcS main:end(128 StartError)",
    );
}
