//! The manifests of `jobs/services/` do what their comments say: each is checked, and run for real
//! on a daemon with the configuration beside them.

mod common;

use common::daemon::Daemon;
use common::{has, program};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each needs besides python3's and busybox' likes: Debian's programs.
const MANIFESTS: &[(&str, &[&str])] = &[
    ("agent.yaml", &[]),
    ("members.yaml", &["python3"]),
    ("nginx-recreate.yaml", &["nginx"]),
    ("nginx-rolling.yaml", &["nginx"]),
    ("probes.yaml", &["python3"]),
    ("web-and-redis.yaml", &["python3", "redis-server"]),
];

fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/services")
}

fn text(file: &str) -> String {
    fs::read_to_string(services().join(file)).expect("an example is readable")
}

/// A daemon on the manifest; `None`: this machine lacks what it needs.
fn daemon_on(file: &str, edit: impl Fn(String) -> String) -> Option<Daemon> {
    let (_, needs) = MANIFESTS.iter().find(|(name, _)| *name == file).expect("in the list");
    let needs: Vec<(&str, bool)> = needs.iter().map(|name| (*name, program(name))).collect();
    if !has(&needs) {
        return None;
    }
    let mut daemon = Daemon::prepare();
    fs::copy(services().join("config"), daemon.path("config.yaml")).expect("a copy");
    daemon.write_job(file, &edit(text(file)));
    daemon.start();
    Some(daemon)
}

fn pods(daemon: &Daemon, label: &str) -> Vec<Value> {
    let list = daemon.get(&["pods", "-l", label]);
    list["items"].as_array().expect("a list").clone()
}

fn pod(daemon: &Daemon, name: &str) -> Value {
    let found = daemon.ask(&["get", "-o", "json", "pod", name]);
    serde_json::from_str(&found.out).unwrap_or_default()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn until_ready(daemon: &Daemon, name: &str) -> Value {
    daemon.until(&format!("{name} is ready"), || Some(pod(daemon, name)).filter(is_ready))
}

/// What the pod answers on port 8080, at its own address.
fn ask(pod: &Value, path: &str) -> Option<String> {
    ask_at(&format!("{}:8080", pod["status"]["podIP"].as_str()?), path)
}

fn ask_at(at: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(at).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Ports of localhost that are free, as far as one can know: tests run beside each other there.
fn free_ports<const COUNT: usize>() -> [String; COUNT] {
    let listeners: [TcpListener; COUNT] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    listeners.each_ref().map(|listener| port(listener).to_string())
}

#[test]
fn every_manifest_passes_check_and_is_tested() {
    let mut files = Vec::new();
    for entry in fs::read_dir(services()).expect("jobs/services/ is readable") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let mut check = Command::new(env!("CARGO_BIN_EXE_cronlet"));
            let output = check.arg("check").arg(&path).output().expect("the command runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}", path.display());
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            files.push(name);
        }
    }
    files.sort();
    let known: Vec<&str> = MANIFESTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, known);
}

#[test]
fn a_page_and_its_redis_share_localhost_and_a_volume() {
    let [port] = free_ports();
    let edit = |text: String| text.replace("16379", &port);
    let Some(daemon) = daemon_on("web-and-redis.yaml", edit) else { return };
    let visits = until_ready(&daemon, "visits");
    let answers = ["/", "/", "/"].map(|path| ask(&visits, path).expect("an answer"));
    assert_eq!(answers, ["1 visits\n", "2 visits\n", "3 visits\n"]);
    let backup = ask(&visits, "/backup").expect("an answer");
    let bytes = backup.strip_prefix("saved ").and_then(|rest| rest.strip_suffix(" bytes\n"));
    assert!(bytes.is_some_and(|number| number.parse().is_ok_and(|n: u64| n > 50)), "{backup}");
    let logs = daemon.tell(&["logs", "visits", "-c", "redis"]);
    assert!(logs.contains("Ready to accept connections"), "{logs}");
}

#[test]
fn the_patient_is_gated_and_healed_by_its_probes() {
    let Some(daemon) = daemon_on("probes.yaml", |text| text) else { return };
    let ready = until_ready(&daemon, "patient");
    let told = daemon.get(&["events"]).to_string();
    assert!(
        told.contains("Startup probe failed: HTTP probe failed with statuscode: 503"),
        "{told}"
    );
    ask(&ready, "/busy").expect("an answer");
    daemon.until("it takes no traffic", || (!is_ready(&pod(&daemon, "patient"))).then_some(()));
    ask(&ready, "/idle").expect("an answer");
    let idle = until_ready(&daemon, "patient");
    let container = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
    assert_eq!(container(&idle)["restartCount"], 0);
    ask(&idle, "/break").expect("an answer");
    let healed = daemon.until("it is healed", || {
        let pod = pod(&daemon, "patient");
        (container(&pod)["restartCount"] == 1 && is_ready(&pod)).then_some(pod)
    });
    assert_eq!(container(&healed)["lastState"]["terminated"]["exitCode"], 143);
    let told = daemon.tell(&["get", "events"]);
    for words in [
        "Liveness probe failed: HTTP probe failed with statuscode: 503",
        "Container server failed liveness probe, will be restarted",
    ] {
        assert!(told.contains(words), "{words} is not in {told}");
    }
}

