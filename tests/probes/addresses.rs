//! Every pod has an address of its own, and programs that do not use it wait for each other.

use crate::common::daemon::Daemon;
use crate::common::{has, program};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};

/// A program that listens on an address until it is stopped, or ends with an error.
const LISTEN: &str = "exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(\
    LocalAddr => $ENV{IP}, LocalPort => $ENV{PORT}, Listen => 9, ReuseAddr => 1) \
    or die \"$!\\n\"; close $c while $c = $s->accept'";

fn manifest(name: &str, port: u16, ip: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: perl
      command: [sh, -c]
      args:
        - >-
          {LISTEN}
      ports: [{{containerPort: {port}}}]
      env:
        - {{name: POD_IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}
        - {{name: IP, value: \"{ip}\"}}
        - {{name: PORT, value: \"{port}\"}}
"
    )
}

/// A port that is free, as far as one can know.
fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn perl() -> bool {
    has(&[("perl", program("perl"))])
}

fn pod(daemon: &Daemon, name: &str) -> Value {
    let found = daemon.ask(&["get", "-o", "json", "pod", name]);
    serde_json::from_str(&found.out).unwrap_or_default()
}

fn address(pod: &Value) -> String {
    assert_eq!(pod["status"]["podIPs"][0]["ip"], pod["status"]["podIP"]);
    pod["status"]["podIP"].as_str().unwrap_or_default().to_owned()
}

fn until_running(daemon: &Daemon, name: &str) -> Value {
    daemon.until(&format!("{name} runs"), || {
        let pod = pod(daemon, name);
        (pod["status"]["phase"] == "Running" && waiting(&pod).is_null()).then_some(pod)
    })
}

fn waiting(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]["waiting"]
}

fn until_waiting(daemon: &Daemon, name: &str) -> String {
    daemon.until(&format!("{name} waits"), || {
        let pod = pod(daemon, name);
        let waiting = waiting(&pod);
        let message = waiting["message"].as_str().unwrap_or_default();
        (waiting["reason"] == "PortInUse").then(|| message.to_owned())
    })
}

fn until_listening(daemon: &Daemon, ip: &str, port: u16) {
    daemon.until("it listens", || TcpStream::connect((ip, port)).ok());
}

#[test]
fn replicas_that_bind_their_own_address_do_not_collide() {
    if !perl() {
        return;
    }
    let port = free_port();
    let text = |name: &str| manifest(name, port, "$(POD_IP)");
    let mut daemon = Daemon::start_with(&[("one.yaml", &text("one")), ("two.yaml", &text("two"))]);
    let addresses = ["one", "two"].map(|name| {
        let ip = address(&until_running(&daemon, name));
        assert!(ip.starts_with("127.") && ip != "127.0.0.1", "{ip}");
        until_listening(&daemon, &ip, port);
        ip
    });
    assert_ne!(addresses[0], addresses[1]);
    daemon.kill();
    daemon.start();
    let again = ["one", "two"].map(|name| address(&pod(&daemon, name)));
    assert_eq!(again, addresses);
    let restarts =
        |name| pod(&daemon, name)["status"]["containerStatuses"][0]["restartCount"].clone();
    assert_eq!(["one", "two"].map(restarts), [0, 0]);
}

#[test]
fn a_port_on_every_address_is_waited_for() {
    if !perl() {
        return;
    }
    let port = free_port();
    let daemon = Daemon::start_with(&[("one.yaml", &manifest("one", port, "0.0.0.0"))]);
    // A probe that asks the pod's own address finds what listens everywhere.
    let ip = address(&until_running(&daemon, "one"));
    until_listening(&daemon, &ip, port);
    daemon.write_job("two.yaml", &manifest("two", port, "$(POD_IP)"));
    let why = until_waiting(&daemon, "two");
    let begin = format!("port {port} is in use on every address; declared by pod default/one too");
    assert!(why.starts_with(&begin) && why.contains("$(POD_IP)"), "{why}");
    let events = daemon.get(&["events"]).to_string();
    assert!(events.contains(&format!("Error: {begin}")), "{events}");
    daemon.tell(&["delete", "pod", "one"]);
    let two = until_running(&daemon, "two");
    assert_eq!(two["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[test]
fn a_port_on_localhost_is_waited_for_after_a_failure() {
    if !perl() {
        return;
    }
    let port = free_port();
    let daemon = Daemon::start_with(&[("one.yaml", &manifest("one", port, "127.0.0.1"))]);
    until_running(&daemon, "one");
    until_listening(&daemon, "127.0.0.1", port);
    daemon.write_job("two.yaml", &manifest("two", port, "127.0.0.1"));
    let why = until_waiting(&daemon, "two");
    let begin = format!("port {port} is in use on 127.0.0.1, and the last run failed");
    assert!(why.starts_with(&begin), "{why}");
    daemon.tell(&["delete", "pod", "one"]);
    let two = until_running(&daemon, "two");
    assert_eq!(two["status"]["containerStatuses"][0]["restartCount"], 1);
}

#[test]
fn a_pod_of_the_hosts_network_has_the_hosts_address() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: host}\nspec:\n  hostNetwork: true\n  \
        containers: [{name: main, image: x, command: [sleep, '1000']}]\n";
    let daemon = Daemon::start_with(&[("host.yaml", text)]);
    let pod = until_running(&daemon, "host");
    assert_eq!(pod["status"]["podIP"], pod["status"]["hostIP"]);
}
