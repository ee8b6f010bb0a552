//! A container that runs longer than the daemon, and one whose shim is killed.

use crate::common::daemon::{Daemon, has_condition};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::Path;

const LONG: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: long}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: none
          workingDir: HOME
          command:
            - /bin/sh
            - -c
            - |
              echo $$$$ > pid; n=0
              while [ ! -e go ]; do n=$((n + 1)); echo "line $n"; sleep 0.005; done
              echo "$n lines" > said; exit 3
"#;

#[test]
fn a_long_container_outlives_daemons() {
    let mut daemon = Daemon::prepare();
    let home = daemon.path("home");
    daemon.write_job("long.yaml", &LONG.replace("HOME", &home.to_string_lossy()));
    daemon.start();
    let pid = read_pid(&daemon, &home.join("pid"));
    let running = |daemon: &Daemon| {
        daemon.until("it runs", || {
            let status = pod_of(daemon, "long")["status"]["containerStatuses"][0].clone();
            status["state"]["running"].is_object().then_some(status)
        })
    };
    let before = running(&daemon);
    for _ in 0..2 {
        daemon.kill();
        daemon.start();
        assert_eq!(running(&daemon), before);
        assert!(alive(pid));
    }
    daemon.kill();
    fs::write(home.join("go"), "").expect("a file is written");
    daemon.until("it ends by itself", || daemon.processes().is_empty().then_some(()));
    daemon.start();
    let job = daemon.ended_job("long");
    assert!(has_condition(&job, "Failed"), "{job:#}");
    let ended = &pod_of(&daemon, "long")["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&3.into(), &"Error".into()));
    let said = fs::read_to_string(home.join("said")).expect("what it counted");
    let count: u32 = said.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a count");
    let want: String = (1..=count).map(|n| format!("line {n}\n")).collect();
    assert!(count > 0 && daemon.tell(&["logs", "job/long"]) == want, "{count} lines, in order");
}

/// A pod whose first attempt waits to be killed; the second ends well.
const SHIM: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  restartPolicy: POLICY
  containers:
    - name: main
      image: none
      workingDir: HOME
      command:
        - /bin/sh
        - -c
        - |
          [ -e POLICY.pid ] && exit 0
          echo $$$$ > POLICY.part; mv POLICY.part POLICY.pid
          exec sleep 1000
"#;

#[test]
fn a_killed_shim_is_told_and_the_restart_policy_applies() {
    let mut daemon = Daemon::prepare();
    let home = daemon.path("home");
    for policy in ["Never", "OnFailure"] {
        let text = SHIM.replace("NAME", &policy.to_lowercase()).replace("POLICY", policy);
        let text = text.replace("HOME", &home.to_string_lossy());
        daemon.write_job(&format!("{policy}.yaml"), &text);
    }
    daemon.start();
    for (name, policy) in [("never", "Never"), ("onfailure", "OnFailure")] {
        let pid = read_pid(&daemon, &home.join(format!("{policy}.pid")));
        let shim = parent(pid);
        kill_process(shim, Signal::KILL).expect("the shim is killed");
        let pod = daemon.until("the pod ends", || {
            let pod = daemon.get(&["pod", name]);
            let phase = pod["status"]["phase"].as_str().map(str::to_owned);
            phase.is_some_and(|phase| phase == "Failed" || phase == "Succeeded").then_some(pod)
        });
        let status = &pod["status"]["containerStatuses"][0];
        let (phase, lost, restarts) = match policy {
            "Never" => ("Failed", &status["state"]["terminated"], 0),
            _ => ("Succeeded", &status["lastState"]["terminated"], 1),
        };
        assert_eq!(pod["status"]["phase"], phase, "{pod:#}");
        assert_eq!(lost["reason"], "ContainerStatusUnknown", "{pod:#}");
        assert_eq!((&lost["exitCode"], &status["restartCount"]), (&137.into(), &restarts.into()));
        daemon.until("what it ran goes along", || (!alive(pid)).then_some(()));
    }
}

fn pod_of(daemon: &Daemon, job: &str) -> Value {
    let pods = daemon.get(&["pods", "-l", &format!("batch.kubernetes.io/job-name={job}")]);
    pods["items"][0].clone()
}

fn read_pid(daemon: &Daemon, file: &Path) -> Pid {
    daemon.until("the container starts", || {
        let text = fs::read_to_string(file).ok()?;
        Pid::from_raw(text.strip_suffix('\n')?.parse().ok()?)
    })
}

/// A zombie is dead: whoever it was left to may reap it late.
fn alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn parent(pid: Pid) -> Pid {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).expect("it lives");
    let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
    parent.and_then(|text| Pid::from_raw(text.parse().ok()?)).expect("a parent")
}
