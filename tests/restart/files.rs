//! The jobs folder: what changes takes effect, and nothing else is touched.

use crate::common::daemon::Daemon;
use serde_json::Value;
use std::fs;

/// A CronJob with a schedule of seconds; what it runs ends at once.
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

/// Not within the life of a test.
const YEARLY: &str = "0 0 0 1 1 *";
const EVERY_SECOND: &str = "* * * * * *";

fn identity(object: &Value) -> (String, String) {
    let text = |name: &str| object["metadata"][name].as_str().expect("it is there").to_owned();
    (text("uid"), text("resourceVersion"))
}

fn history_len(daemon: &Daemon, name: &str) -> usize {
    let history = daemon.tell(&["history", name, "-o", "json"]);
    let history: Value = serde_json::from_str(&history).expect("JSON");
    history["items"].as_array().expect("a list").len()
}

/// Waits until the CronJob has run so many times more.
fn runs_more(daemon: &Daemon, name: &str, count: usize) {
    let before = history_len(daemon, name);
    daemon.until("it runs", || (history_len(daemon, name) >= before + count).then_some(()));
}

#[test]
fn what_changes_takes_effect_and_the_rest_is_left_alone() {
    let daemon = Daemon::start_with(&[
        ("still.yaml", &cron_job("still", YEARLY)),
        ("changed.yaml", &cron_job("changed", YEARLY)),
    ]);
    let still = identity(&daemon.get(&["cronjob", "still"]));
    let changed = identity(&daemon.get(&["cronjob", "changed"]));
    daemon.write_job("added.yaml", &cron_job("added", YEARLY));
    let there = |name: &str| daemon.ask(&["get", "cronjob", name]).code == 0;
    daemon.until("it is added", || there("added").then_some(()));
    daemon.write_job("changed.yaml", &cron_job("changed", "0 0 0 2 1 *"));
    let now = daemon.until("it is changed", || {
        let now = identity(&daemon.get(&["cronjob", "changed"]));
        (now != changed).then_some(now)
    });
    assert_eq!(now.0, changed.0, "the same object");
    daemon.remove_job("added.yaml");
    daemon.until("it is removed", || (!there("added")).then_some(()));
    // In a folder of its own, made after the start.
    let folder = daemon.path("jobs").join("more");
    fs::create_dir(&folder).expect("a folder is made");
    fs::write(folder.join("deep.yaml"), cron_job("deep", YEARLY)).expect("a file is written");
    daemon.until("it is added", || there("deep").then_some(()));
    fs::rename(&folder, daemon.path("away")).expect("a folder is moved");
    daemon.until("it is removed", || (!there("deep")).then_some(()));
    assert_eq!(identity(&daemon.get(&["cronjob", "still"])), still);
    assert_eq!(identity(&daemon.get(&["cronjob", "changed"])), now);
}

#[test]
fn a_broken_file_keeps_its_last_good_version() {
    let mut daemon = Daemon::start_with(&[("a.yaml", &cron_job("a", EVERY_SECOND))]);
    let before = identity(&daemon.get(&["cronjob", "a"])).0;
    let path = daemon.path("jobs").join("a.yaml");
    let broken = cron_job("a", YEARLY).replace("jobTemplate:", "jobTemplat:");
    for (text, place) in [(broken.as_str(), ":7:3"), ("a: b: c\n", ":1:"), ("", "is empty")] {
        let said = daemon.log().len();
        daemon.write_job("a.yaml", text);
        let at = format!("{}{}", path.display(), if place.starts_with(':') { place } else { "" });
        daemon.until("it is said where", || {
            let log = daemon.log();
            (log[said..].contains(&at) && log[said..].contains(place)).then_some(())
        });
        runs_more(&daemon, "a", 1);
        assert_eq!(identity(&daemon.get(&["cronjob", "a"])).0, before);
    }
    // The next daemon has only its store to go by.
    daemon.kill();
    daemon.start();
    runs_more(&daemon, "a", 1);
    assert_eq!(identity(&daemon.get(&["cronjob", "a"])).0, before);
    daemon.write_job("a.yaml", &cron_job("a", YEARLY));
    daemon.until("mended, it is read", || {
        let annotations = daemon.get(&["cronjob", "a"])["metadata"]["annotations"].clone();
        (annotations["cronlet.dev/schedule"] == YEARLY).then_some(())
    });
}

