//! Manifests that ask for confinement, limits and secrecy: they get them, or are told.

use crate::common::daemon::Daemon;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn container(daemon: &Daemon, pod: &str) -> Value {
    daemon.get(&["pod", pod])["status"]["containerStatuses"][0].clone()
}

/// The first state of that kind that the pod's container is seen in.
fn state(daemon: &Daemon, pod: &str, kind: &str) -> Value {
    daemon.until(&format!("{pod} is {kind}"), || {
        let state = container(daemon, pod)["state"][kind].clone();
        (!state.is_null() && state["reason"] != "ContainerCreating").then_some(state)
    })
}

#[test]
fn a_confined_pod_is_confined_and_nothing_is_said() {
    let pod = r#"
apiVersion: v1
kind: Pod
metadata: {name: confined}
spec:
  restartPolicy: Never
  securityContext: {seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: main
    image: none
    command: [sh, -c, "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status"]
    securityContext:
      allowPrivilegeEscalation: false
      privileged: false
      capabilities: {drop: [ALL]}
"#;
    let daemon = Daemon::start_with(&[("confined.yaml", pod)]);
    assert_eq!(state(&daemon, "confined", "terminated")["reason"], "Completed");
    let said = daemon.tell(&["logs", "confined"]).replace('\t', " ");
    let none = "0000000000000000";
    let is_root = rustix::process::geteuid().is_root();
    let bounding = if is_root { format!("CapBnd: {none}\n") } else { String::new() };
    let want = format!("CapEff: {none}\n{bounding}NoNewPrivs: 1\nSeccomp: 2\n");
    let said = if is_root { said } else { without(&said, "CapBnd") };
    assert_eq!(said, want);
    assert!(!daemon.log().contains("has no effect"), "{}", daemon.log());
}

fn without(text: &str, start: &str) -> String {
    text.lines().filter(|line| !line.starts_with(start)).map(|line| format!("{line}\n")).collect()
}

/// Each road says once what cannot be honoured.
#[test]
fn what_cannot_be_honoured_is_told_once_on_every_road() {
    let pod = r#"
apiVersion: v1
kind: Pod
metadata: {name: profiled}
spec:
  containers:
  - name: main
    image: none
    command: [sleep, "1000"]
    securityContext: {appArmorProfile: {type: RuntimeDefault}, seLinuxOptions: {level: s0}}
"#;
    let fields = ["appArmorProfile", "seLinuxOptions"];
    let check = |road: &str, said: &str| {
        for field in fields {
            let told = format!("spec.containers[0].securityContext.{field}: has no effect: ");
            assert_eq!(said.matches(&told).count(), 1, "{road}: {said}");
        }
        assert_eq!(said.matches("has no effect").count(), fields.len(), "{road}: {said}");
    };
    let daemon = Daemon::start_with(&[("profiled.yaml", pod)]);
    state(&daemon, "profiled", "running");
    check("folder", &daemon.log());
    let other = daemon.path("home").join("other.yaml");
    fs::write(&other, pod.replace("profiled", "other")).expect("a file is written");
    let path = other.to_string_lossy();
    let said = daemon.ask(&["check", &path]);
    check("check", &format!("{}{}", said.out, said.error));
    check("apply", &daemon.ask(&["apply", "-f", &path]).error);
    // What was said before is not said again.
    let again = daemon.ask(&["apply", "-f", &path]).error;
    assert!(!again.contains("has no effect"), "{again}");
}

#[test]
fn a_pod_is_held_to_its_own_limit() {
    let pod = r#"
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  restartPolicy: Never
  resources: {limits: {memory: 50Mi, cpu: "1"}}
  containers:
  - {name: main, image: none, command: [sh, -c, "head -c 200000000 /dev/zero | tail -c 200000000"]}
"#;
    let daemon = Daemon::start_with(&[("hungry.yaml", pod)]);
    let ended = state(&daemon, "hungry", "terminated");
    // The daemon says where it cannot hold anything to a limit.
    if !daemon.log().contains("memory limits cannot be enforced") {
        assert_eq!((&ended["reason"], &ended["exitCode"]), (&"OOMKilled".into(), &137.into()));
    }
    let pod = daemon.get(&["pod", "hungry"]);
    assert_eq!(pod["status"]["qosClass"], "Guaranteed");
    assert_eq!(pod["spec"]["resources"]["requests"]["memory"], "50Mi");
}

const SECRET: &str = "s3cr3t-value";

const SECRETIVE: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {value: s3cr3t-value}
---
apiVersion: v1
kind: Pod
metadata: {name: sought}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: none
    command: ["$(SECRET)"]
    env: [{name: SECRET, valueFrom: {secretKeyRef: {name: hidden, key: value}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: absolute}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: none
    command: ["/no/$(SECRET)", "$(SECRET)"]
    env: [{name: SECRET, valueFrom: {secretKeyRef: {name: hidden, key: value}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: part}
spec:
  restartPolicy: Never
  volumes: [{name: home, hostPath: {path: HOME}}]
  containers:
  - name: main
    image: none
    command: ["true"]
    env: [{name: SECRET, valueFrom: {secretKeyRef: {name: hidden, key: value}}}]
    volumeMounts: [{name: home, mountPath: /seen, subPathExpr: $(SECRET)/deep}]
"#;

/// Everything below a folder that holds the text, or that others may read.
fn leaks(folder: &Path, may_hold: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, meta) = (entry.path(), entry.metadata().expect("a file"));
            if meta.is_dir() {
                open.push(path);
                continue;
            }
            let holds = fs::read(&path).is_ok_and(|bytes| {
                bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
            });
            if holds && entry.file_name() != may_hold || meta.permissions().mode() & 0o077 != 0 {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_secret_shows_nowhere() {
    let mut daemon = Daemon::prepare();
    let home = daemon.path("home");
    fs::write(home.join(SECRET), "a file where a folder is sought").expect("a file is written");
    let text = SECRETIVE.replace("HOME", &home.to_string_lossy());
    daemon.write_job("secretive.yaml", &text);
    daemon.start();
    let message = |pod: &str, kind: &str| state(&daemon, pod, kind)["message"].clone();
    let why = "executable file not found in $PATH";
    assert_eq!(message("sought", "terminated"), format!("exec: \"$(SECRET)\": {why}"));
    let why = "no such file or directory";
    assert_eq!(message("absolute", "terminated"), format!("exec: \"/no/$(SECRET)\": {why}"));
    let part = message("part", "waiting");
    let want = "volume \"home\": subPathExpr \"$(SECRET)/deep\": opening it: ";
    assert!(part.as_str().is_some_and(|part| part.starts_with(want)), "{part}");
    for pod in ["sought", "absolute", "part"] {
        let said = daemon.tell(&["describe", "pod", pod]);
        assert!(said.contains("$(SECRET)") && !said.contains(SECRET), "{said}");
    }
    for asked in [&["get", "events", "-o", "json"][..], &["get", "pods", "-o", "json"]] {
        assert!(!daemon.tell(asked).contains(SECRET), "{asked:?}");
    }
    assert!(!daemon.log().contains(SECRET), "{}", daemon.log());
    // The store has the Secret itself, and is closed to others.
    assert_eq!(leaks(&daemon.path("state"), "state.redb"), [""; 0].map(PathBuf::from));
}
