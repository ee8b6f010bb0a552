//! `cronlet simulate`, run as a program: overlaps, skips, replaced runs, nights of a clock change,
//! and what it leaves alone.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What the command said.
struct Said {
    code: i32,
    out: String,
    error: String,
}

/// A folder of manifests, and a home where nothing may appear.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["jobs", "home"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        for (name, text) in files {
            std::fs::write(folder.path().join("jobs").join(name), text).expect("a file");
        }
        Folder(folder)
    }

    fn simulate(&self, arguments: &[&str]) -> Said {
        simulate(&self.0.path().join("jobs"), self.0.path(), arguments)
    }

    /// Lines of the table: the cells of one CronJob's rows from JOB on, each with one blank.
    fn rows(&self, arguments: &[&str], cron_job: &str) -> Vec<String> {
        let said = self.simulate(arguments);
        assert_eq!(said.code, 0, "{}", said.error);
        let runs = said.out.split("\n\n").next().expect("the table of runs");
        let of_it = |cells: &Vec<&str>| cells.get(2) == Some(&cron_job);
        let cells = |line: &'_ str| -> Vec<String> {
            let cells: Vec<&str> = line.split("   ").map(str::trim).collect();
            let cells: Vec<&str> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
            if of_it(&cells) { vec![cells[3..].join(" ")] } else { Vec::new() }
        };
        runs.lines().flat_map(cells).collect()
    }
}

fn simulate(jobs: &Path, home: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cronlet"));
    command.arg("simulate").arg(jobs).args(arguments).env_clear();
    command.env("HOME", home.join("home")).env("CRONLET_SOCKET", "/nonexistent/socket");
    let output = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    Said { code, out: text(output.stdout), error: text(output.stderr) }
}

fn cron_job(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n  \
         jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, containers: [\n    \
         {{name: main, image: x, env: [{{name: A, valueFrom: {{configMapKeyRef: {{name: none, \
         key: none}}}}}}]}}]}}}}}}}}\n"
    )
}

/// Every ten minutes under each policy.
fn policies() -> Folder {
    let every = "schedule: \"*/10 * * * *\"";
    let text = [
        cron_job("allow", every),
        cron_job("asleep", &format!("{every}\n  suspend: true")),
        cron_job(
            "deadline",
            &format!("{every}\n  concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 60"),
        ),
        cron_job("forbid", &format!("{every}\n  concurrencyPolicy: Forbid")),
        cron_job("replace", &format!("{every}\n  concurrencyPolicy: Replace")),
    ];
    Folder::new(&[("all.yaml", &text.concat())])
}

const HALF_HOUR: [&str; 4] = ["--from", "2026-03-01", "--to", "2026-03-01T00:30"];

#[test]
fn each_policy_is_carried_out() {
    let folder = policies();
    let rows = |name: &str| folder.rows(&[&HALF_HOUR[..], &["--duration", "15m"]].concat(), name);
    let forbidden = "- - - Skipped prior execution was running and concurrencyPolicy is Forbid";
    let check = |name: &str, want: &[&str]| assert_eq!(rows(name), want, "{name}");
    check(
        "allow",
        &[
            "allow-29538720 2026-03-01T00:00:00Z 2026-03-01T00:15:00Z Ran",
            "allow-29538730 2026-03-01T00:10:00Z 2026-03-01T00:25:00Z Overlaps \
             overlaps allow-29538720",
            "allow-29538740 2026-03-01T00:20:00Z 2026-03-01T00:35:00Z Overlaps \
             overlaps allow-29538730",
        ],
    );
    check("asleep", &["- - - Skipped suspended"; 3]);
    check(
        "deadline",
        &[
            "deadline-29538720 2026-03-01T00:00:00Z 2026-03-01T00:15:00Z Ran",
            forbidden,
            "deadline-29538740 2026-03-01T00:20:00Z 2026-03-01T00:35:00Z Ran",
        ],
    );
    check(
        "forbid",
        &[
            "forbid-29538720 2026-03-01T00:00:00Z 2026-03-01T00:15:00Z Ran",
            "forbid-29538730 2026-03-01T00:15:00Z 2026-03-01T00:30:00Z Ran 5m late",
            forbidden,
        ],
    );
    check(
        "replace",
        &[
            "replace-29538720 2026-03-01T00:00:00Z 2026-03-01T00:10:00Z Replaced \
             replaced by a later run",
            "replace-29538730 2026-03-01T00:10:00Z 2026-03-01T00:20:00Z Replaced \
             replaced by a later run",
            "replace-29538740 2026-03-01T00:20:00Z 2026-03-01T00:35:00Z Ran",
        ],
    );
    let home = folder.0.path().join("home");
    assert_eq!(std::fs::read_dir(home).expect("a folder").count(), 0, "no state is kept");
}

