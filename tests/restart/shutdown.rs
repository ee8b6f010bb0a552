//! Signals to the daemon, and a second daemon beside it.

use crate::common::daemon::{Daemon, has_condition};
use rustix::process::Signal;
use std::fs;

/// One ends politely when asked and would be started again; one has to be killed.
const TWO: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: polite}
spec:
  restartPolicy: OnFailure
  containers:
    - name: main
      image: none
      workingDir: HOME
      command:
        - /bin/sh
        - -c
        - |
          trap 'exit 4' TERM; echo $$$$ >> polite
          [ "$(wc -l < polite)" = 1 ] || exit 0; while :; do sleep 0.02; done
---
apiVersion: batch/v1
kind: Job
metadata: {name: stubborn}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: none
          workingDir: HOME
          command:
            - /bin/sh
            - -c
            - |
              trap '' TERM; echo $$$$ >> stubborn; while :; do sleep 0.02; done
"#;

fn running(config: &str) -> Daemon {
    let mut daemon = Daemon::prepare();
    let home = daemon.path("home");
    fs::write(daemon.path("config.yaml"), config).expect("a file is written");
    daemon.write_job("two.yaml", &TWO.replace("HOME", &home.to_string_lossy()));
    daemon.start();
    daemon.until("both run", || {
        let there = |name: &str| fs::read_to_string(home.join(name)).is_ok_and(|t| !t.is_empty());
        (there("polite") && there("stubborn")).then_some(())
    });
    daemon
}

fn lines(daemon: &Daemon, file: &str) -> usize {
    let text = fs::read_to_string(daemon.path("home").join(file)).expect("the container wrote it");
    text.lines().count()
}

#[test]
fn drained_pods_get_term_then_kill_and_are_not_restarted() {
    let mut daemon = running("shutdown: {pods: drain}");
    assert_eq!(daemon.stop(), Some(0));
    daemon.until("nothing runs on", || daemon.processes().is_empty().then_some(()));
    assert!(!daemon.log().contains("these pods go on"), "{}", daemon.log());
    assert_eq!((lines(&daemon, "polite"), lines(&daemon, "stubborn")), (1, 1));
    daemon.start();
    let job = daemon.ended_job("stubborn");
    assert!(has_condition(&job, "Failed"), "{job:#}");
    let pods = daemon.get(&["pods", "-l", "batch.kubernetes.io/job-name=stubborn"]);
    let ended = &pods["items"][0]["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 137, "{pods:#}");
    let polite = daemon.until("the polite one ends", || {
        let pod = daemon.get(&["pod", "polite"]);
        (pod["status"]["phase"] == "Succeeded").then_some(pod)
    });
    let status = &polite["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 1, "{polite:#}");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 4, "{polite:#}");
    assert_eq!((lines(&daemon, "polite"), lines(&daemon, "stubborn")), (2, 1));
}

#[test]
fn pods_that_are_left_run_on_and_are_taken_back() {
    let mut daemon = running("");
    let of = |daemon: &Daemon, name: &str| {
        daemon.until("it runs", || {
            let pods = daemon.get(&["pods"])["items"].clone();
            let all = pods.as_array().expect("a list").iter();
            let mut named = all
                .filter(|pod| pod["metadata"]["name"].as_str().expect("a name").starts_with(name));
            let status = named.next()?["status"]["containerStatuses"][0].clone();
            status["state"]["running"].is_object().then_some(status)
        })
    };
    let before = (of(&daemon, "polite"), of(&daemon, "stubborn"));
    assert_eq!(daemon.stop(), Some(0));
    assert!(daemon.log().contains("stopped; these pods go on"), "{}", daemon.log());
    daemon.start();
    assert_eq!((of(&daemon, "polite"), of(&daemon, "stubborn")), before);
    assert_eq!((lines(&daemon, "polite"), lines(&daemon, "stubborn")), (1, 1));
}

#[test]
fn a_second_daemon_says_so_and_leaves_the_first_alone() {
    let mut daemon = running("");
    for socket in ["socket", "another"] {
        let mut second = daemon.run_command();
        let output = second.env("CRONLET_SOCKET", daemon.path(socket)).output();
        let output = output.expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("another cronlet"), "{said}");
        assert!(said.contains(&*daemon.path("state").to_string_lossy()), "{said}");
    }
    // The same socket with another state.
    let mut third = daemon.command(&["run", "--state"]);
    let output = third.arg(daemon.path("home")).arg(daemon.path("jobs")).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("another cronlet answers on"), "{said}");
    assert_eq!(daemon.get(&["pods"])["items"].as_array().map(Vec::len), Some(2));
    assert_eq!((lines(&daemon, "polite"), lines(&daemon, "stubborn")), (1, 1));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_reload_applies_the_configuration() {
    let imageless = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: imageless}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "greeter:1"}]
"#;
    let mut daemon = Daemon::start_with(&[("imageless.yaml", imageless), ("broken.yaml", "a: [")]);
    let waits = || {
        let pods = daemon.get(&["pods"]);
        let status = &pods["items"][0]["status"]["containerStatuses"][0];
        status["state"]["waiting"]["reason"].as_str().map(str::to_owned)
    };
    daemon.until("it waits", waits);
    let complaints = |daemon: &Daemon| daemon.log().matches("broken.yaml").count();
    let before = complaints(&daemon);
    let config = "images: {'greeter:*': {command: [/bin/echo, hello]}}";
    fs::write(daemon.path("config.yaml"), config).expect("a file is written");
    daemon.forget_notices();
    daemon.signal(Signal::HUP);
    daemon.wait_for_notice("READY=1");
    assert!(complaints(&daemon) > before, "what is still broken is said again");
    assert!(has_condition(&daemon.ended_job("imageless"), "Complete"));
    assert_eq!(daemon.tell(&["logs", "job/imageless"]), "hello\n");
    fs::write(daemon.path("config.yaml"), "limits: {runs: many}").expect("a file is written");
    daemon.forget_notices();
    daemon.signal(Signal::HUP);
    daemon.wait_for_notice("READY=1");
    assert!(daemon.log().contains("config.yaml:1:"), "{}", daemon.log());
}

#[test]
fn the_state_dump_holds_no_secret() {
    let text = r#"
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: hunter2-and-more}
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  containers:
    - name: main
      image: none
      env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: s, key: password}}}]
      command: [/bin/sh, -c, 'echo started; exec sleep 1000']
"#;
    let daemon = Daemon::start_with(&[("secret.yaml", text)]);
    daemon.until("it runs", || {
        let pod = daemon.get(&["pod", "user"]);
        (pod["status"]["phase"] == "Running").then_some(())
    });
    daemon.signal(Signal::USR1);
    let dump = daemon.until("the dump is whole", || {
        let text = fs::read_to_string(daemon.path("state").join("dump.json")).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).ok().map(|_| text)
    });
    assert!(dump.contains("pod/user in default") && dump.contains("running, pid"), "{dump}");
    for place in [dump, daemon.log()] {
        // Plain, and as base64.
        for secret in ["hunter2", "aHVudGVyMi1hbmQtbW9yZQ"] {
            assert!(!place.contains(secret), "{place}");
        }
    }
}
