//! Services that stay up: from a crash to the program that runs again, the memory of many that
//! idle, and how fast a Deployment is scaled and rolled.

use super::common::daemon::Daemon;
use super::idle::{pss_megabytes, settle};
use super::peers::now_seconds;
use super::table::{Table, ms, quantile};
use super::{Size, supervisors};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The first argument that makes this program a service: it writes down when it began and its
/// process id, and stays.
pub const SERVE: &str = "serve";

/// A service that ran shorter is held back by some supervisors.
const STEADY: Duration = Duration::from_secs(2);

/// Between looks at the file of starts: far less than what is measured.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

const PATIENCE: Duration = Duration::from_secs(60);

const SLEEP: &[&str] = &["/bin/sleep", "1000000"];

pub fn serve(path: &str) {
    let now = now_seconds();
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("it opens");
    let line = format!("{now:.9} {}\n", std::process::id());
    file.write_all(line.as_bytes()).expect("a start is written");
    loop {
        std::thread::park();
    }
}

/// From a SIGKILL to the first instruction of the program that follows, one service after another.
/// Each crashes once: Kubernetes holds none back then.
pub fn measure_restart(size: &Size, table: &mut Table) {
    let count = size.crashes;
    table.section(&format!("crash to restarted, {count} services: median, 99 %, last"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("this program has a path");
    let program = program.to_string_lossy();
    let starts = folder.path().join("cronlet").to_string_lossy().into_owned();
    let daemon = Daemon::start_with(&[("pods.yaml", &pods(&[&program, SERVE, &starts], count))]);
    let ours = crash_each(Path::new(&starts), count);
    table.line("cronlet", &told(&ours));
    drop(daemon);
    for kind in supervisors::ALL {
        let starts = folder.path().join(kind.name).to_string_lossy().into_owned();
        let command: [&str; 3] = [&program, SERVE, &starts];
        let Some(_running) = kind.start(&command, count, table) else { continue };
        let theirs = crash_each(Path::new(&starts), count);
        table.peer(kind.name, &told(&theirs), quantile(&ours, 0.5), quantile(&theirs, 0.5));
    }
    table.aim("median under 10 ms from crash to restarted", quantile(&ours, 0.5) < 0.010);
}

fn told(seconds: &[f64]) -> String {
    let [median, most, last] = [0.5, 0.99, 1.0].map(|share| ms(quantile(seconds, share)));
    format!("{median}, {most}, {last}")
}

/// The seconds that each of the services is away.
fn crash_each(starts: &Path, count: usize) -> Vec<f64> {
    let running = starts_after(starts, count);
    std::thread::sleep(STEADY);
    let mut seconds = Vec::with_capacity(count);
    for (number, (_, pid)) in running[..count].iter().enumerate() {
        let crashed_at = now_seconds();
        kill_process(*pid, Signal::KILL).expect("the service takes a signal");
        let (at, _) = starts_after(starts, count + number + 1)[count + number];
        seconds.push(at - crashed_at);
    }
    seconds
}

/// When each began and its process, once there are so many.
fn starts_after(path: &Path, count: usize) -> Vec<(f64, Pid)> {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let start = |line: &str| {
            let (at, pid) = line.split_once(' ')?;
            Some((at.parse().ok()?, Pid::from_raw(pid.parse().ok()?)?))
        };
        let starts: Vec<(f64, Pid)> = text.lines().filter_map(start).collect();
        if starts.len() >= count {
            return starts;
        }
        let got = starts.len();
        assert!(begun.elapsed() < PATIENCE, "{}: {got} of {count} began", path.display());
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// What it takes to keep many services, without the services themselves.
pub fn measure_idle(size: &Size, table: &mut Table) {
    let count = size.idle_pods;
    table.section(&format!("idle with {count} services: memory, without the services"));
    let daemon = Daemon::start_with(&[("pods.yaml", &pods(SLEEP, count))]);
    daemon.until("all run", || (running(&daemon.processes()) == count).then_some(()));
    daemon.until("all are known to run", || {
        let said = daemon.tell(&["get", "pods", "--no-headers"]);
        (said.lines().filter(|line| line.contains("Running")).count() == count).then_some(())
    });
    settle(&daemon);
    let own = pss_megabytes(daemon.pid().as_raw_pid());
    table.line("cronlet, the daemon", &format!("{own:.1} MB"));
    let (processes, shims) = overhead(&daemon.processes());
    table.line("cronlet, its shims", &format!("{shims:.1} MB in {processes} processes"));
    let ours = own + shims;
    table.line("cronlet, all", &format!("{ours:.1} MB"));
    drop(daemon);
    for kind in supervisors::ALL {
        let Some(supervisor) = kind.start(SLEEP, count, table) else { continue };
        let begun = Instant::now();
        while running(&supervisor.processes()) < count {
            assert!(begun.elapsed() < PATIENCE, "{}: not all began", kind.name);
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(STEADY);
        let (processes, theirs) = overhead(&supervisor.processes());
        let what = format!("{theirs:.1} MB in {processes} processes");
        table.peer(kind.name, &what, ours, theirs);
    }
    if count == 500 {
        table.aim("500 idle pods under 70 MB", ours < 70.0);
    }
}

/// How many of the processes are services.
fn running(processes: &[i32]) -> usize {
    processes.iter().filter(|pid| is_service(**pid)).count()
}

/// How many of the processes are not, and their memory.
fn overhead(processes: &[i32]) -> (usize, f64) {
    let own: Vec<i32> = processes.iter().copied().filter(|pid| !is_service(*pid)).collect();
    (own.len(), own.into_iter().map(pss_megabytes).sum())
}

fn is_service(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "sleep")
}

/// A Deployment from none to many, and another that is rolled.
pub fn measure_rollout(size: &Size, table: &mut Table) {
    let count = size.replicas;
    table.section(&format!("a Deployment scaled from 0 to {count}, all ready"));
    let daemon = Daemon::start_with(&[("many.yaml", &deployment("many", 0))]);
    until_rolled(&daemon, "many", 0);
    let begun = Instant::now();
    daemon.tell(&["scale", "deployment/many", &format!("--replicas={count}")]);
    until_rolled(&daemon, "many", count);
    let ours = begun.elapsed().as_secs_f64();
    table.line("cronlet", &format!("{ours:.3} s"));
    let begun = Instant::now();
    let bare = spawn(count);
    let theirs = begun.elapsed().as_secs_f64();
    table.peer("bare spawn loop", &format!("{theirs:.3} s"), ours, theirs);
    end(bare);
    drop(daemon);

    let count = size.rolled_replicas;
    table.section(&format!("a rolling update of {count} replicas"));
    let daemon = Daemon::start_with(&[("rolled.yaml", &deployment("rolled", count))]);
    until_rolled(&daemon, "rolled", count);
    let begun = Instant::now();
    daemon.tell(&["set", "env", "deployment/rolled", "VERSION=2"]);
    until_rolled(&daemon, "rolled", count);
    let ours = begun.elapsed().as_secs_f64();
    table.line("cronlet", &format!("{ours:.3} s"));
    let old = spawn(count);
    let begun = Instant::now();
    let mut new = Vec::with_capacity(count);
    for old in old {
        new.extend(spawn(1));
        end(vec![old]);
    }
    let theirs = begun.elapsed().as_secs_f64();
    table.peer("bare spawn and kill, in turn", &format!("{theirs:.3} s"), ours, theirs);
    end(new);
}

fn spawn(count: usize) -> Vec<Child> {
    let sleep = |_| Command::new(SLEEP[0]).args(&SLEEP[1..]).spawn().expect("it starts");
    (0..count).map(sleep).collect()
}

fn end(children: Vec<Child>) {
    for mut child in children {
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it takes a signal");
        child.wait().expect("it ends");
    }
}

/// All of the present template and ready, and no other left.
fn until_rolled(daemon: &Daemon, name: &str, count: usize) {
    daemon.until("the rollout is complete", || {
        let found = daemon.get(&["deployment", name]);
        let status = &found["status"];
        let number = |of: &Value| of.as_u64().unwrap_or(0);
        let is_seen = status["observedGeneration"] == found["metadata"]["generation"];
        let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
        let all = counts.iter().all(|field| number(&status[field]) == count as u64);
        let pods = || daemon.tell(&["get", "pods", "-o", "name"]).lines().count();
        (is_seen && all && pods() == count).then_some(())
    });
}

fn pods(command: &[&str], count: usize) -> String {
    let command = serde_json::json!(command);
    let pod = |number| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: service-{number}}}\nspec: {{containers: \
             [{{name: main, image: busybox, command: {command}}}]}}\n"
        )
    };
    (0..count).map(pod).collect::<Vec<_>>().join("---\n")
}

fn deployment(name: &str, replicas: usize) -> String {
    let command = serde_json::json!(SLEEP);
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{replicas: \
         {replicas}, selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: \
         {{app: {name}}}}}, spec: {{containers: [{{name: main, image: busybox, command: \
         {command}}}]}}}}}}\n"
    )
}