#[test]
fn the_sums_and_json_say_the_same() {
    let folder = policies();
    let line = [&HALF_HOUR[..], &["--duration", "1m", "--duration", "allow=21m"]].concat();
    let said = folder.simulate(&line);
    let sums = said.out.split("\n\n").nth(1).expect("the table of sums");
    let want = "\
CRONJOB    POLICY    ASSUMED   RUNS   OVERLAPS   SKIPS   REPLACED   FAILED   MOST AT ONCE
allow      Allow     21m       3      2          0       0          0        3
asleep     Allow     1m        0      0          3       0          0        0
deadline   Forbid    1m        3      0          0       0          0        1
forbid     Forbid    1m        3      0          0       0          0        1
replace    Replace   1m        3      0          0       0          0        1
all                            12     2          3       0          0        6
";
    assert_eq!(sums, want);
    assert!(said.error.contains("30m simulated in "), "{}", said.error);
    assert!(said.error.contains(" times real speed"), "{}", said.error);
    let json = folder.simulate(&[&line[..], &["-o", "json"]].concat());
    let value: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(value["total"]["mostAtOnce"], 6);
    assert_eq!(value["cronJobs"][0]["assumedSeconds"], 1260.0);
    let runs = value["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 15);
    let third = runs.iter().rfind(|run| run["cronJob"] == "allow").expect("it runs");
    assert_eq!(third["overlapped"], serde_json::json!(["allow-29538720", "allow-29538730"]));
    assert_eq!((&third["outcome"], &third["overlaps"]), (&"Overlaps".into(), &2.into()));
    assert_eq!(third["scheduled"], "2026-03-01T00:20:00Z");
    assert_eq!(third["local"], "Sun 2026-03-01 00:20:00 +00:00 UTC");
    let names = folder.simulate(&[&line[..], &["-o", "name"]].concat()).out;
    assert_eq!(names.lines().count(), 12);
    assert!(names.starts_with("job.batch/allow-29538720\n"), "{names}");
    let yaml = folder.simulate(&[&line[..], &["-o", "yaml"]].concat()).out;
    assert!(yaml.contains("\ntotal:\n  failed: 0\n  mostAtOnce: 6\n"), "{yaml}");
}

/// Nights in Berlin: the clock goes from 02:00 to 03:00 on 29 March 2026, and back on 25 October.
#[test]
fn both_rules_are_told_apart_where_the_clocks_change() {
    let night = "schedule: \"30 2 * * *\"\n  timeZone: Europe/Berlin";
    let folder = Folder::new(&[("night.yaml", &cron_job("night", night))]);
    let check = |day: &str, rule: &str, want: &[&str]| {
        let (from, to) = (format!("{day}T00:00"), format!("{day}T12:00"));
        let zone = "Europe/Berlin";
        let line = ["--from", &from, "--to", &to, "--time-zone", zone, "--dst", rule];
        assert_eq!(folder.rows(&line, "night"), want, "{day} {rule}");
    };
    check(
        "2026-03-29",
        "once",
        &["night-29579100 2026-03-29T01:00:00Z 2026-03-29T01:00:01Z Ran \
           moved: a clock change skips 2026-03-29 02:30:00 (Kubernetes leaves it out)"],
    );
    check(
        "2026-03-29",
        "kubernetes",
        &["- - - Skipped a clock change skips 2026-03-29 02:30:00 (under `once` run right after)"],
    );
    let first = "night-29881470 2026-10-25T00:30:00Z 2026-10-25T00:30:01Z Ran";
    check(
        "2026-10-25",
        "once",
        &[&format!("{first} first of two passes of the clock (Kubernetes runs both)")],
    );
    let second = "night-29881530 2026-10-25T01:30:00Z 2026-10-25T01:30:01Z Ran \
                  second pass of the clock (under `once` not run)";
    check("2026-10-25", "kubernetes", &[first, second]);
    check(
        "2026-07-01",
        "kubernetes",
        &["night-29714430 2026-07-01T00:30:00Z \
                                         2026-07-01T00:30:01Z Ran"],
    );
}

#[test]
fn the_configuration_is_obeyed() {
    let hourly = "schedule: \"0 * * * *\"";
    let folder = Folder::new(&[("two.yaml", &(cron_job("a", hourly) + &cron_job("b", hourly)))]);
    let config = folder.0.path().join("config.yaml");
    std::fs::write(&config, "timeZone: Asia/Kolkata\nlimits: {runs: 1}\n").expect("a file");
    let config = config.to_str().expect("UTF-8");
    let line = ["--from", "2026-03-01", "--to", "2026-03-01T01:00", "--duration", "40s"];
    let line = [&line[..], &["--config", config]].concat();
    let first = "a-29538390 2026-02-28T18:30:00Z 2026-02-28T18:30:40Z Ran";
    let second = "b-29538390 2026-02-28T18:30:40Z 2026-02-28T18:31:20Z Ran 40s late";
    assert_eq!([folder.rows(&line, "a"), folder.rows(&line, "b")], [[first], [second]]);
    let said = folder.simulate(&["--config", "/nonexistent.yaml"]);
    assert_eq!(said.code, 1);
    assert!(said.error.contains("/nonexistent.yaml cannot be read"), "{}", said.error);
}

/// As `cronlet check` has them, and the good ones are simulated all the same.
#[test]
fn broken_manifests_are_told_with_their_place() {
    let good = cron_job("good", "schedule: \"0 0 * * *\"");
    let broken = cron_job("broken", "shedule: x");
    let wrong = cron_job("wrong", "schedule: never");
    let folder = Folder::new(&[("a.yaml", &good), ("b.yaml", &broken), ("c.yaml", &wrong)]);
    let said = folder.simulate(&["--from", "2026-03-01", "--to", "2026-03-02"]);
    assert_eq!(said.code, 1, "{}", said.error);
    assert!(said.out.contains("good-29538720"), "{}", said.out);
    for words in [
        "b.yaml:6:3: spec.shedule: unknown field",
        "c.yaml:6:3: cronjob/wrong refused: spec.schedule: Invalid value",
    ] {
        assert!(said.error.contains(words), "{words}: {}", said.error);
    }
    assert!(!said.error.contains(" ok\n"), "{}", said.error);
    let none = simulate(Path::new("/nonexistent"), folder.0.path(), &[]);
    assert_eq!(none.code, 2, "{}", none.error);
    assert_eq!(folder.simulate(&["--duration", "none=1s"]).code, 2);
}

#[test]
fn too_many_runs_are_cut_short() {
    let folder = Folder::new(&[("m.yaml", &cron_job("m", "schedule: \"* * * * *\""))]);
    let line = ["--from", "2026-03-01", "--to", "2126-03-01", "--runs-max", "5", "-o", "name"];
    let said = folder.simulate(&line);
    assert_eq!((said.code, said.out.lines().count()), (1, 5), "{}", said.error);
    let words = "error: stopped at 2026-03-01T00:04:00Z: 5 runs; ask for less time, or";
    assert!(said.error.contains(words), "{}", said.error);
    let never = cron_job("never", "schedule: \"0 0 31 2 *\"");
    let folder = Folder::new(&[("never.yaml", &never)]);
    let said = folder.simulate(&["--from", "2026-03-01", "--to", "2199-03-01", "-o", "name"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.error);
}

#[test]
fn the_examples_are_simulated() {
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
    let folder = Folder::new(&[]);
    let line = ["--from", "2026-03-29T00:50:00Z", "--to", "2026-03-29T01:10:00Z", "-o", "json"];
    let said = simulate(&jobs, folder.0.path(), &line);
    assert_eq!(said.code, 0, "{}", said.error);
    let value: Value = serde_json::from_str(&said.out).expect("JSON");
    let of = |name: &str| -> Vec<&str> {
        let runs = value["runs"].as_array().expect("runs").iter();
        let own = runs.filter(|run| run["cronJob"] == name);
        own.map(|run| run["outcome"].as_str().expect("a word")).collect()
    };
    assert_eq!(of("hello"), ["Ran"; 20]);
    assert_eq!(of("berlin"), ["Ran"]);
    assert_eq!(of("berlin-as-kubernetes"), ["Skipped"]);
}