#[test]
fn an_edited_schedule_does_not_fire_for_the_past() {
    let mut daemon = Daemon::start_with(&[
        ("edited.yaml", &cron_job("edited", YEARLY)),
        ("away.yaml", &cron_job("away", YEARLY)),
        ("canary.yaml", &cron_job("canary", EVERY_SECOND)),
    ]);
    runs_more(&daemon, "canary", 3);
    // A slot of today that lies after the CronJobs were made, and has passed.
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
    let past = past.to_zoned(jiff::tz::TimeZone::UTC).strftime("%-S %-M %-H * * *").to_string();
    daemon.write_job("edited.yaml", &cron_job("edited", &past));
    daemon.until("it is read", || {
        let annotations = daemon.get(&["cronjob", "edited"])["metadata"]["annotations"].clone();
        (annotations["cronlet.dev/schedule"] == past.as_str()).then_some(())
    });
    runs_more(&daemon, "canary", 2);
    assert_eq!(daemon.stop(), Some(0));
    daemon.write_job("away.yaml", &cron_job("away", &past));
    daemon.start();
    runs_more(&daemon, "canary", 2);
    assert_eq!((history_len(&daemon, "edited"), history_len(&daemon, "away")), (0, 0));
}

#[test]
fn an_object_that_moves_to_another_file_stays_itself() {
    let mut daemon = Daemon::start_with(&[
        ("m.yaml", &[cron_job("one", YEARLY), cron_job("two", YEARLY)].join("---")),
        ("z.yaml", &cron_job("three", YEARLY)),
    ]);
    let uids = |daemon: &Daemon| {
        ["one", "two", "three"].map(|name| identity(&daemon.get(&["cronjob", name])).0)
    };
    let before = uids(&daemon);
    // All at once, to files before and after their own.
    daemon.stop();
    daemon.write_job("a.yaml", &cron_job("one", YEARLY));
    daemon.write_job("m.yaml", &cron_job("three", YEARLY));
    daemon.write_job("z.yaml", &cron_job("two", YEARLY));
    daemon.start();
    assert_eq!(uids(&daemon), before);
    // One by one: the file that wants what another has waits until that one gives it up.
    let contested = "cronjob/three in default is already defined in";
    daemon.write_job("a.yaml", &[cron_job("one", YEARLY), cron_job("three", YEARLY)].join("---"));
    daemon.until("it is refused", || daemon.log().contains(contested).then_some(()));
    daemon.write_job("m.yaml", "");
    daemon.until("it is kept", || daemon.log().contains("m.yaml: is empty").then_some(()));
    daemon.remove_job("m.yaml");
    daemon.write_job("b.yaml", &cron_job("three", YEARLY));
    daemon.until("the second to want it waits now", || {
        daemon.log().contains(&format!("b.yaml: {contested}")).then_some(())
    });
    assert_eq!(uids(&daemon), before);
    assert_eq!(daemon.log().matches(&format!("a.yaml: {contested}")).count(), 1);
}

#[test]
fn a_file_comes_true_as_a_whole_or_not_at_all() {
    let map = |name: &str, key: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\nimmutable: true\n\
             data: {{{key}: x}}\n"
        )
    };
    let daemon = Daemon::start_with(&[("maps.yaml", &map("fixed", "old"))]);
    daemon.write_job("maps.yaml", &[map("first", "a"), map("fixed", "new")].join("---\n"));
    let at = format!("{}:7: ", daemon.path("jobs").join("maps.yaml").display());
    daemon.until("it is refused with its line", || daemon.log().contains(&at).then_some(()));
    assert_ne!(daemon.ask(&["get", "configmap", "first"]).code, 0, "nothing of it came true");
    assert_eq!(daemon.get(&["configmap", "fixed"])["data"]["old"], "x");
    daemon.write_job("maps.yaml", &[map("first", "a"), map("fixed", "old")].join("---\n"));
    daemon.until("mended, all of it does", || {
        (daemon.ask(&["get", "configmap", "first"]).code == 0).then_some(())
    });
}

