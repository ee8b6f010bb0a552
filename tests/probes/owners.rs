//! Pods that share the host's ports: an answer counts only if the pod's own program gave it, and a
//! rollout hands a port over.

use crate::common::daemon::Daemon;
use crate::common::{has, program};
use serde_json::{Value, json};
use std::net::TcpListener;

fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn perl() -> bool {
    has(&[("perl", program("perl"))])
}

/// Listens on every address, and leaves with an error where it cannot.
fn serves(port: u16) -> Value {
    let script = "my ($port) = @ARGV; socket(my $s, 2, 1, 6) or die; \
                  setsockopt($s, 1, 2, 1) or die; \
                  bind($s, pack('S n a4 x8', 2, $port, pack('N', 0))) or die $!; \
                  listen($s, 5) or die; while (accept(my $c, $s)) { close $c }";
    json!(["perl", "-e", script, port.to_string()])
}

fn idles() -> Value {
    json!(["sleep", "1000"])
}

/// A Deployment `web` whose container has these fields too.
fn deployment(replicas: i32, command: &Value, more: &Value) -> String {
    let mut container = json!({"name": "main", "image": "none", "command": command});
    for (name, value) in more.as_object().expect("an object") {
        container[name] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    })
    .to_string()
}

fn asked(port: u16) -> Value {
    json!({"readinessProbe": {"periodSeconds": 1, "tcpSocket": {"port": port}}})
}

/// Each pod's command, and whether it is ready or why it waits, in order.
fn pods(daemon: &Daemon) -> Vec<(Value, String)> {
    let pods = daemon.get(&["pods"]);
    let mut pods: Vec<(Value, String)> =
        Vec::from_iter(pods["items"].as_array().expect("a list").iter().map(|pod| {
            let shown = &pod["status"]["containerStatuses"][0];
            let reason = shown["state"]["waiting"]["reason"].as_str();
            let ready = if shown["ready"] == true { "ready" } else { "unready" };
            let command = pod["spec"]["containers"][0]["command"].clone();
            (command, reason.unwrap_or(ready).to_owned())
        }));
    pods.sort_by_key(|(command, word)| (command.to_string(), word.clone()));
    pods
}

fn until(daemon: &Daemon, want: &[(&Value, &str)]) {
    let mut last = Vec::new();
    let is_so = || {
        last = pods(daemon);
        let same =
            last.iter().map(|(command, word)| (command, word.as_str())).eq(want.iter().copied());
        same.then_some(())
    };
    daemon.until(&format!("the pods are {want:?}"), is_so);
}

#[test]
fn an_answer_of_another_program_does_not_count() {
    // The test's own.
    let listener = TcpListener::bind("0.0.0.0:0").expect("it listens");
    let port = listener.local_addr().expect("an address").port();
    let daemon = Daemon::start_with(&[("web.yaml", &deployment(1, &idles(), &asked(port)))]);
    let events = daemon.until("the probe fails", || {
        let events = daemon.tell(&["get", "events"]);
        events.contains("is not of this pod").then_some(events)
    });
    assert!(events.contains("Readiness probe failed"), "{events}");
    until(&daemon, &[(&idles(), "unready")]);
    // Whoever names a host asks anyone.
    let mut named = asked(port);
    named["readinessProbe"]["tcpSocket"]["host"] = json!("127.0.0.1");
    daemon.write_job("web.yaml", &deployment(1, &idles(), &named));
    until(&daemon, &[(&idles(), "ready")]);
}

#[test]
fn of_two_that_are_asked_at_one_port_the_one_that_listens_is_ready() {
    if !perl() {
        return;
    }
    let port = free_port();
    let command = serves(port);
    let text = deployment(2, &command, &asked(port));
    let daemon = Daemon::start_with(&[("web.yaml", &text)]);
    until(&daemon, &[(&command, "PortInUse"), (&command, "ready")]);
}

#[test]
fn a_port_that_only_a_probe_names_stays_with_the_pod_that_serves() {
    if !perl() {
        return;
    }
    let port = free_port();
    let command = serves(port);
    let text = deployment(1, &command, &asked(port));
    let daemon = Daemon::start_with(&[("web.yaml", &text)]);
    until(&daemon, &[(&command, "ready")]);
    daemon.write_job("web.yaml", &deployment(1, &idles(), &asked(port)));
    until(&daemon, &[(&command, "ready"), (&idles(), "PortInUse")]);
    daemon.until("the rollout says why", || {
        let said = daemon.tell(&["rollout", "status", "deployment/web", "--watch=false"]);
        said.contains("the old pod stays").then_some(())
    });
    until(&daemon, &[(&command, "ready"), (&idles(), "PortInUse")]);
}

#[test]
fn a_listed_port_is_handed_over() {
    if !perl() {
        return;
    }
    let port = free_port();
    let command = serves(port);
    let listed = |value: &str| {
        json!({"ports": [{"containerPort": port}], "env": [{"name": "V", "value": value}],
            "readinessProbe": asked(port)["readinessProbe"]})
    };
    let daemon = Daemon::start_with(&[("web.yaml", &deployment(1, &command, &listed("1")))]);
    until(&daemon, &[(&command, "ready")]);
    daemon.write_job("web.yaml", &deployment(1, &command, &listed("2")));
    daemon.until("it is rolled out", || {
        let said = daemon.ask(&["rollout", "status", "deployment/web", "--watch=false"]);
        let web = daemon.get(&["deployment", "web"]);
        let is_seen = web["metadata"]["generation"] == 2;
        (is_seen && said.out.contains("successfully rolled out")).then_some(())
    });
    let events = daemon.tell(&["get", "events"]);
    assert!(events.contains("the old pod goes first"), "{events}");
    let conditions = daemon.get(&["deployment", "web"])["status"]["conditions"].to_string();
    assert!(!conditions.contains("PortInUse"), "{conditions}");
}
