//! How pods end: by themselves, by their deadline, by deletion.

use super::{check, simple, staged};
use serde_json::json;

#[test]
fn runs_to_success_and_goes() {
    check(
        simple("Never"),
        "0 bind
         1 started main
         2 exit main 0
         3 delete 0
         4 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 exit main 0
         Succeeded pIrcS main:end(0 Completed)
         -- 3 delete 0
         clean
         -- 4 cleaned
         remove",
    );
}

#[test]
fn deletion_stops_with_grace() {
    check(
        simple("Always"),
        "0 bind\n1 started main\n2 delete 20\n3 delete 5\n4 exit main 143\n5 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 delete 20
         Killing{main} Stopping container main
         stop main#0 20s
         -- 3 delete 5
         stop main#0 5s
         -- 4 exit main 143
         Failed pIrcS main:end(143 Error)
         clean
         -- 5 cleaned
         remove",
    );
}

#[test]
fn deletion_stops_mains_then_sidecars_from_the_last() {
    let spec = json!({"restartPolicy": "Always", "initContainers": [
            {"name": "a", "image": "x", "command": ["run"], "restartPolicy": "Always"},
            {"name": "b", "image": "x", "command": ["run"], "restartPolicy": "Always"}],
        "containers": [{"name": "c", "image": "x", "command": ["run"]},
            {"name": "d", "image": "x", "command": ["run"]}]});
    check(
        spec.clone(),
        "0 bind\n1 started a\n1 started b\n1 started c\n1 started d
         2 delete 10\n3 exit c 143\n4 exit d 143\n11 exit b 143\n12 exit a 0\n13 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS a:wait(init) b:wait(init) c:wait(init) d:wait(init)
         start a#0
         -- 1 started a
         Created{a} Container created
         Started{a} Container started
         Pending PircS a:run* b:wait(init) c:wait(init) d:wait(init)
         start b#0
         -- 1 started b
         Created{b} Container created
         Started{b} Container started
         Pending PIrcS a:run* b:run* c:wait(init) d:wait(init)
         start c#0
         start d#0
         -- 1 started c
         Created{c} Container created
         Started{c} Container started
         Pending PIrcS a:run* b:run* c:run* d:wait(init)
         -- 1 started d
         Created{d} Container created
         Started{d} Container started
         Running PIRCS a:run* b:run* c:run* d:run*
         -- 2 delete 10
         Killing{c} Stopping container c
         Killing{d} Stopping container d
         stop c#0 10s
         stop d#0 10s
         -- 3 exit c 143
         Running PIrcS a:run* b:run* c:end(143 Error) d:run*
         -- 4 exit d 143
         Running PIrcS a:run* b:run* c:end(143 Error) d:end(143 Error)
         Killing{b} Stopping container b
         stop b#0 8s
         -- 11 exit b 143
         Running PIrcS a:run* b:end(143 Error) c:end(143 Error) d:end(143 Error)
         Killing{a} Stopping container a
         stop a#0 2s
         -- 12 exit a 0
         Failed pIrcS a:end(0 Completed) b:end(143 Error) c:end(143 Error) d:end(143 Error)
         clean
         -- 13 cleaned
         remove",
    );
}

#[test]
fn no_grace_stops_all_at_once() {
    check(
        staged("Always"),
        "0 bind\n1 started first\n2 exit first 0\n3 started side\n4 started main\n5 delete 0",
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
         -- 5 delete 0
         Killing{main} Stopping container main
         Killing{side} Stopping container side
         stop main#0 0s
         stop side#0 0s",
    );
}

