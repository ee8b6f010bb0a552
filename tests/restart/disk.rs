//! A disk without a free block: the daemon says so and holds, and goes on when there is room.

use crate::common;
use crate::common::daemon::Daemon;
use rustix::process::geteuid;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const JOBS: &str = r#"
apiVersion: batch/v1
kind: CronJob
metadata:
  name: tick
  annotations: {cronlet.dev/schedule: "* * * * * *", cronlet.dev/catch-up: all}
spec:
  schedule: "* * * * *"
  successfulJobsHistoryLimit: 1000
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: main
              image: none
              workingDir: HOME
              env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
              command: [/bin/sh, -c, 'echo "$POD_UID" >> ledger']
---
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  containers:
    - name: main
      image: none
      workingDir: HOME
      command: [/bin/sh, -c, 'while :; do echo line; echo x >> talked; sleep 0.05; done']
"#;

const ADDED: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: added}
data: {a: b}
"#;

/// Starts a daemon on [`JOBS`] whose state folder is a disk of 16 MB; `None` where the host lacks
/// what that takes.
fn on_small_disk() -> Option<Daemon> {
    if !common::has(&[("root", geteuid().is_root()), ("unshare", common::program("unshare"))]) {
        return None;
    }
    let mut daemon = Daemon::prepare();
    let (home, state) = (daemon.path("home"), daemon.path("state"));
    daemon.write_job("jobs.yaml", &JOBS.replace("HOME", &home.to_string_lossy()));
    let mount =
        format!("mount -t tmpfs -o size=16m,mode=700 cronlet {} && exec \"$@\"", state.display());
    daemon.start_under(&["unshare", "-m", "sh", "-c", &mount, "sh"]);
    Some(daemon)
}

