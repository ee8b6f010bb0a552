//! What it costs to wait: memory, and wakeups where nothing is due.

use super::common::daemon::Daemon;
use super::lateness::cron_job;
use super::peers::{self, Cron};
use super::table::Table;
use super::{Size, common};
use std::fs;
use std::time::Duration;

const FAR_OFF: &str = "0 0 1 1 *";

/// More than the time without work after which it rests.
const REST_SECONDS: u64 = 7;

pub fn measure(size: &Size, table: &mut Table) {
    for &count in size.idle_cron_jobs {
        table.section(&format!("idle with {count} CronJobs"));
        let mut daemon = Daemon::prepare();
        let command = serde_json::json!(["/bin/true"]);
        let manifests: Vec<String> = (0..count).map(|n| cron_job(n, FAR_OFF, &command)).collect();
        // Files of a thousand, so that no limit of a single file is met.
        for (number, part) in manifests.chunks(1000).enumerate() {
            daemon.write_job(&format!("{number}.yaml"), &part.join("---\n"));
        }
        daemon.start();
        wait_for_all(&daemon, count);
        settle(&daemon);
        let memory = pss_megabytes(daemon.pid().as_raw_pid());
        table.line("cronlet, the daemon", &format!("{memory:.1} MB"));
        let zygote: f64 = children(daemon.pid().as_raw_pid()).into_iter().map(pss_megabytes).sum();
        table.line("cronlet, its helpers", &format!("{zygote:.1} MB"));
        let wakeups = wakeups(daemon.pid().as_raw_pid(), size.idle_seconds);
        table.line("cronlet, wakeups", &format!("{wakeups} in {} s", size.idle_seconds));
        match count {
            0 | 1000 => table.aim("under 10 MB", memory < 10.0),
            10_000 => table.aim("under 64 MB with 10,000", memory < 64.0),
            _ => {}
        }
        table.aim("no wakeups when nothing is due", wakeups == 0);
        // As many lines as Debian's cron takes.
        if count <= 10_000 && common::has(&peers::cron_needs()) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let cron = Cron::start(folder.path(), &format!("{FAR_OFF} /bin/true\n").repeat(count));
            std::thread::sleep(Duration::from_secs(2));
            let theirs = pss_megabytes(cron.pid() as i32);
            table.peer("cron", &format!("{theirs:.1} MB"), memory, theirs);
        }
    }
    measure_shim(table);
}

/// The shim of one pod.
fn measure_shim(table: &mut Table) {
    table.section("a running pod");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: sleeper}\nspec:\n  containers:\n  - \
               {name: sleep, image: busybox, command: [/bin/sleep, '600']}\n";
    let daemon = Daemon::start_with(&[("pod.yaml", pod)]);
    daemon.until("the pod runs", || {
        (daemon.ask(&["get", "pod", "sleeper", "-o", "json"]).out.contains("\"Running\""))
            .then_some(())
    });
    let shims = daemon.processes();
    let memory = |pid: &i32| (pss_megabytes(*pid), command_name(*pid));
    for (memory, name) in shims.iter().map(memory) {
        table.line(&name, &format!("{memory:.2} MB"));
    }
}

fn wait_for_all(daemon: &Daemon, count: usize) {
    if count > 0 {
        daemon.until("all are loaded", || {
            let last = daemon.ask(&["get", "cronjob", &format!("job-{}", count - 1)]);
            (last.code == 0).then_some(())
        });
    }
}

/// Waits until it has come to rest: it gives back what it can some seconds after the last thing it
/// did.
pub fn settle(daemon: &Daemon) {
    for _ in 0..10 {
        if wakeups(daemon.pid().as_raw_pid(), REST_SECONDS) == 0 {
            return;
        }
    }
}

/// The proportional share of memory of a process, by the kernel's own count.
pub fn pss_megabytes(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0 / 1e6
}

fn command_name(pid: i32) -> String {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split('\0')
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

pub fn children(parent: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// How often its threads were put to sleep and woken, in so many seconds.
fn wakeups(pid: i32, seconds: u64) -> u64 {
    let before = switches(pid);
    std::thread::sleep(Duration::from_secs(seconds));
    switches(pid) - before
}

fn switches(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let counts = texts.map(|text| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        lines.filter_map(|count| count.trim().parse::<u64>().ok()).sum::<u64>()
    });
    counts.sum()
}
