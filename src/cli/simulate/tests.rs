//! Manifests in, what would be simulated and how it adds up out; the simulator itself is tried by
//! `tests/simulate.rs`.

use super::tally::Tally;
use super::*;
use clap::Parser;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &[&str]) -> Result<Args, clap::Error> {
    Ok(Line::try_parse_from([&["simulate", "dir"], line].concat())?.args)
}

fn cron_job(name: &str, schedule: &str) -> Object {
    let text = format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: {name}}}\nspec:\n  \
         schedule: '{schedule}'\n  jobTemplate: {{}}\n"
    );
    let mut documents = cronlet_api::manifest::read(text.as_bytes(), "text");
    documents.remove(0).expect("a CronJob").object
}

fn built(line: &[&str], objects: Vec<Object>) -> Result<Scene, Failure> {
    let now = "2026-03-28T12:00:00.5Z".parse().expect("a time");
    scene(&args(line).expect("a command line"), objects, Settings::default(), now)
}

#[test]
fn durations_are_of_all_or_of_one() {
    let check = |line: &[&str], want: i64| {
        let scene = built(line, vec![cron_job("a", "* * * * *")]).expect("is built");
        assert_eq!(scene.subjects[0].duration.as_millis(), i128::from(want), "{line:?}");
    };
    check(&[], 1000);
    check(&["--duration", "90s"], 90_000);
    check(&["--duration", "a=5ms", "--duration", "1h"], 5);
    check(&["--duration", "default/a=2s", "--duration", "a=3s"], 3000);
    let refused = built(&["--duration", "b=1s"], vec![cron_job("a", "* * * * *")]);
    assert!(refused.is_err_and(|why| why.to_string().contains("no CronJob \"b\"")));
    for bad in ["0s", "-1s", "1", "a=", "a=b"] {
        let line = format!("--duration={bad}");
        assert!(args(&[&line]).is_err(), "{bad}");
    }
}

#[test]
fn the_stretch_of_time_is_read_on_the_zones_clock() {
    let check = |line: &[&str], from: &str, to: &str| {
        let scene = built(line, Vec::new()).expect("is built");
        assert_eq!([scene.from.to_string(), scene.to.to_string()], [from, to], "{line:?}");
    };
    check(&[], "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
    let berlin = &["--time-zone", "Europe/Berlin", "--from", "2026-03-29", "--to", "2026-03-30"];
    check(berlin, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    let wrong = built(&["--to", "2026-03-28T12:00:00Z"], Vec::new());
    assert!(wrong.is_err_and(|why| why.exit_code() == 2));
    assert!(built(&["--from", "noon"], Vec::new()).is_err());
}

fn run(cron_job: &str, start: i64, end: Option<i64>) -> Run {
    let at = |second| Timestamp::from_second(second).expect("in range");
    Run {
        namespace: "default".into(),
        cron_job: cron_job.into(),
        scheduled: at(start),
        job: format!("{cron_job}-{start}"),
        outcome: cronlet_api::run::Outcome::Succeeded,
        started: Some(at(start)),
        ended: end.map(at),
        exit_code: Some(0),
        attempts: 1,
        message: String::new(),
        manual: false,
    }
}

#[test]
fn overlaps_are_counted_and_named() {
    let check = |spans: &[(i64, Option<i64>)], want: &[&[&str]], most: usize| {
        let scene = built(&[], vec![cron_job("a", "0 0 31 2 *")]).expect("is built");
        let runs = spans.iter().map(|(start, end)| run("a", *start, *end)).collect();
        let tally = Tally::new(&scene, Foreseen { runs, stopped_at: None }, 100);
        let got: Vec<&Vec<String>> = tally.lines.iter().map(|line| &line.overlapped).collect();
        assert_eq!(got, want, "{spans:?}");
        assert_eq!(tally.total.most_at_once, most, "{spans:?}");
        assert_eq!(tally.sums[0].1, tally.total);
    };
    check(&[(0, Some(10)), (10, Some(20))], &[&[], &[]], 1);
    check(&[(0, Some(11)), (10, Some(20))], &[&[], &["a-0"]], 2);
    check(&[(0, None), (10, Some(20)), (30, Some(40))], &[&[], &["a-0"], &["a-0"]], 2);
    check(&[(0, Some(50)), (10, Some(20)), (15, None)], &[&[], &["a-0"], &["a-0", "a-10"]], 3);
}

#[test]
fn runs_of_two_cron_jobs_do_not_overlap_one_another() {
    let objects = vec![cron_job("b", "0 0 31 2 *"), cron_job("a", "0 0 31 2 *")];
    let scene = built(&[], objects).expect("is built");
    let runs = vec![run("a", 0, Some(10)), run("b", 5, Some(15))];
    let tally = Tally::new(&scene, Foreseen { runs, stopped_at: None }, 100);
    assert_eq!((tally.total.overlaps, tally.total.most_at_once), (0, 2));
    assert_eq!(tally.sums.iter().map(|(_, sum)| sum.runs).collect::<Vec<_>>(), [1, 1]);
}