#[test]
fn what_cannot_be_listed_is_told_of_once() {
    let daemon = Daemon::start_with(&[("a.yaml", &cron_job("a", YEARLY))]);
    let odd = daemon.path("jobs").join("odd.yaml");
    std::os::unix::fs::symlink(daemon.path("nowhere"), &odd).expect("a link is made");
    let said = || daemon.log().matches(&format!("{}: ", odd.display())).count();
    daemon.until("it is told of", || (said() > 0).then_some(()));
    for name in ["b", "c", "d"] {
        daemon.write_job(&format!("{name}.yaml"), &cron_job(name, YEARLY));
        daemon.until("it is read", || {
            (daemon.ask(&["get", "cronjob", name]).code == 0).then_some(())
        });
    }
    assert_eq!(said(), 1, "{}", daemon.log());
}

/// A Deployment that names no number of replicas.
const DEPLOYMENT: &str = "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: none, command: [/bin/sleep, \"1000\"]}]
";

#[test]
fn what_commands_changed_stays_unless_the_manifest_says_it() {
    let suspended =
        cron_job("said", YEARLY).replace("spec:\n  schedule", "spec:\n  suspend: true\n  schedule");
    let plain = cron_job("open", YEARLY);
    let text = |said: &str, more: &str| format!("{said}---{plain}{DEPLOYMENT}{more}");
    let daemon = Daemon::start_with(&[("all.yaml", &text(&suspended, ""))]);
    daemon.tell(&["suspend", "open"]);
    daemon.tell(&["scale", "deployment", "web", "--replicas", "2"]);
    daemon.tell(&["rollout", "restart", "deployment/web"]);
    let web = || daemon.get(&["deployment", "web"]);
    let rolled =
        |web: &Value| web["status"]["updatedReplicas"] == 2 && web["status"]["replicas"] == 2;
    let before = daemon.until("it is rolled", || Some(web()).filter(rolled));
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n";
    daemon.write_job("all.yaml", &text(&suspended, map));
    daemon
        .until("the file is read", || (daemon.ask(&["get", "cm", "new"]).code == 0).then_some(()));
    let is_suspended = |name: &str| daemon.get(&["cronjob", name])["spec"]["suspend"] == true;
    assert_eq!((is_suspended("open"), is_suspended("said")), (true, true));
    let after = web();
    assert_eq!(before["spec"], after["spec"]);
    assert_eq!(before["metadata"]["generation"], after["metadata"]["generation"]);
    assert_eq!(after["metadata"].get("managedFields"), None, "as kubectl shows it");
    // What it said and says no more is as if it never had: the default.
    daemon.write_job("all.yaml", &text(&cron_job("said", YEARLY), map));
    daemon.until("it is resumed", || (!is_suspended("said")).then_some(()));
    assert!(is_suspended("open"));
}

