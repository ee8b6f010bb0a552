//! SIGHUP: what the configuration says now holds from now on.

use crate::common::daemon::Daemon;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

const SLEEPER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: none, command: [/bin/sleep, "600"]}]
"#;

/// A CronJob with a schedule of seconds, in the zone that the configuration has for it.
fn cron_job(name: &str, schedule: &str) -> String {
    format!(
        r#"
apiVersion: batch/v1
kind: CronJob
metadata: {{name: {name}, annotations: {{cronlet.dev/schedule: "{schedule}"}}}}
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{{name: main, image: none, command: ["true"]}}]
"#
    )
}

fn configure(daemon: &Daemon, text: &str) {
    fs::write(daemon.path("config.yaml"), text).expect("a file is written");
}

/// Reloads with this configuration, and gives what it logged of that.
fn reload(daemon: &mut Daemon, text: &str) -> String {
    configure(daemon, text);
    let said = daemon.log().len();
    daemon.forget_notices();
    daemon.signal(Signal::HUP);
    daemon.wait_for_notice("READY=1");
    daemon.log()[said..].to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn is_scraped(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.contains("cronjob_controller_job_creation_skew_duration_seconds")
}

#[test]
fn pods_are_drained_when_a_reload_says_so() {
    let mut daemon = Daemon::start_with(&[("pod.yaml", SLEEPER)]);
    daemon.until("it runs", || {
        (daemon.get(&["pod", "sleeper"])["status"]["phase"] == "Running").then_some(())
    });
    reload(&mut daemon, "shutdown: {pods: drain}");
    assert_eq!(daemon.stop(), Some(0));
    daemon.until("nothing runs on", || daemon.processes().is_empty().then_some(()));
}

#[test]
fn metrics_move_to_another_port() {
    let (first, second, taken) = (free_port(), free_port(), free_port());
    let mut daemon = Daemon::prepare();
    let at = |port: u16| format!("metrics: {{listen: '127.0.0.1:{port}'}}");
    configure(&daemon, &at(first));
    daemon.start();
    assert!(is_scraped(first));
    reload(&mut daemon, &at(second));
    assert!(!is_scraped(first) && is_scraped(second), "{}", daemon.log());
    reload(&mut daemon, &format!("metrics: {{listen: '0.0.0.0:{second}'}}"));
    assert!(is_scraped(second), "the same port on more addresses: {}", daemon.log());
    let _other = TcpListener::bind(("127.0.0.1", taken)).expect("a port");
    let said = reload(&mut daemon, &at(taken));
    assert!(said.contains("cannot be listened on"), "{said}");
    assert!(is_scraped(second), "it stays where it was: {}", daemon.log());
    reload(&mut daemon, "");
    assert!(!is_scraped(second), "{}", daemon.log());
}

#[test]
fn the_log_takes_another_level_and_form() {
    let mut daemon = Daemon::prepare();
    configure(&daemon, "log: {level: error}");
    daemon.start();
    assert_eq!(daemon.log(), "");
    let said = reload(&mut daemon, "log: {level: info, format: json}");
    let lines: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(lines.iter().any(|line| line["fields"]["message"] == "reloaded"), "{said}");
    let said = reload(&mut daemon, "log: {level: 'cronlet=loud'}");
    assert!(said.contains("log.level") && said.contains("the last good one stays"), "{said}");
    let said = reload(&mut daemon, "nodeName: Build_Box");
    assert!(said.contains("nodeName: a lowercase RFC 1123 subdomain must"), "{said}");
    let said = reload(&mut daemon, "log: {level: info}");
    assert!(said.contains("INFO") && said.contains("reloaded"), "{said}");
}

#[test]
fn another_default_zone_fires_nothing_for_the_past() {
    // Hours away in UTC; in the other zone it passes once the CronJobs are there.
    let zone = jiff::tz::TimeZone::get("Asia/Kolkata").expect("a known zone");
    let slot = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let schedule = slot.to_zoned(zone).strftime("%-S %-M %-H * * *").to_string();
    let own = cron_job("own", &schedule).replace("\nspec:\n", "\nspec:\n  timeZone: UTC\n");
    let jobs = [("leans.yaml", &*cron_job("leans", &schedule)), ("own.yaml", &*own)];
    let mut daemon = Daemon::start_with(&jobs);
    let since = |daemon: &Daemon, name: &str| {
        let annotations = daemon.get(&["cronjob", name])["metadata"]["annotations"].clone();
        annotations["cronlet.dev/in-force-since"].as_str().map(str::to_owned)
    };
    assert_eq!((since(&daemon, "leans"), since(&daemon, "own")), (None, None));
    daemon.until("the slot passes", || (jiff::Timestamp::now() > slot).then_some(()));
    reload(&mut daemon, "timeZone: Asia/Kolkata");
    let reloaded = daemon.until("it is in force anew", || since(&daemon, "leans"));
    assert_eq!(since(&daemon, "own"), None, "its zone is its own");
    // The same holds where the daemon was away when the configuration changed.
    assert_eq!(daemon.stop(), Some(0));
    configure(&daemon, "{timeZone: Asia/Kolkata, dst: kubernetes}");
    daemon.start();
    let again = daemon.until("it is in force anew", || {
        since(&daemon, "leans").filter(|again| *again != reloaded)
    });
    assert!(since(&daemon, "own").is_some(), "it leans on dst");
    assert_eq!(daemon.stop(), Some(0));
    daemon.start();
    assert_eq!(since(&daemon, "leans"), Some(again), "nothing changed");
    let history: Value =
        serde_json::from_str(&daemon.tell(&["history", "-o", "json"])).expect("JSON");
    assert_eq!(history["items"].as_array().map(Vec::len), Some(0), "{history:#}");
}