#[test]
fn a_full_disk_is_waited_out() {
    let Some(daemon) = on_small_disk() else { return };
    let home = daemon.path("home");
    let talked = || fs::metadata(home.join("talked")).map_or(0, |meta| meta.len());
    let ran = || fs::read_to_string(home.join("ledger")).unwrap_or_default().lines().count();
    daemon.until("it runs", || (talked() > 0 && ran() > 1).then_some(()));
    let filler = Filler::start(&daemon);
    daemon.until("it says so", || daemon.log().contains("cannot be written").then_some(()));
    let (held, spoken) = (ran(), talked());
    daemon.write_job("added.yaml", ADDED);
    // Some seconds, and each second it tries again.
    daemon.until("pods go on", || (talked() > spoken + 160).then_some(()));
    assert_eq!(daemon.get(&["pod", "talker"])["status"]["phase"], "Running");
    // Larger than what may be free in the state's file by chance. A run may find a place there and
    // in the journal: then it is on disk as ever, and counted below.
    let large =
        ADDED.replace("added", "large").replace("a: b", &format!("a: {}", "x".repeat(900_000)));
    fs::write(daemon.path("large.yaml"), large).expect("a file is written");
    let refused = daemon.ask(&["apply", "-f", &daemon.path("large.yaml").to_string_lossy()]);
    assert!(refused.code != 0 && refused.error.contains("cannot be"), "{refused:?}");
    filler.end();
    daemon.until("it goes on", || (ran() > held + 4).then_some(()));
    let there = || (daemon.ask(&["get", "configmap", "added"]).code == 0).then_some(());
    daemon.until("a file that came meanwhile is read", there);
    daemon.tell(&["suspend", "tick"]);
    each_fault_was_told_once(&daemon.log());
    each_second_ran_once(&daemon);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// The state file cannot be written, nor opened again, for several tries.
#[test]
fn a_store_that_cannot_be_opened_again_is_waited_for() {
    let Some(daemon) = on_small_disk() else { return };
    let (home, state) = (daemon.path("home"), daemon.path("state"));
    let ran = || fs::read_to_string(home.join("ledger")).unwrap_or_default().lines().count();
    let health = |path: &str| daemon.http_get(path);
    daemon.until("it runs", || (ran() > 1).then_some(()));
    assert_eq!(health("/readyz"), (200, "ok".to_owned()));
    let file = PathBuf::from(format!("/proc/{}/root", daemon.pid().as_raw_pid()));
    let file = file.join(state.join("state.redb").strip_prefix("/").expect("absolute"));
    let (aside, filler) = (file.with_extension("aside"), Filler::start(&daemon));
    fs::rename(&file, &aside).expect("the state file is moved");
    fs::create_dir(&file).expect("a folder is in its place");
    daemon.until("it says so", || daemon.log().contains("cannot be read again").then_some(()));
    let (code, text) = health("/readyz");
    assert!(code == 500 && text.contains("[-]storage failed: the state cannot be"), "{text}");
    assert_eq!(health("/livez"), (200, "ok".to_owned()));
    for command in [&["trigger", "tick"][..], &["suspend", "tick"], &["history"]] {
        let refused = daemon.ask(command);
        let says_so = refused.error.contains("(ServiceUnavailable)");
        assert!(refused.code == 1 && says_so, "{command:?}: {refused:?}");
    }
    let held = ran();
    // Where one try is too few and nobody asks for anything.
    daemon.until("several tries", || {
        let (_, text) = health("/readyz");
        text.contains("cannot be opened").then_some(())
    });
    fs::remove_dir(&file).expect("the folder is removed");
    fs::rename(&aside, &file).expect("the state file is back");
    filler.end();
    daemon.until("it goes on", || (ran() > held + 4).then_some(()));
    assert_eq!(health("/readyz?verbose").0, 200);
    daemon.tell(&["suspend", "tick"]);
    each_fault_was_told_once(&daemon.log());
    each_second_ran_once(&daemon);
}

/// Keeps the daemon's own disk full, which only its mount namespace sees: what is freed there is
/// taken at once.
struct Filler {
    path: PathBuf,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Filler {
    fn start(daemon: &Daemon) -> Filler {
        let root = format!("/proc/{}/root", daemon.pid().as_raw_pid());
        let state = daemon.path("state");
        let state = PathBuf::from(root).join(state.strip_prefix("/").expect("absolute"));
        let path = state.join("filler");
        let mut file = File::create(&path).expect("a file is made");
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                while file.write_all(&[1; 4096]).is_ok() {}
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Filler { path, over, thread }
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it fills until it is told");
        fs::remove_file(self.path).expect("the filler is removed");
    }
}

/// A fault is told again only if the disk took something in between.
fn each_fault_was_told_once(log: &str) {
    let mut told: Vec<&str> = Vec::new();
    let mut recovered = 0;
    for line in log.lines() {
        if line.contains("the state can be written again") {
            recovered += 1;
            told.clear();
        } else if let Some((_, fault)) = line.split_once("ERROR the state cannot be") {
            assert!(!told.contains(&fault), "{fault} is told twice:\n{log}");
            told.push(fault);
        }
    }
    assert!(recovered > 0 && told.is_empty(), "{log}");
}

fn each_second_ran_once(daemon: &Daemon) {
    let history = daemon.until("every run ends", || {
        let history = daemon.tell(&["history", "tick", "-o", "json"]);
        let history: Value = serde_json::from_str(&history).expect("JSON");
        let runs = history["items"].as_array().expect("runs").clone();
        runs.iter().all(|run| !run["ended"].is_null()).then_some(runs)
    });
    let slot = |run: &Value| {
        let at: jiff::Timestamp =
            run["scheduled"].as_str().expect("a slot").parse().expect("a time");
        at.as_second()
    };
    let slots: Vec<i64> = history.iter().map(slot).collect();
    let all: Vec<i64> = (slots[0]..slots[0] + i64::try_from(slots.len()).expect("few")).collect();
    assert_eq!(slots, all);
    let ledger = fs::read_to_string(daemon.path("home").join("ledger")).expect("a ledger");
    assert_eq!(ledger.lines().count(), slots.len());
}