#[test]
fn a_kind_that_is_not_served_does_not_hold_up_its_file() {
    let rule = "---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n\
                metadata: {name: p}\nspec: {groups: []}\n";
    let role = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\n";
    let text = format!("{}{role}{rule}", cron_job("backup", YEARLY));
    let daemon = Daemon::start_with(&[("all.yaml", &text)]);
    daemon.get(&["cronjob", "backup"]);
    let log = daemon.log();
    assert!(log.contains("WARN") && log.contains("role/r warning: has no effect"), "{log}");
    assert!(log.contains("prometheusrule/p warning: has no effect"), "{log}");
    // As kubectl: the rest is applied, and the command fails at its end.
    fs::write(daemon.path("chart"), text.replace("name: backup", "name: other")).expect("written");
    let chart = daemon.path("chart");
    let chart = chart.to_str().expect("a path of letters");
    let said = daemon.ask(&["apply", "-f", chart]);
    assert_eq!((said.code, said.out.as_str()), (1, "cronjob.batch/other created\n"), "{said:?}");
    assert!(said.error.contains("prometheusrule/p warning: has no effect"), "{said:?}");
    // Another namespace than the one asked for is no place to apply to.
    let placed = cron_job("placed", YEARLY).replacen("{name:", "{namespace: team-a, name:", 1);
    fs::write(daemon.path("chart"), placed).expect("a file is written");
    let said = daemon.ask(&["apply", "-n", "team-b", "-f", chart]);
    assert!(said.error.contains("You must pass '--namespace=team-a'"), "{said:?}");
    assert_eq!(said.code, 1);
    assert_eq!(daemon.ask(&["apply", "-n", "team-a", "-f", chart]).code, 0);
    assert_eq!(daemon.ask(&["apply", "-f", chart]).code, 0);
    let said = daemon.ask(&["run", chart]);
    assert_eq!((said.code, said.error.contains("`cronlet apply -f")), (2, true), "{said:?}");
}

/// A CronJob whose run goes on until the file `end` is there.
fn long_cron_job(daemon: &Daemon, name: &str) -> String {
    let wait = format!("until test -e {}; do sleep 0.05; done", daemon.path("end").display());
    let command = format!("[sh, -c, \"{wait}\"]");
    cron_job(name, YEARLY).replace("[\"true\"]", &command)
}

fn phase_of_pods(daemon: &Daemon) -> Vec<Value> {
    let pods = daemon.get(&["pods"]);
    let items = pods["items"].as_array().expect("a list");
    items.iter().map(|pod| pod["status"]["phase"].clone()).collect()
}

fn outcomes(daemon: &Daemon, name: &str) -> Vec<Value> {
    let history = daemon.tell(&["history", name, "-o", "json"]);
    let history: Value = serde_json::from_str(&history).expect("JSON");
    let items = history["items"].as_array().expect("a list");
    items.iter().map(|run| run["outcome"].clone()).collect()
}

fn logs(daemon: &Daemon, line: &str) {
    daemon.until(line, || daemon.log().contains(line).then_some(()));
}

/// A daemon whose CronJobs `long` and `other` have a file each, and `long` runs.
fn daemon_with_a_long_run() -> Daemon {
    let mut daemon = Daemon::prepare();
    daemon.write_job("long.yaml", &long_cron_job(&daemon, "long"));
    daemon.write_job("other.yaml", &cron_job("other", YEARLY));
    daemon.start();
    daemon.trigger("long");
    daemon.until("it runs", || (phase_of_pods(&daemon) == ["Running"]).then_some(()));
    daemon
}

#[test]
fn a_file_that_is_away_for_a_moment_hurts_nothing() {
    let daemon = daemon_with_a_long_run();
    let before = identity(&daemon.get(&["cronjob", "long"])).0;
    daemon.remove_job("long.yaml");
    logs(&daemon, "long.yaml: cronjob/long in default is no longer there");
    daemon.write_job("renamed.yaml", &long_cron_job(&daemon, "long"));
    logs(&daemon, "long.yaml: cronjob/long in default is there again");
    assert_eq!(identity(&daemon.get(&["cronjob", "long"])).0, before);
    assert_eq!(phase_of_pods(&daemon), ["Running"]);
    // It belongs to the other file now, and to no absence.
    let found = daemon.tell(&["reload", "--prune"]);
    assert!(found.starts_with("2 files: 0 changed, 0 removed"), "{found}");
    assert_eq!(identity(&daemon.get(&["cronjob", "long"])).0, before);
}

