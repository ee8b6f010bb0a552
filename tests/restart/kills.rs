//! `kill -9` at many moments of a busy daemon: what runs, runs once, and all ends as without it.

use crate::common::daemon::{Daemon, has_condition};
use cronlet_api::seed::Seed;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const KILLS: usize = 15;

/// Jobs whose end does not depend on when the daemon dies.
const JOBS: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: retried}
spec:
  backoffLimit: 3
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: none
          workingDir: HOME
          env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
          command:
            - /bin/sh
            - -c
            - |
              echo x >> retried; code=$(( $(wc -l < retried) < 2 ))
              echo "$POD_UID $code" >> ledger; exit $code
---
apiVersion: batch/v1
kind: Job
metadata: {name: hopeless}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: none
          workingDir: HOME
          env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
          command: [/bin/sh, -c, 'echo "$POD_UID 7" >> ledger; sleep 0.4; exit 7']
---
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec:
  completionMode: Indexed
  completions: 8
  parallelism: 2
  backoffLimitPerIndex: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: none
          workingDir: HOME
          env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
          command:
            - /bin/sh
            - -c
            - |
              sleep 0.4; code=$(( JOB_COMPLETION_INDEX == 3 ? 5 : 0 ))
              echo "$POD_UID $code" >> ledger; exit $code
---
apiVersion: batch/v1
kind: Job
metadata: {name: many}
spec:
  completions: 12
  parallelism: 3
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: none
          workingDir: HOME
          env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
          command: [/bin/sh, -c, 'sleep 0.3; echo "$POD_UID 0" >> ledger']
---
apiVersion: batch/v1
kind: Job
metadata: {name: restarted}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers:
        - name: main
          image: none
          workingDir: HOME
          env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
          command:
            - /bin/sh
            - -c
            - |
              echo x >> restarted; code=$(( $(wc -l < restarted) < 3 ))
              echo "$POD_UID $code" >> ledger; exit $code
---
apiVersion: batch/v1
kind: Job
metadata: {name: slow}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: none
          workingDir: HOME
          env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
          command: [/bin/sh, -c, 'sleep 4; echo "$POD_UID 0" >> ledger']
"#;

/// One that runs every second whatever happens, and one that is never there twice at once.
const CRON_JOBS: &str = r#"
apiVersion: batch/v1
kind: CronJob
metadata:
  name: tick
  annotations: {cronlet.dev/schedule: "* * * * * *", cronlet.dev/catch-up: all}
