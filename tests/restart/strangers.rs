//! State that was removed while pods ran: the next daemon ends them by grace before it starts
//! anything, so that no program runs twice at once.

use crate::common::daemon::Daemon;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;

/// A Job and a Deployment whose programs take a while to end, and notice a second one of them.
const TWO: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: long}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      terminationGracePeriodSeconds: 60
      containers: [CONTAINER]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 60
      containers: [CONTAINER]
"#;

const CONTAINER: &str = r#"{name: NAME, image: none, workingDir: HOME,
          env: [{name: ME, value: NAME}], command: [/bin/sh, -c, '
            mkdir $ME.runs || echo $ME >> twice; echo begun >> $ME;
            trap "sleep 0.5; rmdir $ME.runs; echo ended >> $ME; exit 3" TERM;
            while :; do sleep 0.02; done']}"#;

fn lines(daemon: &Daemon, name: &str) -> Vec<String> {
    let text = fs::read_to_string(daemon.path("home").join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Starts both, and returns when they run and the daemon is dead.
fn left_running() -> Daemon {
    let mut daemon = Daemon::prepare();
    let home = daemon.path("home");
    let container = CONTAINER.replace("HOME", &home.to_string_lossy());
    let mut two = TWO.to_owned();
    for name in ["long", "web"] {
        two = two.replacen("CONTAINER", &container.replace("NAME", name), 1);
    }
    daemon.write_job("two.yaml", &two);
    daemon.start();
    for name in ["long", "web"] {
        daemon.until("it runs", || (lines(&daemon, name) == ["begun"]).then_some(()));
    }
    daemon.kill();
    daemon
}

/// What befell the state folder while no daemon ran.
type Blow = fn(&Path);

const BLOWS: &[(&str, Blow)] = &[
    ("the folder is removed", |state| {
        fs::remove_dir_all(state).expect("removed");
    }),
    ("all that is in it is removed", |state| {
        fs::remove_dir_all(state).expect("removed");
        fs::create_dir(state).expect("made");
    }),
    ("the folder is moved away", |state| {
        fs::rename(state, state.with_extension("old")).expect("moved");
    }),
    ("the state file is moved away", |state| {
        let file = state.join("state.redb");
        fs::rename(&file, file.with_extension("bad")).expect("moved");
    }),
    ("the journal is removed", |state| {
        fs::remove_dir_all(state.join("journal")).expect("removed");
    }),
];

#[test]
fn what_an_earlier_state_left_running_ends_before_anything_starts() {
    for (what, blow) in BLOWS {
        let mut daemon = left_running();
        blow(&daemon.path("state"));
        daemon.start();
        for name in ["long", "web"] {
            let again = ["begun", "ended", "begun"];
            daemon.until(what, || (lines(&daemon, name) == again).then_some(()));
        }
        assert_eq!(lines(&daemon, "twice"), [""; 0], "{what}");
        let log = daemon.log();
        assert_eq!(log.matches("an earlier state left this running").count(), 2, "{what}: {log}");
        assert!(log.contains("has ended pods=2 killed=0"), "{what}: {log}");
    }
}

#[test]
fn a_drain_ends_what_a_stopped_daemon_left_running() {
    let mut daemon = left_running();
    daemon.start();
    let drain = |daemon: &Daemon| {
        let state = daemon.path("state");
        daemon.ask(&["drain", "--state", &state.to_string_lossy()])
    };
    let said = drain(&daemon);
    assert!(said.code == 1 && said.error.contains("another cronlet runs on it"), "{said:?}");
    assert_eq!(lines(&daemon, "long"), ["begun"]);
    assert_eq!(daemon.stop(), Some(0));
    let said = drain(&daemon);
    assert!(said.code == 0 && said.out.ends_with("2 ended\n"), "{said:?}");
    assert_eq!(said.out.matches("ending pid ").count(), 2, "{said:?}");
    assert!(daemon.processes().is_empty(), "{:?}", daemon.processes());
    assert_eq!(drain(&daemon).out, "nothing of cronlet runs\n");
    daemon.start();
    for name in ["long", "web"] {
        let again = ["begun", "ended", "begun"];
        daemon.until("it runs again", || (lines(&daemon, name) == again).then_some(()));
    }
    assert_eq!(lines(&daemon, "twice"), [""; 0]);
}

fn shims(daemon: &Daemon) -> Vec<i32> {
    let name = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    daemon.processes().into_iter().filter(|pid| name(pid) == "cronlet-shim\n").collect()
}

fn sockets(daemon: &Daemon) -> usize {
    let entries = fs::read_dir(daemon.path("state").join("journal")).expect("a journal");
    let names = entries.map(|entry| entry.expect("an entry").path());
    names.filter(|path| path.extension().is_some_and(|it| it == "sock")).count()
}

#[test]
fn killed_shims_leave_no_socket_and_no_folder() {
    for daemon_runs in [false, true] {
        let mut daemon = left_running();
        daemon.until("they listen", || (sockets(&daemon) == 2).then_some(()));
        if daemon_runs {
            daemon.start();
        }
        for shim in shims(&daemon).into_iter().filter_map(Pid::from_raw) {
            kill_process(shim, Signal::KILL).expect("killed");
        }
        if !daemon_runs {
            daemon.start();
        }
        for name in ["long", "web"] {
            let again = ["begun", "begun"];
            daemon.until("it runs again", || (lines(&daemon, name) == again).then_some(()));
        }
        assert_eq!(sockets(&daemon), 0);
        daemon.remove_job("two.yaml");
        daemon.tell(&["reload", "--prune"]);
        // A running Job outlives its file.
        daemon.tell(&["delete", "job", "long"]);
        let folders = || fs::read_dir(daemon.path("state").join("pods")).expect("pods").count();
        daemon.until("all is removed", || (folders() == 0).then_some(()));
        assert_eq!(sockets(&daemon), 0);
    }
}
