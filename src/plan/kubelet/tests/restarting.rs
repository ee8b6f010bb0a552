//! What ends and runs again, and what does not.

use super::{World, check, simple, staged};
use serde_json::json;

#[test]
fn never_fails_once() {
    check(
        simple("Never"),
        "0 bind\n1 started main\n2 exit main 3\n900 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 exit main 3
         Failed pIrcS main:end(3 Error)
         -- 900 look",
    );
}

#[test]
fn crashes_restart_with_backoff() {
    check(
        simple("Always"),
        "0 bind\n1 started main\n2 exit main 7\n3 started main\n4 exit main 7\n13.9 look
         14 look\n15 started main\n16 exit main 0\n36 look\n37 started main\n638 exit main 1",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 exit main 7
         Running PIrcS main:end(7 Error)
         start main#1
         -- 3 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#1<7
         -- 4 exit main 7
         BackOff{main} Back-off restarting failed container main in pod p_default(u)
         Running PIrcS main:end(7 Error)#1<7
         wake 14
         -- 13.9 look
         wake 14
         -- 14 look
         Running PIrcS main:wait(CrashLoopBackOff)#1<7
         start main#2
         -- 15 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#2<7
         -- 16 exit main 0
         BackOff{main} Back-off restarting failed container main in pod p_default(u)
         Running PIrcS main:end(0 Completed)#2<7
         wake 36
         -- 36 look
         Running PIrcS main:wait(CrashLoopBackOff)#2<0
         start main#3
         -- 37 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#3<0
         -- 638 exit main 1
         Running PIrcS main:end(1 Error)#3<0
         start main#4",
    );
}

#[test]
fn a_failed_init_fails_a_pod_that_never_restarts() {
    check(
        staged("Never"),
        "0 bind\n1 started first\n2 exit first 4",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         -- 2 exit first 4
         Failed pircS first:end(4 Error) side:wait(init) main:wait(init)",
    );
}

#[test]
fn a_failed_init_is_tried_again_on_failure() {
    check(
        staged("OnFailure"),
        "0 bind\n1 started first\n2 exit first 4\n3 started first\n4 exit first 4\n14 look
         15 started first\n16 exit first 0",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         -- 2 exit first 4
         Pending PircS first:end(4 Error) side:wait(init) main:wait(init)
         start first#1
         -- 3 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run#1<4 side:wait(init) main:wait(init)
         -- 4 exit first 4
         BackOff{first} Back-off restarting failed container first in pod p_default(u)
         Pending PircS first:end(4 Error)#1<4 side:wait(init) main:wait(init)
         wake 14
         -- 14 look
         Pending PircS first:wait(CrashLoopBackOff)#1<4 side:wait(init) main:wait(init)
         start first#2
         -- 15 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run#2<4 side:wait(init) main:wait(init)
         -- 16 exit first 0
         Pending PircS first:end(0 Completed)*#2<4 side:wait(init) main:wait(init)
         start side#0",
    );
}

#[test]
fn a_sidecar_that_crashes_restarts_alone() {
    check(
        staged("Never"),
        "0 bind\n1 started first\n2 exit first 0\n3 started side\n4 started main
         5 exit side 1\n6 started side\n7 exit side 1\n8 exit main 0\n30 look",
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
         -- 3 started side
         Created{side} Container created
         Started{side} Container started
         Pending PIrcS first:end(0 Completed)* side:run* main:wait(init)
         start main#0
         -- 4 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS first:end(0 Completed)* side:run* main:run*
         -- 5 exit side 1
         Running PIrcS first:end(0 Completed)* side:end(1 Error) main:run*
         start side#1
         -- 6 started side
         Created{side} Container created
         Started{side} Container started
         Running PIRCS first:end(0 Completed)* side:run*#1<1 main:run*
         -- 7 exit side 1
         BackOff{side} Back-off restarting failed container side in pod p_default(u)
         Running PIrcS first:end(0 Completed)* side:end(1 Error)#1<1 main:run*
         wake 17
         -- 8 exit main 0
         Succeeded pIrcS first:end(0 Completed)* side:end(1 Error)#1<1 main:end(0 Completed)
         -- 30 look",
    );
}

#[test]
fn what_the_runtime_forgot_has_ended() {
    check(
        simple("OnFailure"),
        "0 bind\n1 started main\n2 lost\n3 started main\n4 exit main 0\n5 lost\n6 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 lost
         Running PIrcS main:end(137 ContainerStatusUnknown)
         start main#1
         -- 3 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#1<137
         -- 4 exit main 0
         Succeeded pIrcS main:end(0 Completed)#1<137
         -- 5 lost
         -- 6 look",
    );
}

#[test]
fn never_on_one_container_of_an_always_pod() {
    check(
        json!({"restartPolicy": "Always", "containers": [
            {"name": "a", "image": "x", "command": ["run"], "restartPolicy": "Never"},
            {"name": "b", "image": "x", "command": ["run"]}]}),
        "0 bind\n1 started a\n1 started b\n2 exit a 1\n3 exit b 0\n4 started b",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS a:wait(creating) b:wait(creating)
         start a#0
         start b#0
         -- 1 started a
         Created{a} Container created
         Started{a} Container started
         Pending PIrcS a:run* b:wait(creating)
         -- 1 started b
         Created{b} Container created
         Started{b} Container started
         Running PIRCS a:run* b:run*
         -- 2 exit a 1
         Running PIrcS a:end(1 Error) b:run*
         -- 3 exit b 0
         Running PIrcS a:end(1 Error) b:end(0 Completed)
         start b#1
         -- 4 started b
         Created{b} Container created
         Started{b} Container started
         Running PIrcS a:end(1 Error) b:run*#1<0",
    );
}

#[test]
fn a_service_that_stops_starts_nothing_more() {
    check(
        staged("Always"),
        "0 bind\n1 started first\n2 stopping\n3 exit first 0\n30 look\n31 delete 0\n32 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         -- 2 stopping
         -- 3 exit first 0
         Pending PircS first:end(0 Completed)* side:wait(init) main:wait(init)
         -- 30 look
         -- 31 delete 0
         Failed pircS first:end(0 Completed)* side:wait(init) main:wait(init)
         clean
         -- 32 cleaned
         remove",
    );
}

#[test]
fn a_runtime_that_forgot_the_attempt_before_changes_nothing() {
    check(
        simple("Always"),
        "0 bind\n1 started main\n2 exit main 7\n3 started main\n4 forget-last\n5 exit main 0",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 exit main 7
         Running PIrcS main:end(7 Error)
         start main#1
         -- 3 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#1<7
         -- 4 forget-last
         -- 5 exit main 0
         BackOff{main} Back-off restarting failed container main in pod p_default(u)
         Running PIrcS main:end(0 Completed)#1<7
         wake 15",
    );
}

/// A host that goes down again and again is no fault of its containers.
#[test]
fn what_is_lost_runs_again_at_once() {
    let mut world = World::new(simple("Always"));
    for line in ["0 bind", "1 started main", "2 lost", "3 started main"] {
        world.step(line);
    }
    world.answer.clear();
    world.step("4 lost");
    assert_eq!(
        world.answer,
        ["Running PIrcS main:end(137 ContainerStatusUnknown)#1", "start main#2"]
    );
}