spec:
  schedule: "* * * * *"
  successfulJobsHistoryLimit: 1000
  failedJobsHistoryLimit: 1000
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: main
              image: none
              workingDir: HOME
              env: [{name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
              command:
                - /bin/sh
                - -c
                - |
                  code=$((0x${POD_UID%%-*} % 3)); echo "$POD_UID $code" >> ledger; exit $code
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: alone, annotations: {cronlet.dev/schedule: "* * * * * *"}}
spec:
  schedule: "* * * * *"
  concurrencyPolicy: Forbid
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
              command:
                - /bin/sh
                - -c
                - |
                  mkdir alone || echo twice >> overlaps
                  sleep 1.2; rmdir alone; echo "$POD_UID 0" >> ledger
"#;

const FIXED: [&str; 6] = ["retried", "hopeless", "indexed", "many", "restarted", "slow"];

fn in_home(daemon: &Daemon, text: &str) -> String {
    text.replace("HOME", &daemon.path("home").to_string_lossy())
}

#[test]
fn killed_at_many_moments_it_loses_and_doubles_nothing() {
    let seed = std::env::var("CRONLET_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or(2);
    println!("CRONLET_TEST_SEED={seed}");
    let mut calm = Daemon::prepare();
    calm.write_job("jobs.yaml", &in_home(&calm, JOBS));
    calm.start();
    let mut killed = Daemon::prepare();
    killed.write_job("jobs.yaml", &in_home(&killed, JOBS));
    killed.write_job("cron-jobs.yaml", &in_home(&killed, CRON_JOBS));
    kill_often(&mut killed, &mut Seed::new(seed));
    for name in FIXED {
        let (calm, killed) = (calm.ended_job(name), killed.ended_job(name));
        assert_eq!(outcome(&killed), outcome(&calm), "{name}");
    }
    for name in ["tick", "alone"] {
        killed.tell(&["suspend", name]);
    }
    all_have_ended(&killed);
    each_slot_has_one_job(&killed);
    each_attempt_ran_once(&killed);
    assert!(!killed.path("home").join("overlaps").exists(), "two of a Forbid CronJob at once");
    assert!(!killed.log().contains("panicked"), "{}", killed.log());
    nothing_is_left(&mut killed);
}

/// Kills it before it is ready, or some time after.
fn kill_often(daemon: &mut Daemon, seed: &mut Seed) {
    for number in 0..KILLS {
        let mut below = |milliseconds: u64| Duration::from_millis(seed.below(milliseconds));
        if number % 4 == 3 {
            daemon.launch(&[]);
            std::thread::sleep(below(120));
        } else {
            daemon.start();
            std::thread::sleep(Duration::from_millis(50) + below(600));
        }
        daemon.kill();
    }
    daemon.start();
}

/// A Job's status without what depends on time and names.
fn outcome(job: &Value) -> Value {
    let mut status = job["status"].clone();
    let status = status.as_object_mut().expect("a status");
    status.retain(|name, _| !name.ends_with("Time"));
    if let Some(conditions) = status.get_mut("conditions") {
        let conditions = conditions.as_array_mut().expect("a list");
        for condition in conditions {
            *condition = json!([condition["type"], condition["status"], condition["reason"]]);
        }
    }
    json!(status)
}

fn all_have_ended(daemon: &Daemon) {
    daemon.until("every job ends", || {
        let jobs = items(daemon, "jobs");
        let ended = |job: &Value| has_condition(job, "Complete") || has_condition(job, "Failed");
        jobs.iter().all(ended).then_some(())
    });
}

fn items(daemon: &Daemon, kind: &str) -> Vec<Value> {
    daemon.get(&[kind])["items"].as_array().expect("a list").clone()
}

/// Every second from the first slot to the last has its Job, and the history says the same.
fn each_slot_has_one_job(daemon: &Daemon) {
    let slot = |job: &Value| {
        let text =
            &job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
        let at: jiff::Timestamp = text.as_str().expect("a slot").parse().expect("a time");
        at.as_second()
    };
    let owner = |job: &Value| job["metadata"]["ownerReferences"][0]["name"] == "tick";
    let mut slots: Vec<i64> = items(daemon, "jobs").iter().filter(|j| owner(j)).map(slot).collect();
    slots.sort_unstable();
    assert!(slots.len() > 4, "{slots:?}");
    let first = slots[0];
    let all: Vec<i64> = (first..first + i64::try_from(slots.len()).expect("few")).collect();
    assert_eq!(slots, all, "one Job for each second");
    let history = daemon.tell(&["history", "tick", "-o", "json"]);
    let history: Value = serde_json::from_str(&history).expect("JSON");
    let runs = history["items"].as_array().expect("runs");
    let jobs: BTreeSet<&str> = runs.iter().filter_map(|run| run["job"].as_str()).collect();
    assert_eq!((runs.len(), jobs.len()), (slots.len(), slots.len()), "{history}");
}

/// Each pod has one line for each of its attempts, and its status has the codes of the lines.
fn each_attempt_ran_once(daemon: &Daemon) {
    let ledger = std::fs::read_to_string(daemon.path("home").join("ledger")).expect("a ledger");
    let mut ran: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for line in ledger.lines() {
        let (uid, code) = line.split_once(' ').expect("a uid and a code");
        ran.entry(uid).or_default().push(code.parse().expect("a code"));
    }
    let pods = items(daemon, "pods");
    assert_eq!(pods.len(), ran.len(), "pods, and pods that ran");
    for pod in pods {
        let uid = pod["metadata"]["uid"].as_str().expect("a uid");
        let codes = ran.get(uid).unwrap_or_else(|| panic!("never ran: {pod:#}"));
        let status = &pod["status"]["containerStatuses"][0];
        let attempts = status["restartCount"].as_u64().expect("a count") + 1;
        assert_eq!(codes.len() as u64, attempts, "{pod:#}");
        assert_eq!(status["state"]["terminated"]["exitCode"], *codes.last().expect("one"));
        if attempts > 1 {
            assert_eq!(status["lastState"]["terminated"]["exitCode"], codes[codes.len() - 2]);
        }
    }
}

/// Once the manifests are gone there is no object, folder, process, cgroup or mount of them.
fn nothing_is_left(daemon: &mut Daemon) {
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let uids: Vec<String> = items(daemon, "pods").iter().map(uid).collect();
    daemon.remove_job("jobs.yaml");
    daemon.remove_job("cron-jobs.yaml");
    // All that was in the folder is gone at once, which wants a word.
    daemon.tell(&["reload", "--prune"]);
    let folders = || std::fs::read_dir(daemon.path("state").join("pods")).expect("pods").count();
    daemon.until("all is deleted", || {
        let gone = |kind: &str| items(daemon, kind).is_empty();
        (gone("cronjobs") && gone("jobs") && gone("pods") && folders() == 0).then_some(())
    });
    assert_eq!(daemon.stop(), Some(0));
    daemon.until("every process ends", || daemon.processes().is_empty().then_some(()));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(!mounts.contains(&*daemon.path("state").to_string_lossy()), "{mounts}");
    let mut cgroups = Vec::new();
    folders_below(Path::new("/sys/fs/cgroup"), &mut cgroups);
    cgroups.retain(|name| uids.iter().any(|uid| name.contains(uid)));
    assert_eq!(cgroups, Vec::<String>::new());
}

fn folders_below(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path().to_string_lossy().into_owned());
            folders_below(&entry.path(), found);
        }
    }
}
