//! Runs a scenario's commands on a cluster, each when the cluster has come to where the recorded
//! one was, and compares.

use crate::cluster::{Answer, Cluster};
use crate::history::History;
use crate::recording::{self, Change, Command, Entry};
use crate::words;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A wait of the scenario takes minutes at most; no test measures time.
const PATIENCE: Duration = Duration::from_secs(300);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What is known to differ from a recording: each by a part of its words, with its reason.
pub struct Known {
    /// Differs always.
    pub differs: &'static [(&'static str, &'static str)],
    /// Differs or not.
    pub may_differ: &'static [(&'static str, &'static str)],
}

/// Nothing differs.
pub const EXACT: Known = Known { differs: &[], may_differ: &[] };

impl Known {
    fn covers(&self, what: &str) -> bool {
        self.differs.iter().chain(self.may_differ).any(|(part, _)| what.contains(part))
    }
}

/// Replays a scenario, and panics where it differs otherwise than is known.
pub fn check(name: &str, known: &Known) {
    let entries = recording::read(name);
    let cluster = Cluster::start(&recording::node_name(&entries));
    let mut recorded: Vec<Change> = Vec::new();
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Entry::Seen(change) => recorded.push(change),
            Entry::Command(command) => {
                come_to(&cluster, &recorded, known, Some(&command));
                let differences = run(&cluster, &command, &recorded);
                // Without what a command should have done, there is nothing to wait for.
                let unknown = differences.iter().find(|what| !known.covers(what));
                assert!(unknown.is_none(), "{name}: {}", differences.join("\n"));
                found.extend(differences);
            }
        }
    }
    come_to(&cluster, &recorded, known, None);
    found.extend(History::new(&cluster.seen()).differences(&History::new(&recorded)));
    let unknown: Vec<String> = found.iter().filter(|what| !known.covers(what)).cloned().collect();
    assert!(unknown.is_empty(), "{name}:\n{}", unknown.join("\n"));
    for (part, why) in known.differs {
        assert!(found.iter().any(|what| what.contains(part)), "{name}: no longer: {part}: {why}");
    }
}

/// Waits until the cluster is where the recorded one was before a command, or at the end.
fn come_to(cluster: &Cluster, recorded: &[Change], known: &Known, command: Option<&Command>) {
    let mut recorded = History::new(recorded);
    recorded.leave_out(|words| known.covers(words));
    let begun = Instant::now();
    loop {
        let own = History::new(&cluster.seen());
        let Some(lacks) = own.lacks(&recorded, command.is_none()) else { return };
        if begun.elapsed() > PATIENCE {
            let log = cluster.daemon.log();
            let differences = own.differences(&recorded).join("\n");
            let before = command.map_or("the end", |command| &command.line);
            panic!("before {before}: {lacks}\nso far:\n{differences}\nthe daemon:\n{log}");
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Runs a command and compares what it answers.
fn run(cluster: &Cluster, command: &Command, recorded: &[Change]) -> Vec<String> {
    let words = split(&command.line);
    let answer = cluster.run(&words, &input(&command.input));
    compare(command, &answer, cluster, recorded)
}

fn compare(
    command: &Command,
    answer: &Answer,
    cluster: &Cluster,
    recorded: &[Change],
) -> Vec<String> {
    let Command { line, .. } = command;
    let mut found = Vec::new();
    if answer.exit != command.exit {
        let (got, want, error) = (answer.exit, command.exit, &answer.error);
        found.push(format!("{line}: exit code {got}, recorded {want}: {error}"));
    }
    // What `describe` shows are states and events, which are compared, and its own words.
    if line.starts_with("kubectl describe ") {
        return found;
    }
    let (own, recorded) = (History::new(&cluster.seen()), History::new(recorded));
    let outputs = [(&answer.out, &command.out), (&answer.error, &command.error)];
    for (got, want) in outputs {
        let (mut got, mut want) =
            (words::output(got, &own.names), words::output(want, &recorded.names));
        if line.contains(" rollout status ") {
            // What it says on the way is what it sees when it looks.
            got.retain(|line| !line.starts_with("Waiting "));
            want.retain(|line| !line.starts_with("Waiting "));
        }
        if got != want {
            found.push(format!("{line}: says\n  {got:#?}\nrecorded\n  {want:#?}"));
        }
    }
    found
}

/// Splits a recorded line into words. A line with quotes is a shell's; any other was joined with
/// blanks, and all that follows `-c` is one word.
fn split(line: &str) -> Vec<String> {
    if line.contains('\'') {
        return ["sh", "-c", line].map(str::to_owned).into();
    }
    let (words, script) = match line.split_once(" -c ") {
        Some((words, script)) => (words, Some(script)),
        None => (line, None),
    };
    let mut words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    if let Some(script) = script {
        words.extend(["-c".to_owned(), script.to_owned()]);
    }
    words
}

/// The manifest, with a `/tmp` of its own for each pod that uses it: the recorded containers have a
/// file system each.
fn input(text: &str) -> String {
    let Ok(mut manifest) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if text.contains("/tmp/") {
        let template = manifest.pointer("/spec/template/spec").is_some();
        let at = if template { "/spec/template/spec" } else { "/spec" };
        let spec = manifest.pointer_mut(at).expect("a pod's spec");
        spec["volumes"] = serde_json::json!([{ "name": "tmp", "emptyDir": {} }]);
        let containers = spec["containers"].as_array_mut().expect("containers");
        for container in containers {
            container["volumeMounts"] = serde_json::json!([{ "name": "tmp", "mountPath": "/tmp" }]);
        }
    }
    manifest.to_string()
}