#[test]
fn what_really_goes_lets_its_run_end_and_the_history_has_the_outcome() {
    let daemon = daemon_with_a_long_run();
    daemon.trigger("other");
    daemon.until("it ends", || (outcomes(&daemon, "other") == ["Succeeded"]).then_some(()));
    daemon.remove_job("long.yaml");
    logs(&daemon, "long.yaml: cronjob/long in default is no longer there");
    daemon.tell(&["reload", "--prune"]);
    logs(&daemon, "long.yaml: cronjob/long in default removed; what runs goes on to its end: job");
    assert_ne!(daemon.ask(&["get", "cronjob", "long"]).code, 0);
    assert!(phase_of_pods(&daemon).contains(&"Running".into()));
    assert_eq!(outcomes(&daemon, "long"), ["Running"]);
    fs::write(daemon.path("end"), "").expect("a file is written");
    daemon
        .until("the row is closed", || (outcomes(&daemon, "long") == ["Succeeded"]).then_some(()));
    // One that does not run goes by itself, and its ended Jobs with it.
    daemon.remove_job("other.yaml");
    logs(&daemon, "other.yaml: cronjob/other in default removed");
    let jobs = daemon.get(&["jobs"]);
    let jobs = jobs["items"].as_array().expect("a list");
    assert_eq!(jobs.len(), 1, "that of `long`, {jobs:?}");
    assert_eq!(jobs[0]["spec"]["ttlSecondsAfterFinished"], 3600);
}

#[test]
fn a_running_job_is_stopped_where_the_configuration_says_so() {
    let mut daemon = daemon_with_a_long_run();
    fs::write(daemon.path("config.yaml"), "folder: {runningJobs: stop}").expect("it is written");
    daemon.forget_notices();
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_notice("READY=1");
    daemon.remove_job("long.yaml");
    logs(&daemon, "long.yaml: cronjob/long in default is no longer there");
    daemon.tell(&["reload", "--prune"]);
    daemon.until("its pod is gone", || phase_of_pods(&daemon).is_empty().then_some(()));
    assert_eq!(outcomes(&daemon, "long"), ["Replaced"], "no row stays Running");
}

#[test]
fn a_cron_job_that_a_command_deletes_leaves_no_row_open() {
    let daemon = daemon_with_a_long_run();
    daemon.write_job("again.yaml", &long_cron_job(&daemon, "again"));
    daemon
        .until("it is read", || (daemon.ask(&["get", "cronjob", "again"]).code == 0).then_some(()));
    daemon.trigger("again");
    daemon.until("it runs", || (phase_of_pods(&daemon).len() == 2).then_some(()));
    let said = daemon.ask(&["delete", "cronjob", "again", "--cascade", "orphan"]);
    assert_eq!(said.code, 0, "{said:?}");
    let owned = "cronjob/again in default is made from";
    assert!(said.error.contains(owned) && said.error.contains("again.yaml"), "{said:?}");
    daemon.tell(&["delete", "cronjob", "long"]);
    assert_eq!(outcomes(&daemon, "long"), ["Replaced"]);
    assert_eq!(outcomes(&daemon, "again"), ["Running"]);
    fs::write(daemon.path("end"), "").expect("a file is written");
    daemon.until("it is closed", || (outcomes(&daemon, "again") == ["Succeeded"]).then_some(()));
}

