//! The manifests of `jobs/` do what their comments say: each is checked, and run for real on a
//! daemon.

mod common;

use common::daemon::{Daemon, has_condition};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the examples keep their files, without the user's id.
const EXAMPLES: &str = "/tmp/cronlet-examples";

/// A run that a manifest's comments promise.
struct Promise {
    file: &'static str,
    /// A CronJob to trigger, or a Job that runs when it is loaded.
    run: Run,
    /// What the container's last pod prints, line by line; `*` stands for anything.
    prints: &'static [&'static str],
    /// Pods that ended well and that failed.
    succeeded: i64,
    failed: i64,
}

enum Run {
    Trigger(&'static str),
    Loaded(&'static str),
}

const PROMISES: &[Promise] = &[
    Promise {
        file: "hello.yaml",
        run: Run::Trigger("hello"),
        prints: &["Hello from hello-*"],
        succeeded: 1,
        failed: 0,
    },
    Promise {
        file: "tutorial.yaml",
        run: Run::Trigger("velero-hello"),
        prints: &["Hello, World!"],
        succeeded: 1,
        failed: 0,
    },
    Promise {
        file: "backup.yaml",
        run: Run::Trigger("backup"),
        prints: &["saved backup-*.tar.gz", "1 backups are kept"],
        succeeded: 1,
        failed: 0,
    },
    Promise {
        file: "flaky.yaml",
        run: Run::Trigger("flaky"),
        prints: &["attempt 3 succeeds"],
        succeeded: 1,
        failed: 2,
    },
    Promise {
        file: "time-zone.yaml",
        run: Run::Trigger("berlin"),
        prints: &["In Berlin it is *:*"],
        succeeded: 1,
        failed: 0,
    },
    Promise {
        file: "time-zone.yaml",
        run: Run::Trigger("berlin-as-kubernetes"),
        prints: &["In Berlin it is *:*"],
        succeeded: 1,
        failed: 0,
    },
    Promise {
        file: "batch.yaml",
        run: Run::Loaded("squares"),
        prints: &["part *: *0 to *9, the last square is *"],
        succeeded: 5,
        failed: 0,
    },
    Promise {
        file: "velero.yaml",
        run: Run::Trigger("velero-backup"),
        prints: &["backup Completed: velero-*", "post hook: the application is thawed"],
        succeeded: 1,
        failed: 0,
    },
];

fn jobs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs")
}

/// A daemon on the manifest, with the examples' files in its own folder instead of `/tmp`.
fn daemon_on(file: &str) -> Daemon {
    let mut daemon = Daemon::prepare();
    let text = fs::read_to_string(jobs().join(file)).expect("an example is readable");
    let own = daemon.path("examples");
    daemon.write_job(file, &text.replace(EXAMPLES, &own.to_string_lossy()));
    daemon.start();
    daemon
}

/// The examples' files of a daemon, where its user's containers put them.
fn files_of(daemon: &Daemon) -> PathBuf {
    daemon.path(&format!("examples-{}", rustix::process::geteuid().as_raw()))
}

#[test]
fn every_manifest_passes_check_and_has_a_promise() {
    let entries = fs::read_dir(jobs()).expect("jobs/ is readable");
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("readable").path();
        // Those of services have a test of their own.
        if path.is_dir() {
            continue;
        }
        let mut check = Command::new(env!("CARGO_BIN_EXE_cronlet"));
        let output = check.arg("check").arg(&path).output().expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", path.display());
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        assert!(PROMISES.iter().any(|promise| promise.file == name), "{name} is not tested");
        count += 1;
    }
    assert_eq!(count, 7, "an example came or went: tell the README");
}

fn check(promise: &Promise) {
    let daemon = daemon_on(promise.file);
    let name = match promise.run {
        Run::Trigger(cron_job) => daemon.trigger(cron_job),
        Run::Loaded(job) => job.to_owned(),
    };
    let job = daemon.ended_job(&name);
    assert!(has_condition(&job, "Complete"), "{name}: {job:#}");
    let count = |field: &str| job["status"][field].as_i64().unwrap_or(0);
    assert_eq!((count("succeeded"), count("failed")), (promise.succeeded, promise.failed));
    let printed = daemon.tell(&["logs", &format!("job/{name}")]);
    let lines: Vec<&str> = printed.lines().collect();
    let fits = lines.len() == promise.prints.len()
        && lines.iter().zip(promise.prints).all(|(line, pattern)| like(line, pattern));
    assert!(fits, "{name} printed {lines:?}, not {:?}", promise.prints);
}