#[test]
fn the_deadline_fails_the_pod() {
    let mut spec = staged("OnFailure");
    spec["activeDeadlineSeconds"] = json!(10);
    check(
        spec,
        "0 bind\n1 started first\n2 exit first 0\n3 started side\n4 started main
         9.9 look\n10 look\n11 exit main 0\n12 exit side 0\n99 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         wake 10
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         wake 10
         -- 2 exit first 0
         Pending PircS first:end(0 Completed)* side:wait(init) main:wait(init)
         start side#0
         wake 10
         -- 3 started side
         Created{side} Container created
         Started{side} Container started
         Pending PIrcS first:end(0 Completed)* side:run* main:wait(init)
         start main#0
         wake 10
         -- 4 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS first:end(0 Completed)* side:run* main:run*
         wake 10
         -- 9.9 look
         wake 10
         -- 10 look
         Running PIrcS first:end(0 Completed)* side:run* main:run*
         DeadlineExceeded{} Pod was active on the node longer than the specified deadline
         Killing{main} Stopping container main
         stop main#0 30s
         -- 11 exit main 0
         Running PIrcS first:end(0 Completed)* side:run* main:end(0 Completed)
         Killing{side} Stopping container side
         stop side#0 29s
         -- 12 exit side 0
         Failed(DeadlineExceeded) pIrcS first:end(0 Completed)* side:end(0 Completed) \
         main:end(0 Completed)
         -- 99 look",
    );
}

#[test]
fn an_end_before_the_deadline_stands() {
    let mut spec = staged("Never");
    spec["activeDeadlineSeconds"] = json!(10);
    check(
        spec,
        "0 bind\n1 started first\n2 exit first 0\n3 started side\n4 started main
         9.9 exit main 0\n10.1 exit side 143",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         wake 10
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         wake 10
         -- 2 exit first 0
         Pending PircS first:end(0 Completed)* side:wait(init) main:wait(init)
         start side#0
         wake 10
         -- 3 started side
         Created{side} Container created
         Started{side} Container started
         Pending PIrcS first:end(0 Completed)* side:run* main:wait(init)
         start main#0
         wake 10
         -- 4 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS first:end(0 Completed)* side:run* main:run*
         wake 10
         -- 9.9 exit main 0
         Running PIrcS first:end(0 Completed)* side:run* main:end(0 Completed)
         Killing{side} Stopping container side
         stop side#0 30s
         -- 10.1 exit side 143
         Succeeded pIrcS first:end(0 Completed)* side:end(143 Error) main:end(0 Completed)",
    );
}

#[test]
fn deletion_before_the_first_start() {
    check(
        simple("Always"),
        "0 bind\n1 delete 30\n2 failed main RunContainerError\n3 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 delete 30
         Killing{main} Stopping container main
         stop main#0 30s
         -- 2 failed main RunContainerError
         Failed pIrcS main:end(137 ContainerStatusUnknown)
         clean
         -- 3 cleaned
         remove",
    );
}

#[test]
fn deletion_while_waiting_for_a_restart() {
    check(
        simple("Always"),
        "0 bind\n1 started main\n2 exit main 1\n3 started main\n4 exit main 1
         5 delete 30\n6 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         -- 2 exit main 1
         Running PIrcS main:end(1 Error)
         start main#1
         -- 3 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#1<1
         -- 4 exit main 1
         BackOff{main} Back-off restarting failed container main in pod p_default(u)
         Running PIrcS main:end(1 Error)#1<1
         wake 14
         -- 5 delete 30
         Failed pIrcS main:end(1 Error)#1<1
         clean
         -- 6 cleaned
         remove",
    );
}

#[test]
fn deletion_during_init_stops_what_runs() {
    check(
        staged("Always"),
        "0 bind\n1 started first\n2 delete 30\n3 exit first 143",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         -- 2 delete 30
         Killing{first} Stopping container first
         stop first#0 30s
         -- 3 exit first 143
         Failed pircS first:end(143 Error) side:wait(init) main:wait(init)
         clean",
    );
}

#[test]
fn deletion_before_init_has_run() {
    check(
        staged("Always"),
        "0 bind\n1 delete 30\n2 failed first RunContainerError\n3 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         -- 1 delete 30
         Killing{first} Stopping container first
         stop first#0 30s
         -- 2 failed first RunContainerError
         Failed{first} Error: cannot
         Failed pircS first:wait(RunContainerError) side:wait(init) main:wait(init)
         clean
         -- 3 cleaned
         remove",
    );
}
