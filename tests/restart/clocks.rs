//! A daemon whose host shows a wrong clock for a while, as a board without a battery does: it runs
//! nothing that the true schedule never had, and invents no skipped slots.

use crate::common::daemon::Daemon;
use crate::common::has;
use rustix::time::{ClockId, clock_gettime, clock_settime};
use std::path::PathBuf;

/// Due on the 29th of February: on either way between the clocks below lies one.
const RARE: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: rare}
spec:
  schedule: 0 3 29 2 *
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [
    {name: main, image: none, command: ['true']}]}}}}
";

const BEHIND: &str = "@2024-02-20 10:00:05";
const IN_1970: &str = "@1970-01-01 00:00:30";
const AHEAD: &str = "@2031-03-01 10:00:05";

/// The library that `faketime` loads into a program; its wrapper would be the daemon's parent.
fn fake_time_library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    libraries.find(|path| path.exists())
}

#[test]
fn a_clock_that_was_wrong_makes_no_run_and_no_skip() {
    let library = fake_time_library();
    if !has(&[("libfaketime", library.is_some())]) {
        return;
    }
    let library = library.expect("it is there");
    let preload = format!("LD_PRELOAD={}", library.display());
    // `None`: the host's true clock.
    let check = |clocks: &[Option<&str>], what: &str| {
        let mut daemon = Daemon::prepare();
        daemon.write_job("rare.yaml", RARE);
        for clock in clocks {
            match clock {
                Some(clock) => {
                    daemon.start_under(&["env", &preload, &format!("FAKETIME={clock}")]);
                }
                None => daemon.start(),
            }
            assert_eq!(daemon.tell(&["history"]), "", "{clocks:?}");
            assert_eq!(daemon.get(&["jobs"])["items"], serde_json::json!([]), "{clocks:?}");
            daemon.stop();
        }
        assert!(daemon.log().contains(what), "{clocks:?}:\n{}", daemon.log());
    };
    check(&[None, Some(BEHIND), None], "ClockSetBack");
    check(&[None, Some(IN_1970), None, Some(IN_1970), None], "ClockSetBack");
    check(&[Some(BEHIND), None], "ClockSetForward");
    check(&[Some(IN_1970), None], "ClockSetForward");
    check(&[Some(AHEAD), None], "ClockSetBack");
    check(&[None, Some(AHEAD), None], "ClockSetForward");
}

/// Sets the host's clock to what it shows: that cancels every timer that waits for a step.
fn set_the_clock() -> rustix::io::Result<()> {
    clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime))
}

#[test]
fn a_clock_that_is_set_again_and_again_ends_nothing() {
    if !has(&[("the right to set the clock", set_the_clock().is_ok())]) {
        return;
    }
    let mut daemon = Daemon::prepare();
    daemon.write_job("each-second.yaml", &RARE.replace("0 3 29 2 *", "'* * * * * *'"));
    daemon.start();
    // A step comes while the daemon takes a turn, sooner or later.
    for _ in 0..1000 {
        set_the_clock().expect("it is root's");
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    assert_eq!(daemon.http_get("/readyz").0, 200, "{}", daemon.log());
    daemon.stop();
}
