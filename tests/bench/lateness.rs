//! From the slot to the job's first instruction, where one job and where many are due at once.

use super::common::daemon::Daemon;
use super::machine::{self, Machine};
use super::peers::{self, Cron};
use super::table::{Table, ms, quantile};
use super::{Size, common};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Loading and settling are over by then.
const AHEAD_SECONDS: f64 = 15.0;

/// Where one job is due, this many slots make the median of what can be asked so often.
const SLOTS: usize = 9;

/// Seconds between them: enough for the daemon to come to rest.
const SLOT_EVERY: f64 = 10.0;

/// Who has not run all of its jobs by then does not run them any more.
const PATIENCE: Duration = Duration::from_secs(180);

pub fn measure(size: &Size, table: &mut Table) {
    for &count in size.due_at_once {
        table.section(&format!("lateness, {count} due at once: median, 99 %, last"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (ours, bare) = (folder.path().join("cronlet"), folder.path().join("bare"));
        let (ours, bare) = match count {
            1 => (one_by_cronlet(&ours), one_by_spawn(&bare)),
            _ => (by_cronlet(&ours, count), by_spawn_loop(&bare, count)),
        };
        table.line("cronlet", &told(&ours));
        peer(table, "bare spawn loop", &ours, &bare);
        if count == 1 {
            table.aim("median under 3 ms for one job", quantile(&ours, 0.5) < 0.003);
        } else {
            let within = quantile(&ours, 1.0) <= 2.0 * quantile(&bare, 1.0);
            table.aim("the last within twice the bare loop's", within);
        }
        if common::has(&peers::cron_needs()) {
            let theirs = by_cron(folder.path(), count);
            peer(table, "cron", &ours, &theirs);
            let ahead = quantile(&ours, 0.5) * 10.0 <= quantile(&theirs, 0.5);
            table.aim("the median ten times ahead of cron's", ahead);
        }
        if !size.timers {
            table.line("systemd timers", "measured in the full size alone");
        } else if common::has(&machine::needs(common::program)) {
            peer(table, "systemd timers", &ours, &by_timers(count));
        }
    }
}

fn told(late: &[f64]) -> String {
    let [median, most, last] = [0.5, 0.99, 1.0].map(|share| ms(quantile(late, share)));
    format!("{median}, {most}, {last}")
}

fn peer(table: &mut Table, who: &str, ours: &[f64], theirs: &[f64]) {
    table.peer(&format!("{who}, last"), &told(theirs), quantile(ours, 1.0), quantile(theirs, 1.0));
    table.peer(&format!("{who}, median"), "", quantile(ours, 0.5), quantile(theirs, 0.5));
}

/// How late each of `count` stamps came after the slot.
fn collect(path: &Path, slot: f64, count: usize) -> Vec<f64> {
    peers::sleep_until(slot);
    let begun = Instant::now();
    loop {
        let stamps = peers::stamps(path);
        if stamps.len() >= count {
            let late: Vec<f64> = stamps[..count].iter().map(|at| at - slot).collect();
            assert!(late.iter().all(|late| *late >= 0.0), "{}: ran before", path.display());
            return late;
        }
        let got = stamps.len();
        assert!(begun.elapsed() < PATIENCE, "{}: {got} of {count} ran", path.display());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn by_cronlet(stamps: &Path, count: usize) -> Vec<f64> {
    let slot = peers::wait_for_minute_with(AHEAD_SECONDS + count as f64 / 100.0);
    let command = serde_json::json!(peers::stamp_command(stamps));
    let manifests: Vec<String> = (0..count).map(|n| cron_job(n, "* * * * *", &command)).collect();
    let daemon = Daemon::start_with(&[("all.yaml", &manifests.join("---\n"))]);
    daemon.until("all are loaded", || {
        let last = daemon.ask(&["get", "cronjob", &format!("job-{}", count - 1)]);
        (last.code == 0).then_some(())
    });
    assert!(peers::now_seconds() < slot, "loading took too long for this slot");
    collect(stamps, slot, count)
}

/// One job, at several slots.
fn one_by_cronlet(stamps: &Path) -> Vec<f64> {
    let command = serde_json::json!(peers::stamp_command(stamps));
    let often = format!("{{annotations: {{cronlet.dev/schedule: '*/{SLOT_EVERY} * * * * *'}}, ");
    let manifest = cron_job(0, "* * * * *", &command).replacen('{', &often, 1);
    let _daemon = Daemon::start_with(&[("one.yaml", &manifest)]);
    peers::sleep_until(peers::now_seconds() + SLOT_EVERY * (SLOTS as f64 + 1.5));
    let ran = peers::stamps(stamps);
    assert!(ran.len() > SLOTS, "{ran:?}");
    // The first may have come while the daemon was still busy with its start.
    ran[1..].iter().map(|at| at % SLOT_EVERY).collect()
}

/// A spawn at each of as many full seconds.
fn one_by_spawn(stamps: &Path) -> Vec<f64> {
    let [program, word, path] = peers::stamp_command(stamps);
    for _ in 0..SLOTS {
        peers::sleep_until((peers::now_seconds() + 1.0).ceil());
        let child = Command::new(&program).args([&word, &path]).spawn();
        child.expect("a stamp starts").wait().expect("a stamp ends");
    }
    peers::stamps(stamps).iter().map(|at| at % 1.0).collect()
}

/// A CronJob that runs the command.
pub fn cron_job(number: usize, schedule: &str, command: &serde_json::Value) -> String {
    format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: job-{number}}}\nspec:\n  schedule: \
         '{schedule}'\n  jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, \
         containers: [{{name: job, image: busybox, command: {command}}}]}}}}}}}}\n"
    )
}

fn by_spawn_loop(stamps: &Path, count: usize) -> Vec<f64> {
    let [program, word, path] = peers::stamp_command(stamps);
    let slot = (peers::now_seconds() + 1.0).ceil();
    peers::sleep_until(slot);
    let spawn = |_| Command::new(&program).args([&word, &path]).spawn().expect("a stamp starts");
    let children: Vec<Child> = (0..count).map(spawn).collect();
    for mut child in children {
        child.wait().expect("a stamp ends");
    }
    collect(stamps, slot, count)
}

fn by_cron(folder: &Path, count: usize) -> Vec<f64> {
    let stamps = folder.join("by-cron");
    let line = format!("* * * * * {}\n", peers::stamp_command(&stamps).join(" "));
    let slot = peers::wait_for_minute_with(AHEAD_SECONDS);
    let _cron = Cron::start(&folder.join("crontabs"), &line.repeat(count));
    collect(&stamps, slot, count)
}

/// Timers of a systemd of its own, as exact as they can be told to be.
fn by_timers(count: usize) -> Vec<f64> {
    let program = std::env::current_exe().expect("this program has a path");
    let mut machine = Machine::boot(&[(&program, "/usr/bin/bench")]);
    let units = format!(
        "cd /run/systemd/system; for n in $(seq {count}); do
            printf '[Timer]\nOnCalendar=*:*:00\nAccuracySec=1us\n' > stamp-$n.timer
            printf '[Service]\nExecStart=/usr/bin/bench stamp /channel/stamps\n' > stamp-$n.service
        done; systemctl daemon-reload"
    );
    machine.run(&units);
    let slot = peers::wait_for_minute_with(AHEAD_SECONDS + count as f64 / 100.0);
    machine.run(&format!("seq -f 'stamp-%g.timer' {count} | xargs systemctl start"));
    collect(&machine.channel().join("stamps"), slot, count)
}
