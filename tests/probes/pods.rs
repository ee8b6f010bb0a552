//! Pods of a real daemon, whose probes the test answers.

use crate::common::daemon::Daemon;
use crate::server::{Server, answer};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn pod(daemon: &Daemon) -> Value {
    let found = daemon.ask(&["get", "-o", "json", "pod", "web"]);
    serde_json::from_str(&found.out).unwrap_or_default()
}

/// Waits until the first container's status has that value in that field.
fn until(daemon: &Daemon, field: &str, want: &Value) -> Value {
    daemon.until(&format!("{field} is {want}"), || {
        let pod = pod(daemon);
        (pod["status"]["containerStatuses"][0][field] == *want).then_some(pod)
    })
}

fn condition(pod: &Value, name: &str) -> String {
    let conditions = pod["status"]["conditions"].as_array().expect("conditions");
    let found = conditions.iter().find(|condition| condition["type"] == name);
    found.expect("the condition")["status"].as_str().expect("a status").to_owned()
}

fn events(daemon: &Daemon) -> Vec<String> {
    let events = daemon.get(&["events"]);
    let words = |event: &Value| {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("reason"), text("message"))
    };
    events["items"].as_array().expect("a list").iter().map(words).collect()
}

/// A server that is well while the switch is on.
fn switched() -> (Server, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let switch = well.clone();
    let answer = move |_: &str| match switch.load(Ordering::Relaxed) {
        true => answer("200 OK", ""),
        false => answer("500 Unwell", ""),
    };
    (Server::new(answer), well)
}

fn manifest(probes: &str, script: &str) -> String {
    let probes: String =
        probes.lines().map(|line| format!("      {}\n", line.trim_end())).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n    - name: main\n      \
         image: busybox\n      command: [sh, -c, {script:?}]\n{probes}"
    )
}

const IDLE: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done";

#[test]
fn readiness_gates_and_is_remembered() {
    let (server, well) = switched();
    let probes = format!(
        "readinessProbe:\n  httpGet: {{host: 127.0.0.1, port: {}}}\n  periodSeconds: 1\n  \
         failureThreshold: 1\n  timeoutSeconds: 30\n",
        server.at.port()
    );
    let mut daemon = Daemon::start_with(&[("web.yaml", &manifest(&probes, IDLE))]);
    let waiting = until(&daemon, "started", &true.into());
    assert_eq!(condition(&waiting, "Ready"), "False");
    let unhealthy = "Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 500";
    daemon.until("it is told", || events(&daemon).contains(&unhealthy.to_owned()).then_some(()));
    well.store(true, Ordering::Relaxed);
    let ready = until(&daemon, "ready", &true.into());
    assert_eq!(condition(&ready, "Ready"), "True");
    assert_eq!(condition(&ready, "ContainersReady"), "True");
    // A new daemon believes what the old one said until a probe says otherwise.
    daemon.kill();
    daemon.start();
    assert_eq!(pod(&daemon)["status"], ready["status"]);
    well.store(false, Ordering::Relaxed);
    let unready = until(&daemon, "ready", &false.into());
    assert_eq!(condition(&unready, "Ready"), "False");
    assert_eq!(unready["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[test]
fn liveness_kills_and_the_container_comes_back() {
    let probe = "livenessProbe:\n  exec: {command: [cat, ok]}\n  periodSeconds: 1\n  \
        failureThreshold: 2\n  timeoutSeconds: 30\n";
    let daemon = Daemon::prepare();
    let folder = daemon.path("home");
    let script = format!("cd {0} && touch ok && {IDLE}", folder.display());
    // The probe runs in the container's working directory.
    let probe = format!("workingDir: {}\n{probe}", folder.display());
    daemon.write_job("web.yaml", &manifest(&probe, &script));
    let mut daemon = daemon;
    daemon.start();
    until(&daemon, "ready", &true.into());
    std::fs::remove_file(folder.join("ok")).expect("the file is there");
    let again = until(&daemon, "restartCount", &1.into());
    let last = &again["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!(last["exitCode"], 0, "{last}");
    let told = events(&daemon);
    let cat = "Unhealthy Liveness probe failed: cat: ";
    assert!(told.iter().any(|event| event.starts_with(cat)), "{told:?}");
    let killed = "Killing Container main failed liveness probe, will be restarted".to_owned();
    assert!(told.contains(&killed), "{told:?}");
}

#[test]
fn startup_holds_back_the_others() {
    let (server, well) = switched();
    let port = server.at.port();
    let probes = format!(
        "startupProbe:\n  httpGet: {{host: 127.0.0.1, port: {port}, path: /startup}}\n  \
         failureThreshold: 1000\n  periodSeconds: 1\n\
         livenessProbe:\n  httpGet: {{host: 127.0.0.1, port: {port}, path: /liveness}}\n  \
         failureThreshold: 1\n  periodSeconds: 1\n\
         readinessProbe:\n  tcpSocket: {{host: 127.0.0.1, port: {port}}}\n  periodSeconds: 1\n"
    );
    let daemon = Daemon::start_with(&[("web.yaml", &manifest(&probes, IDLE))]);
    let heard = |path: &str| {
        let heard = server.heard.lock().expect("sound");
        heard.iter().filter(|head| head.contains(path)).count()
    };
    daemon.until("startup is asked twice", || (heard("/startup") >= 2).then_some(()));
    assert_eq!(heard("/liveness"), 0);
    let waiting = pod(&daemon);
    let main = &waiting["status"]["containerStatuses"][0];
    assert_eq!((&main["started"], &main["ready"]), (&false.into(), &false.into()));
    well.store(true, Ordering::Relaxed);
    until(&daemon, "ready", &true.into());
    daemon.until("liveness is asked", || (heard("/liveness") > 0).then_some(()));
    let asked = heard("/startup");
    daemon.until("liveness is asked again", || (heard("/liveness") > 2).then_some(()));
    assert_eq!(heard("/startup"), asked, "startup is asked no more");
    well.store(false, Ordering::Relaxed);
    until(&daemon, "restartCount", &1.into());
}
