//! From the start to all manifests being loaded, the first time and again; and the binary's size.

use super::Size;
use super::common::daemon::Daemon;
use super::lateness::cron_job;
use super::table::Table;
use std::fs;
use std::path::Path;
use std::time::Instant;

pub fn measure(size: &Size, table: &mut Table) {
    let count = size.manifests;
    table.section(&format!("start-up with {count} manifests"));
    let mut daemon = Daemon::prepare();
    for number in 0..count {
        let manifest = cron_job(number, "0 0 1 1 *", &serde_json::json!(["/bin/true"]));
        daemon.write_job(&format!("{number}.yaml"), &manifest);
    }
    let first = load(&mut daemon, count);
    table.line("cronlet, the first time", &format!("{first:.3} s"));
    daemon.stop();
    let again = load(&mut daemon, count);
    table.line("cronlet, again", &format!("{again:.3} s"));
    let begun = Instant::now();
    for entry in fs::read_dir(daemon.path("jobs")).expect("a readable folder") {
        fs::read(entry.expect("an entry").path()).expect("a readable file");
    }
    let bare = begun.elapsed().as_secs_f64();
    table.peer("reading the files, no more", &format!("{bare:.3} s"), again, bare);
    table.aim("under a second the first time", first < 1.0);
    table.aim("under a second again", again < 1.0);
}

/// The seconds until it is ready and knows them all.
fn load(daemon: &mut Daemon, count: usize) -> f64 {
    let begun = Instant::now();
    daemon.start();
    daemon.until("all are loaded", || {
        let names = daemon.tell(&["get", "cronjobs", "-o", "name"]);
        (names.lines().count() == count).then_some(())
    });
    begun.elapsed().as_secs_f64()
}

pub fn measure_size(_size: &Size, table: &mut Table) {
    table.section("size of the binary");
    let binary = Path::new(env!("CARGO_BIN_EXE_cronlet"));
    let megabytes = |path: &Path| fs::metadata(path).map_or(0.0, |file| file.len() as f64 / 1e6);
    let ours = megabytes(binary);
    table.line("cronlet", &format!("{ours:.1} MB"));
    let cron = Path::new("/usr/sbin/cron");
    if cron.exists() {
        table.peer("cron", &format!("{:.1} MB", megabytes(cron)), ours, megabytes(cron));
    }
    table.aim("under 15 MB", ours < 15.0);
}
