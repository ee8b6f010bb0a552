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
    let role = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\n";
    let text = format!("{}{role}", cron_job("backup", YEARLY));
    let daemon = Daemon::start_with(&[("all.yaml", &text)]);
    daemon.get(&["cronjob", "backup"]);
    let log = daemon.log();
    assert!(log.contains("WARN") && log.contains("role/r warning: has no effect"), "{log}");
}