#[test]
fn an_empty_folder_at_start_deletes_nothing_before_it_is_confirmed() {
    let mut daemon = daemon_with_a_long_run();
    daemon.stop();
    fs::rename(daemon.path("jobs"), daemon.path("away")).expect("it is moved");
    fs::create_dir(daemon.path("jobs")).expect("a folder is made");
    daemon.start();
    let said = "much of what was in this folder is gone at once. 2 objects";
    logs(&daemon, said);
    daemon.forget_notices();
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_notice("READY=1");
    assert_eq!(daemon.log().matches(said).count(), 2, "a signal asks, and does not confirm");
    assert_eq!(phase_of_pods(&daemon), ["Running"]);
    let before = identity(&daemon.get(&["cronjob", "long"])).0;
    // The folder comes back as another: it is read without being asked.
    fs::rename(daemon.path("jobs"), daemon.path("empty")).expect("it is moved");
    fs::rename(daemon.path("away"), daemon.path("jobs")).expect("it is moved");
    logs(&daemon, "cronjob/long in default is there again");
    assert_eq!(identity(&daemon.get(&["cronjob", "long"])).0, before);
    // While it is watched.
    daemon.remove_job("long.yaml");
    daemon.remove_job("other.yaml");
    daemon.until("it is said again", || (daemon.log().matches(said).count() == 3).then_some(()));
    assert_eq!(daemon.ask(&["reload"]).code, 1);
    assert_eq!(daemon.get(&["cronjobs"])["items"].as_array().map(Vec::len), Some(2));
    assert!(daemon.tell(&["reload", "--prune"]).contains("2 removed"));
    assert_eq!(daemon.get(&["cronjobs"])["items"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_job_runs_again_when_its_spec_changes_and_not_when_its_file_is_touched() {
    let mut daemon = Daemon::prepare();
    let runs = daemon.path("runs");
    let job = |more: &str, label: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate{label}}}\n\
             spec:\n  {more}\n  template:\n    spec:\n      restartPolicy: Never\n      \
             containers:\n\
             \x20     - {{name: m, image: none, command: [sh, -c, \"echo run >> {}\"]}}\n",
            runs.display()
        )
    };
    let count = || fs::read_to_string(&runs).unwrap_or_default().lines().count();
    let gone = |daemon: &Daemon| {
        daemon.until("its time is over", || {
            (daemon.ask(&["get", "job", "migrate"]).code != 0).then_some(())
        });
    };
    let first = job("ttlSecondsAfterFinished: 0", "");
    daemon.write_job("job.yaml", &first);
    daemon.start();
    daemon.until("it runs", || (count() == 1).then_some(()));
    gone(&daemon);
    // Touched, commented, labelled, and read by another daemon: read, and nothing of it.
    let labelled = first.replace("migrate}", "migrate, labels: {a: b}}");
    for (at, text) in [first.clone(), format!("# Why.\n{first}"), labelled].iter().enumerate() {
        daemon.write_job("job.yaml", text);
        daemon.write_job("mark.yaml", &cron_job(&format!("mark-{at}"), YEARLY));
        logs(&daemon, &format!("mark.yaml: cronjob/mark-{at} in default added"));
    }
    daemon.tell(&["reload"]);
    daemon.stop();
    daemon.start();
    assert_eq!(count(), 1, "{}", daemon.log());
    // Another spec; while the Job is still there, too.
    daemon.write_job("job.yaml", &job("ttlSecondsAfterFinished: 1000", ""));
    daemon.until("it runs again", || (count() == 2).then_some(()));
    daemon.ended_job("migrate");
    let other = job("ttlSecondsAfterFinished: 1000\n  backoffLimit: 1\n  completions: 2", "");
    daemon.write_job("job.yaml", &other);
    logs(&daemon, "job/migrate in default deleted and made again, as its spec changed");
    daemon.until("it runs again", || (count() == 4).then_some(()));
}

#[test]
fn a_job_whose_spec_changes_while_it_runs_is_made_again_when_it_ends() {
    let mut daemon = Daemon::prepare();
    let runs = daemon.path("runs");
    let folder = daemon.path("");
    let job = |word: &str, until: &str| {
        let (runs, until) = (runs.display(), folder.join(until));
        let wait = format!("until test -e {}; do sleep 0.1; done", until.display());
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate}}\n\
             spec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
             terminationGracePeriodSeconds: 0\n      containers:\n\
             \x20     - name: m\n        image: none\n        \
             command: [sh, -c, \"echo {word} >> {runs}; {wait}\"]\n"
        )
    };
    let ran = || fs::read_to_string(&runs).unwrap_or_default().replace('\n', " ");
    let ran_so = |daemon: &Daemon, want: &str| {
        daemon.until(want, || (ran() == want).then_some(()));
    };
    let uid = |daemon: &Daemon| identity(&daemon.get(&["job", "migrate"])).0;
    daemon.write_job("job.yaml", &job("one", "end"));
    daemon.start();
    ran_so(&daemon, "one ");
    let first = uid(&daemon);
    daemon.write_job("job.yaml", &job("two", "later"));
    logs(&daemon, "The Job is made again, as the file then says, when it has ended");
    assert_eq!(uid(&daemon), first, "it goes on");
    fs::write(daemon.path("end"), "").expect("a file is written");
    ran_so(&daemon, "one two ");
    logs(&daemon, "job/migrate in default deleted and made again, as its spec changed");
    // The next daemon waits for it as well.
    let second = uid(&daemon);
    daemon.write_job("job.yaml", &job("three", "never"));
    daemon.until("it is refused", || {
        (daemon.log().matches("when it has ended").count() == 2).then_some(())
    });
    daemon.stop();
    daemon.start();
    assert_eq!(uid(&daemon), second);
    fs::write(daemon.path("later"), "").expect("a file is written");
    ran_so(&daemon, "one two three ");
    // Where the configuration says so it is stopped.
    fs::write(daemon.path("config.yaml"), "folder: {runningJobs: stop}").expect("it is written");
    daemon.tell(&["reload"]);
    daemon.write_job("job.yaml", &job("four", "never"));
    ran_so(&daemon, "one two three four ");
    daemon.tell(&["delete", "job", "migrate"]);
}

