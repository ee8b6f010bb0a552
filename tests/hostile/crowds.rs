//! Thousands of pods at once: made, scaled away, deleted by their namespace or one by one. The
//! canary meets every slot meanwhile, and the daemon answers.

use crate::canary::singing;
use crate::common::daemon::Daemon;
use cronlet_api::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const MANY: usize = 3000;

/// Pods that never start: a gate holds them.
const TEMPLATE: &str = r#"
    metadata: {labels: {a: b}}
    spec:
      restartPolicy: RESTART
      schedulingGates: [{name: example.com/hold}]
      containers: [{name: main, image: none, command: [/bin/true]}]
"#;

fn write_crowd(daemon: &Daemon, kind: &str, group: &str, spec: &str, restart: &str) {
    let template = TEMPLATE.replace("RESTART", restart);
    let manifest = format!(
        "apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: many, namespace: farm}}\nspec:\n  \
         {spec}\n  template:{template}"
    );
    std::fs::write(daemon.path("crowd.yaml"), manifest).expect("a manifest is written");
    daemon.tell(&["apply", "-f", "crowd.yaml"]);
}

fn pods(daemon: &Daemon) -> usize {
    let out = daemon.ask(&["get", "pods", "-n", "farm", "-o", "name"]).out;
    out.lines().count()
}

fn until_pods(daemon: &Daemon, count: usize) {
    daemon.until(&format!("there are {count} pods"), || (pods(daemon) == count).then_some(()));
}

/// At most this many slots in a row may be missed: a machine that runs many tests stands still now
/// and then. A turn that made all of the crowd would miss more.
const MISSED_MAX: usize = 2;

/// Thread that notes each second in which it ran, by the wall clock. A slot in a second that the
/// test itself never saw (the machine stood still, or its clock was set) is no slot missed.
struct Heart {
    beats: Arc<Mutex<BTreeSet<i64>>>,
    thread: JoinHandle<()>,
}

impl Heart {
    fn start() -> Heart {
        let beats = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = Arc::downgrade(&beats);
        let thread = std::thread::spawn(move || {
            while let Some(beats) = noted.upgrade() {
                beats.lock().expect("no beat panics").insert(Timestamp::now().as_second());
                drop(beats);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Heart { beats, thread }
    }

    fn stop(self) -> BTreeSet<i64> {
        let beats = std::mem::take(&mut *self.beats.lock().expect("no beat panics"));
        drop(self.beats);
        self.thread.join().expect("the heart ends");
        beats
    }
}

fn sang_throughout(daemon: &Daemon, beats: &BTreeSet<i64>) {
    let history = daemon.tell(&["history", "-o", "json"]);
    let history: Value = serde_json::from_str(&history).expect("the history is JSON");
    let runs = history["items"].as_array().expect("a list").iter();
    let seconds = |run: &Value| {
        let slot = run["scheduled"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        slot.expect("a slot").as_second()
    };
    let ran = runs.filter(|run| run["outcome"] != "Skipped");
    let slots: BTreeSet<i64> = ran.map(seconds).collect();
    let (first, last) = (slots.first().expect("a run"), slots.last().expect("a run"));
    let expected: Vec<i64> = beats.range(first..=last).copied().collect();
    let in_a_row = expected.chunk_by(|a, b| slots.contains(a) == slots.contains(b));
    let missed = in_a_row.filter(|row| !slots.contains(&row[0])).map(<[i64]>::len).max();
    println!("{} runs, at most {missed:?} slots missed in a row", slots.len());
    assert!(missed.unwrap_or(0) <= MISSED_MAX, "{slots:?}");
    assert!(expected.len() > 2 * MISSED_MAX, "{expected:?}");
}

#[test]
fn a_crowd_comes_and_goes_and_the_canary_sings() {
    let daemon = singing();
    let heart = Heart::start();
    let service = format!("replicas: {MANY}\n  selector: {{matchLabels: {{a: b}}}}");
    write_crowd(&daemon, "Deployment", "apps", &service, "Always");
    until_pods(&daemon, MANY);
    daemon.tell(&["scale", "--replicas", "0", "deployment/many", "-n", "farm"]);
    until_pods(&daemon, 0);
    let job = format!("parallelism: {MANY}\n  completions: {MANY}");
    write_crowd(&daemon, "Job", "batch", &job, "Never");
    until_pods(&daemon, MANY);
    daemon.tell(&["delete", "namespace", "farm"]);
    until_pods(&daemon, 0);
    sang_throughout(&daemon, &heart.stop());
}
