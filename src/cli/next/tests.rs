//! Command lines in, what they show out.

use super::*;
use clap::Parser;
use cronlet_api::time::Timestamp;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &[&str]) -> Args {
    Line::try_parse_from([&["next"], line].concat()).expect("a command line").args
}

fn shown(args: &Args, sources: &[Source]) -> String {
    let now = "2026-03-28T12:00:00.5Z".parse().expect("a time");
    show::text(args, sources, now).expect("shown")
}

/// `want`: the cells of each row under the head.
fn check(args: &Args, sources: &[Source], want: &[&[&str]]) {
    let text = shown(args, sources);
    let cells = |line: &str| {
        let cells = line.split("  ").map(|cell| cell.trim().to_owned());
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    let got: Vec<Vec<String>> = text.lines().skip(1).map(cells).collect();
    assert_eq!(got, want, "{args:?}");
}

#[test]
fn both_clocks_are_shown_and_changes_marked() {
    let check = |line: &[&str], want: &[&[&str]]| {
        let args = args(&[line, &["--time-zone", "Europe/Paris"]].concat());
        let text = args.schedule.clone().expect("--schedule");
        check(&args, &[from_text(&args, &text).expect("a schedule")], want);
    };
    check(
        &["--schedule", "30 2 * * *", "-c2"],
        &[
            &[
                "Sun 2026-03-29 03:00:00 +02:00 Europe/Paris",
                "2026-03-29T01:00:00Z",
                "13h",
                "moved: a clock change skips 2026-03-29 02:30:00",
            ],
            &["Mon 2026-03-30 02:30:00 +02:00 Europe/Paris", "2026-03-30T00:30:00Z", "1d12h"],
        ],
    );
    check(
        &["--schedule", "30 2 * * *", "-c1", "--dst", "kubernetes"],
        &[&[
            "Mon 2026-03-30 02:30:00 +02:00 Europe/Paris",
            "2026-03-30T00:30:00Z",
            "1d12h",
            "a clock change skips 2026-03-29 02:30:00",
        ]],
    );
    check(
        &["--schedule", "0 * * * *", "-c2", "--from", "2026-10-25T02:00+02:00[Europe/Paris]"],
        &[
            &[
                "Sun 2026-10-25 02:00:00 +01:00 Europe/Paris",
                "2026-10-25T01:00:00Z",
                "1h",
                "second pass of the clock",
            ],
            &["Sun 2026-10-25 03:00:00 +01:00 Europe/Paris", "2026-10-25T02:00:00Z", "2h"],
        ],
    );
    check(
        &["--schedule", "0 2 25 10 *", "-c1", "--from", "2026-10-25"],
        &[&[
            "Sun 2026-10-25 02:00:00 +02:00 Europe/Paris",
            "2026-10-25T00:00:00Z",
            "2h",
            "first of two passes of the clock",
        ]],
    );
    check(&["--schedule", "0 0 31 2 *"], &[&["-", "-", "-", "never in the next five years"]]);
    check(
        &["--schedule", "@reboot"],
        &[&["-", "-", "-", "at the daemon's first start after a boot"]],
    );
    check(
        &["--schedule", "TZ=UTC @every 90s", "-c1"],
        &[&["Sat 2026-03-28 12:01:30 +00:00 UTC", "2026-03-28T12:01:30Z", "1m30s"]],
    );
}

#[test]
fn json_has_the_times_of_one_schedule_or_a_list_of_those_of_many() {
    let one = args(&["--schedule", "0 0 1 1 *", "-c1", "-o", "json"]);
    let source = from_text(&one, "0 0 1 1 *").expect("a schedule");
    let value: serde_json::Value =
        serde_json::from_str(&shown(&one, std::slice::from_ref(&source))).expect("JSON");
    assert_eq!(value["next"], serde_json::json!(["2027-01-01T00:00:00Z"]));
    assert_eq!(value["dst"], "once");
    assert_eq!(value["timeZone"], "UTC");
    let many = args(&["jobs.yaml", "-o", "yaml"]);
    assert!(shown(&many, &[source]).starts_with("- dst: once\n"));
}

const MANIFEST: &str = "\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: backup
  annotations: {cronlet.dev/schedule: '0 3 L * *', cronlet.dev/dst: kubernetes}
spec: {schedule: '0 0 31 2 *', timeZone: Asia/Tokyo, suspend: true, jobTemplate: {}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: broken}
spec: {schedule: 'hello', jobTemplate: {}}
";

#[test]
fn a_file_gives_its_cron_jobs_and_tells_what_it_could_not_read() {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    std::fs::write(file.path(), MANIFEST).expect("written");
    let path = file.path().to_str().expect("a path").to_owned();
    let args = args(&[&path, "-c1"]);
    let (sources, all_read) = from_file(&args, &path).expect("a manifest");
    assert!(!all_read && sources[0].dst == Dst::Kubernetes);
    check(
        &args,
        &sources,
        &[&[
            "default/backup",
            "Tue 2026-03-31 03:00:00 +09:00 Asia/Tokyo",
            "2026-03-30T18:00:00Z",
            "2d6h",
            "suspended",
        ]],
    );
}

#[test]
fn a_name_is_asked_of_the_daemon() {
    let unknown = |name: Option<&str>| Err(Failure::usage(format!("asked for {name:?}")));
    let asked = |line: &[&str]| sources(&args(line), unknown).expect_err("unknown").to_string();
    assert_eq!(asked(&["backup"]), "error: asked for Some(\"backup\")");
    assert_eq!(asked(&[]), "error: asked for None");
}

#[test]
fn what_cannot_be_read_is_told() {
    let told = |line: &[&str], text: &str| {
        let args = args(line);
        from_text(&args, text)
            .and_then(|source| show::text(&args, &[source], Timestamp::UNIX_EPOCH))
            .expect_err(text)
            .to_string()
    };
    assert!(told(&[], "60 * * * *").starts_with("minute: \"60\""));
    assert!(told(&["--time-zone", "Paris"], "@daily").contains("did you mean Europe/Paris?"));
    assert!(told(&["--from", "now"], "@daily").contains("is no time: accepted:"));
}