#[test]
fn what_a_command_changed_stays_by_one_rule() {
    let mut daemon = Daemon::start_with(&[
        ("a.yaml", &cron_job("a", YEARLY)),
        ("b.yaml", &cron_job("b", YEARLY)),
    ]);
    let suspended = "spec:\n  suspend: true\n  schedule";
    daemon.write_job("a.yaml", &cron_job("a", YEARLY).replace("spec:\n  schedule", suspended));
    logs(&daemon, "a.yaml: cronjob/a in default changed: spec.suspend false -> true");
    let said = daemon.ask(&["resume", "a"]);
    assert!(said.error.contains("cronjob/a in default is made from"), "{said:?}");
    assert!(daemon.ask(&["delete", "cronjob", "b"]).error.contains("remove it there"));
    let is_so = |daemon: &Daemon| {
        let is_resumed = daemon.get(&["cronjob", "a"])["spec"]["suspend"] == false;
        is_resumed && daemon.ask(&["get", "cronjob", "b"]).code != 0
    };
    let found = daemon.tell(&["reload"]);
    assert!(found.contains("cronjob/a in default was changed, not in"), "{found}");
    assert!(found.contains("spec.suspend true -> false"), "{found}");
    assert!(found.contains("cronjob/b in default was deleted"), "{found}");
    assert!(is_so(&daemon), "a reload");
    daemon.write_job("b.yaml", &cron_job("b", YEARLY));
    daemon.write_job("mark.yaml", &cron_job("mark", YEARLY));
    logs(&daemon, "cronjob/mark in default added");
    assert!(is_so(&daemon), "the file is touched");
    daemon.stop();
    daemon.start();
    assert!(is_so(&daemon), "a restart");
    daemon.write_job("b.yaml", &cron_job("b", "0 0 0 2 1 *"));
    logs(&daemon, "cronjob/b in default added");
    daemon.tell(&["apply", "-f", daemon.path("jobs").join("a.yaml").to_str().expect("a path")]);
    assert!(!daemon.tell(&["reload"]).contains("was"), "as the files say");
    let deleted = daemon.http("DELETE", "/apis/batch/v1/namespaces/default/cronjobs");
    for name in ["a", "b", "mark"] {
        let warned = format!("warning: 299 - \"cronjob/{name} in default is made from");
        assert!(deleted.contains(&warned), "a whole collection: {deleted}");
    }
}

