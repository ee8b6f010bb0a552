//! A recorded scenario: commands run against a real Kubernetes, and what its watchers saw.

use crate::common;
use serde_json::Value;

/// One line of a recording.
pub enum Entry {
    Command(Command),
    Seen(Change),
}

/// A command line of kubectl, and what it answered.
pub struct Command {
    pub line: String,
    pub input: String,
    pub exit: i32,
    pub out: String,
    pub error: String,
}

/// What a watch said of an object.
#[derive(Clone)]
pub struct Change {
    pub is_deleted: bool,
    pub object: Value,
}

impl Change {
    /// Of a line of a watch or of a recording; `None` where it is neither.
    pub fn read(line: &Value) -> Option<Change> {
        let is_deleted = match line["type"].as_str()? {
            "ADDED" | "MODIFIED" => false,
            "DELETED" => true,
            _ => return None,
        };
        Some(Change { is_deleted, object: line["object"].clone() })
    }
}

/// Reads the recording of that name.
pub fn read(scenario: &str) -> Vec<Entry> {
    let lines: Vec<Value> = common::recording(&format!("scenarios/{scenario}.jsonl"));
    lines.iter().map(entry).collect()
}

fn entry(line: &Value) -> Entry {
    if let Some(seen) = Change::read(line) {
        return Entry::Seen(seen);
    }
    let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let exit = line["exit"].as_i64().and_then(|code| i32::try_from(code).ok());
    Entry::Command(Command {
        line: text("command"),
        input: text("stdin"),
        exit: exit.expect("an exit code"),
        out: text("stdout"),
        error: text("stderr"),
    })
}

/// Returns the name of the recorded cluster's only Node, as its pods were bound to it.
pub fn node_name(entries: &[Entry]) -> String {
    let bound = entries.iter().find_map(|entry| match entry {
        Entry::Seen(change) => change.object["spec"]["nodeName"].as_str(),
        Entry::Command(_) => None,
    });
    bound.unwrap_or("node1").to_owned()
}
