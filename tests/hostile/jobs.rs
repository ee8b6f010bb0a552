//! Manifests that are valid and too much.

use crate::canary::{says, singing, sings_on};
use crate::common::daemon::{Daemon, has_condition};
use std::fs;

#[test]
fn a_schedule_that_never_comes_is_harmless() {
    let never = r#"
apiVersion: batch/v1
kind: CronJob
metadata: {name: never}
spec:
  schedule: "0 0 30 2 *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: none, command: ["true"]}]
"#;
    let daemon = singing();
    daemon.write_job("never.yaml", never);
    daemon.until("it is there", || {
        (daemon.ask(&["get", "cronjob", "never"]).code == 0).then_some(())
    });
    let path = daemon.path("jobs").join("never.yaml");
    let next = daemon.ask(&["next", &path.to_string_lossy()]);
    assert!((next.out + &next.error).contains("never"), "it says so");
    sings_on(&daemon);
}

fn there(daemon: &Daemon, job: &str) {
    daemon.until("the job is there", || (daemon.ask(&["get", "job", job]).code == 0).then_some(()));
}

/// Resident memory of a process, in bytes.
fn memory_bytes(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/status", daemon.pid().as_raw_pid());
    let status = fs::read_to_string(path).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kilobytes * 1024
}

#[test]
fn a_job_of_a_million_pods_leaves_room_for_others() {
    let million = |name: &str, more: &str| {
        format!(
            r#"
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  parallelism: 1000000
  completions: 1000000
  {more}
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: main, image: none, command: [sleep, "1000"]}}]
"#
        )
    };
    let mut daemon = crate::canary::caged();
    let config = "{limits: {runs: 20}, folder: {runningJobs: stop}}";
    fs::write(daemon.path("config.yaml"), config).expect("a file is written");
    daemon.start();
    sings_on(&daemon);
    daemon.write_job("plain.yaml", &million("plain", ""));
    // Kubernetes itself allows no so many indexes.
    daemon.write_job("indexed.yaml", &million("indexed", "completionMode: Indexed"));
    says(&daemon, &["ERROR", "indexed.yaml", "parallelism"]);
    there(&daemon, "plain");
    let active = || daemon.get(&["job", "plain"])["status"]["active"].as_u64();
    let active = daemon.until("its pods are made", || active().filter(|active| *active > 20));
    assert!(active <= 10_000, "{active} pods at once");
    assert!(memory_bytes(&daemon) < 1 << 30, "{} bytes", memory_bytes(&daemon));
    daemon.remove_job("plain.yaml");
    let gone = || daemon.ask(&["get", "job", "plain"]).code != 0;
    daemon.until("it goes", || gone().then_some(()));
    sings_on(&daemon);
}

#[test]
fn a_program_that_cannot_be_run_is_told_in_its_pod() {
    let text = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: absent}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: none, command: [/no/such/program]}]
"#;
    let daemon = singing();
    daemon.write_job("absent.yaml", text);
    there(&daemon, "absent");
    let job = daemon.ended_job("absent");
    assert!(has_condition(&job, "Failed"), "{job:#}");
    let pods = daemon.get(&["pods", "-l", "batch.kubernetes.io/job-name=absent"]);
    let ended = &pods["items"][0]["status"]["containerStatuses"][0]["state"]["terminated"];
    assert!(
        ended["message"].as_str().is_some_and(|why| why.contains("/no/such/program")),
        "{pods:#}"
    );
    sings_on(&daemon);
}