#[test]
fn an_edit_that_keeps_size_and_time_is_seen() {
    let mut daemon = Daemon::start_with(&[("a.yaml", &cron_job("a", "0 0 3 1 1 *"))]);
    let write = |daemon: &Daemon, schedule: &str| {
        let path = daemon.path("jobs").join("a.yaml");
        let aside = daemon.path("aside");
        fs::write(&aside, cron_job("a", schedule)).expect("a file is written");
        let file = fs::File::options().write(true).open(&aside).expect("it is opened");
        file.set_modified(std::time::UNIX_EPOCH).expect("a time is set");
        fs::rename(aside, path).expect("it is renamed");
    };
    let schedule =
        |daemon: &Daemon| daemon.get(&["cronjob", "a"])["metadata"]["annotations"].clone();
    let is = |daemon: &Daemon, want: &str| schedule(daemon)["cronlet.dev/schedule"] == want;
    for want in ["0 0 4 1 1 *", "0 0 5 1 1 *"] {
        write(&daemon, want);
        daemon.until("it is seen", || is(&daemon, want).then_some(()));
    }
    daemon.stop();
    write(&daemon, "0 0 6 1 1 *");
    daemon.start();
    assert!(is(&daemon, "0 0 6 1 1 *"));
}

#[test]
fn a_file_that_is_written_in_place_is_read_when_its_writer_is_through() {
    use std::io::{Seek, Write};
    let text = [cron_job("one", YEARLY), cron_job("two", YEARLY)].join("---");
    let daemon = Daemon::start_with(&[("a.yaml", &text), ("b.yaml", &cron_job("b", YEARLY))]);
    let before = identity(&daemon.get(&["cronjob", "one"]));
    let path = daemon.path("jobs").join("a.yaml");
    let mut file = fs::File::options().write(true).open(&path).expect("it is opened");
    file.set_len(0).expect("it is emptied");
    file.write_all(cron_job("one", "0 0 0 2 1 *").as_bytes()).expect("half of it is written");
    daemon.write_job("b.yaml", &cron_job("b", "0 0 0 2 1 *"));
    daemon.until("other files are read meanwhile", || {
        file.write_all(b"#").expect("it is written");
        daemon.log().contains("cronjob/b in default changed").then_some(())
    });
    assert_eq!(identity(&daemon.get(&["cronjob", "one"])), before);
    file.rewind().expect("a file has a beginning");
    file.set_len(0).expect("it is emptied");
    file.write_all(text.replace("0 0 0 1 1 *", "0 0 0 3 1 *").as_bytes()).expect("all of it");
    drop(file);
    logs(&daemon, "cronjob/one in default changed");
    logs(&daemon, "cronjob/two in default changed");
    let log = daemon.log();
    assert!(!log.contains("no longer there") && !log.contains("is empty"), "{log}");
}

#[test]
fn a_folder_behind_a_link_that_flips_is_read() {
    let mut daemon = Daemon::prepare();
    for (release, name) in [("v1", "one"), ("v2", "two")] {
        let folder = daemon.path(release);
        fs::create_dir(&folder).expect("a folder is made");
        fs::write(folder.join("a.yaml"), cron_job(name, YEARLY)).expect("a file is written");
    }
    let flip = |daemon: &Daemon, to: &str| {
        std::os::unix::fs::symlink(to, daemon.path("new")).expect("a link is made");
        fs::rename(daemon.path("new"), daemon.path("jobs")).expect("it is renamed");
    };
    fs::remove_dir(daemon.path("jobs")).expect("it is empty");
    // Not there at start: that is said, with what to do.
    daemon.start();
    assert!(daemon.log().contains("jobs: does not exist: make it"), "{}", daemon.log());
    for (release, name) in [("v1", "one"), ("v2", "two")] {
        flip(&daemon, release);
        daemon.until("it is read", || {
            (daemon.ask(&["get", "cronjob", name]).code == 0).then_some(())
        });
    }
    logs(&daemon, "a.yaml: cronjob/one in default removed");
    assert_eq!(daemon.ask(&["get", "cronjob", "two"]).code, 0);
}