/// Whether the line is the pattern, where `*` stands for anything.
fn like(line: &str, pattern: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return line == pattern };
    let Some(rest) = line.strip_prefix(head) else { return false };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && like(&rest[at..], tail))
}

#[test]
fn patterns_are_compared_whole() {
    for (line, pattern, expected) in [
        ("saved a.tar.gz", "saved *.tar.gz", true),
        ("saved a.tar.gz.part", "saved *.tar.gz", false),
        ("saved a", "saved", false),
        ("a: b: c", "*: c", true),
        ("é!", "*!", true),
    ] {
        assert_eq!(like(line, pattern), expected, "{line} against {pattern}");
    }
}

fn check_file(file: &str) {
    for promise in PROMISES.iter().filter(|promise| promise.file == file) {
        check(promise);
    }
}

#[test]
fn hello_runs() {
    check_file("hello.yaml");
}

#[test]
fn the_tutorial_runs() {
    check_file("tutorial.yaml");
}

#[test]
fn the_backup_runs() {
    check_file("backup.yaml");
}

#[test]
fn the_flaky_job_is_retried() {
    check_file("flaky.yaml");
}

#[test]
fn the_clocks_of_berlin_run() {
    check_file("time-zone.yaml");
}

#[test]
fn the_batch_runs() {
    check_file("batch.yaml");
}

#[test]
fn the_velero_backup_runs() {
    check_file("velero.yaml");
}

#[test]
fn the_backup_keeps_the_newest_seven() {
    let daemon = daemon_on("backup.yaml");
    let backups = files_of(&daemon).join("backups");
    fs::create_dir_all(&backups).expect("a folder is made");
    for day in 1..=9 {
        let old = backups.join(format!("backup-2026010{day}T023000Z.tar.gz"));
        fs::write(old, "").expect("an old backup is made");
    }
    fs::write(backups.join(".backup-2026.part"), "").expect("a half backup is made");
    let job = daemon.trigger("backup");
    assert!(has_condition(&daemon.ended_job(&job), "Complete"));
    let printed = daemon.tell(&["logs", &format!("job/{job}")]);
    assert!(printed.ends_with("7 backups are kept\n"), "{printed}");
    let names = fs::read_dir(&backups).expect("readable").map(|e| e.expect("readable").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names.len(), 7, "{names:?}");
    assert_eq!(names[0], "backup-20260104T023000Z.tar.gz");
    let newest = backups.join(&names[6]);
    let listed = Command::new("tar").arg("-tzf").arg(newest).output().expect("tar runs");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("data/notes.txt"));
}

#[test]
fn the_restore_brings_back_what_the_backup_saved() {
    let daemon = daemon_on("velero.yaml");
    let run = |cron_job: &str| {
        let job = daemon.trigger(cron_job);
        let ended = daemon.ended_job(&job);
        assert!(has_condition(&ended, "Complete"), "{ended:#}");
        job
    };
    let backup = run("velero-backup");
    let pod = daemon.get(&["pods", "-l", &format!("job-name={backup}")]);
    let pod = pod["items"][0]["metadata"]["name"].as_str().expect("a pod").to_owned();
    let hook = daemon.tell(&["logs", &pod, "-c", "pre-hook"]);
    assert_eq!(hook, "pre hook: the application is frozen\n");
    let folder = files_of(&daemon).join("velero");
    assert!(!folder.join("frozen").exists(), "the application stayed frozen");
    fs::write(folder.join("app/state"), "spoilt").expect("the application is spoilt");
    let restore = run("velero-restore");
    let printed = daemon.tell(&["logs", &format!("job/{restore}")]);
    assert!(like(printed.trim(), "restore Completed: velero-*"), "{printed}");
    let state = fs::read_to_string(folder.join("app/state")).expect("the application is back");
    assert_eq!(state, "written by the application\n");
}

#[test]
fn the_clock_change_goes_as_the_comments_say() {
    let file = jobs().join("time-zone.yaml");
    let mut next = Command::new(env!("CARGO_BIN_EXE_cronlet"));
    next.arg("next").arg(file).args([
        "--from",
        "2026-03-28T02:00:00Z",
        "--count",
        "2",
        "-o",
        "json",
    ]);
    let output = next.output().expect("the command runs");
    let value: Value = serde_json::from_slice(&output.stdout).expect("the answer is JSON");
    let text = value.to_string();
    // 03:00 in Berlin on the day of the gap, by cronlet's own rule alone.
    assert!(text.contains("2026-03-29T01:00:00Z"), "{text}");
    assert!(
        text.contains("2026-03-30T00:30:00Z") && text.contains("2026-03-31T00:30:00Z"),
        "{text}"
    );
}