/// Names of the ready pods by the version that they answer with.
fn versions(daemon: &Daemon, app: &str) -> Vec<String> {
    let pods = pods(daemon, &format!("app={app}"));
    let ready = pods.iter().filter(|pod| is_ready(pod));
    let mut versions: Vec<String> = ready
        .filter_map(|pod| {
            let answer = ask(pod, "/")?;
            let (name, version) = answer.trim().split_once(' ')?;
            assert_eq!(pod["metadata"]["name"], name);
            Some(version.to_owned())
        })
        .collect();
    versions.sort();
    versions
}

/// What a look at a Deployment finds.
struct Look {
    /// Those of its ready pods.
    versions: Vec<String>,
    available: i64,
}

/// Rolls a new version out, and gives what each look meanwhile found.
fn roll_out(daemon: &Daemon, file: &str, app: &str) -> Vec<Look> {
    daemon.until("three are ready", || (versions(daemon, app) == ["v1"; 3]).then_some(()));
    daemon.write_job(file, &text(file).replace("value: v1", "value: v2"));
    let mut looks = Vec::new();
    daemon.until("three of the new are ready", || {
        let status = daemon.get(&["deploy", app])["status"].clone();
        let available = status["availableReplicas"].as_i64().unwrap_or(0);
        let versions = versions(daemon, app);
        let done = versions == ["v2"; 3];
        looks.push(Look { versions, available });
        done.then_some(())
    });
    looks
}

/// How the Deployment's sets were scaled, sorted.
fn scaled(daemon: &Daemon) -> Vec<String> {
    let events = daemon.get(&["events"]);
    let events = events["items"].as_array().expect("a list").iter();
    let words = |event: &Value| {
        let message = event["message"].as_str()?.strip_prefix("Scaled ")?;
        let (way, rest) = message.split_once(' ')?;
        Some(format!("{way} {}", &rest[rest.find("from")?..]))
    };
    let mut scaled: Vec<String> = events.filter_map(words).collect();
    scaled.sort();
    scaled
}

#[test]
fn a_rolling_update_keeps_two_ready() {
    let Some(daemon) = daemon_on("nginx-rolling.yaml", |text| text) else { return };
    let looks = roll_out(&daemon, "nginx-rolling.yaml", "web");
    assert!(looks.iter().all(|look| look.available >= 2));
    let scaled = scaled(&daemon);
    // One surges and one is unavailable at first, whatever comes after.
    assert!(scaled.contains(&"up from 0 to 1".to_owned()), "{scaled:?}");
    assert!(scaled.contains(&"down from 3 to 2".to_owned()), "{scaled:?}");
}

#[test]
fn a_recreated_deployment_never_runs_both_versions() {
    let Some(daemon) = daemon_on("nginx-recreate.yaml", |text| text) else { return };
    let looks = roll_out(&daemon, "nginx-recreate.yaml", "web-recreate");
    let mixed = looks.iter().find(|look| {
        let has = |wanted: &str| look.versions.iter().any(|version| version == wanted);
        has("v1") && has("v2")
    });
    assert!(mixed.is_none());
    let scaled = scaled(&daemon);
    assert_eq!(scaled, ["down from 3 to 0", "up from 0 to 3", "up from 0 to 3"]);
}

#[test]
fn members_keep_their_names_and_volumes() {
    let ports: [String; 3] = free_ports();
    let edit = |text: String| {
        let at = |text: String, n: usize| text.replace(&format!("710{}", n + 1), &ports[n]);
        (0..3).fold(text, at)
    };
    let Some(daemon) = daemon_on("members.yaml", edit) else { return };
    let seen = |n: usize| ask_at(&format!("127.0.0.1:{}", ports[n]), "/").unwrap_or_default();
    let all = ["ring-0", "ring-1", "ring-2"].map(|name| until_ready(&daemon, name));
    // One after the other: each was made when the one before it was ready.
    let made = all.map(|pod| pod["metadata"]["creationTimestamp"].as_str().map(str::to_owned));
    assert!(made.is_sorted(), "{made:?}");
    for (n, name) in ["ring-0", "ring-1", "ring-2"].into_iter().enumerate() {
        assert_eq!(seen(n), format!("{name}, start 1, sees ring-0 ring-1 ring-2\n"));
    }
    daemon.tell(&["delete", "pod", "ring-1"]);
    let again = "ring-1, start 2, sees ring-0 ring-1 ring-2\n";
    daemon.until("it comes back as who it was", || (seen(1) == again).then_some(()));
    let claims = daemon.get(&["persistentvolumeclaims"]);
    let claims = claims["items"].as_array().expect("a list").iter();
    let name = |claim: &Value| claim["metadata"]["name"].as_str().map(str::to_owned);
    let names: Vec<String> = claims.filter_map(name).collect();
    assert_eq!(names, ["data-ring-0", "data-ring-1", "data-ring-2"]);
}

#[test]
fn the_agent_runs_once_on_this_host() {
    let Some(daemon) = daemon_on("agent.yaml", |text| text) else { return };
    let agent = daemon.until("it is ready", || {
        let pods = pods(&daemon, "app=agent");
        assert!(pods.len() <= 1, "{pods:?}");
        pods.into_iter().find(is_ready)
    });
    let name = agent["metadata"]["name"].as_str().expect("a name");
    let begin = format!("node {} load ", agent["spec"]["nodeName"].as_str().expect("a node"));
    daemon.until("it prints the load", || {
        let printed = daemon.tell(&["logs", name]);
        printed.starts_with(&begin).then_some(())
    });
    let set = daemon.get(&["daemonset", "agent"]);
    let count = |field: &str| set["status"][field].as_i64();
    assert_eq!(count("desiredNumberScheduled"), Some(1));
    assert_eq!(count("currentNumberScheduled"), Some(1));
}
