//! A host that refuses: no descriptors, no processes.

use crate::canary::{caged, says, sings_on};
use crate::common;
use crate::common::daemon::{Daemon, has_condition};
use rustix::process::{Signal, geteuid, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Users that nobody is: one for each daemon, since the host counts a user's processes.
static USERS: AtomicU32 = AtomicU32::new(64_123);

/// Starts it as an ordinary user, with these words before it.
pub fn start_as_ordinary_user(daemon: &mut Daemon, program: &[&str]) {
    if !geteuid().is_root() {
        return daemon.start_under(program);
    }
    let user = USERS.fetch_add(1, Ordering::Relaxed);
    let own = format!("{user}:{user}");
    let own = Command::new("chown").args(["-R", &own]).arg(daemon.path("")).status();
    assert!(own.expect("chown runs").success());
    let copy = daemon.path("cronlet");
    fs::copy(env!("CARGO_BIN_EXE_cronlet"), &copy).expect("the program is copied");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("a mode is set");
    let (user, group) = (format!("--reuid={user}"), format!("--regid={user}"));
    let mut words = vec!["setpriv", &user, &group, "--clear-groups"];
    words.extend(program);
    // The program itself may lie where an ordinary user cannot look: its copy goes first.
    let copy = copy.to_string_lossy().into_owned();
    words.extend(["sh", "-c", "shift; exec \"$0\" \"$@\"", &copy]);
    daemon.start_under(&words);
}

#[test]
fn without_descriptors_it_waits_and_goes_on() {
    let mut daemon = caged();
    daemon.start_under(&["prlimit", "--nofile=64:64"]);
    sings_on(&daemon);
    let clients: Vec<UnixStream> =
        (0..100).map_while(|_| UnixStream::connect(daemon.path("socket")).ok()).collect();
    assert!(clients.len() > 64, "{}", clients.len());
    says(&daemon, &["WARN", "could not be accepted", "oo many open files"]);
    drop(clients);
    sings_on(&daemon);
    assert_eq!(daemon.get(&["cronjobs"])["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn programs_get_the_limits_that_the_daemon_was_started_with() {
    let mut daemon = Daemon::prepare();
    daemon.start_under(&["prlimit", "--nofile=333:4444"]);
    let check = |name: &str| {
        let script = "ulimit -Sn; ulimit -Hn";
        let pod = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{restartPolicy: \
             Never, containers: [{{name: main, image: none, command: [sh, -c, '{script}']}}]}}}}"
        );
        daemon.write_job(&format!("{name}.yaml"), &pod);
        daemon.until("it has ended", || {
            let said = daemon.ask(&["get", "pod", name, "-o", "json"]).out;
            said.contains("\"Succeeded\"").then_some(())
        });
        assert_eq!(daemon.tell(&["logs", name]), "333\n4444\n", "{name}");
    };
    check("first");
    // The daemon makes another zygote; what waits for a pod was made by the first one.
    let zygotes = daemon.helpers("cronlet-zygote");
    let spares = daemon.helpers("cronlet-shim");
    for helper in zygotes.iter().chain(&spares) {
        kill_process(*helper, Signal::KILL).expect("it takes a signal");
    }
    check("second");
    assert_ne!(daemon.helpers("cronlet-zygote"), zygotes);
}

#[test]
fn a_refused_fork_is_told_and_tried_again() {
    if !common::has(&[("prlimit", common::program("prlimit"))]) {
        return;
    }
    let mut daemon = caged();
    start_as_ordinary_user(&mut daemon, &["prlimit", "--nproc=40:40"]);
    sings_on(&daemon);
    let many = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: many}
spec:
  parallelism: 30
  completions: 30
  backoffLimit: 1000
  template:
    spec:
      restartPolicy: OnFailure
      containers: [{name: main, image: none, command: [sleep, "1000"]}]
"#;
    daemon.write_job("many.yaml", many);
    daemon.until("it is told", || {
        let events = daemon.tell(&["get", "events"]);
        events.to_lowercase().contains("resource temporarily unavailable").then_some(())
    });
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    daemon.remove_job("many.yaml");
    // Its file alone would let its running pods end, which hold what the next Job needs.
    daemon.tell(&["delete", "job", "many"]);
    sings_on(&daemon);
    let after = many.replace("30", "3").replace("name: many", "name: after");
    daemon.write_job("after.yaml", &after.replace("[sleep, \"1000\"]", "[\"true\"]"));
    daemon.until("the job is there", || {
        (daemon.ask(&["get", "job", "after"]).code == 0).then_some(())
    });
    let job = daemon.ended_job("after");
    assert!(has_condition(&job, "Complete"), "{job:#}");
}
