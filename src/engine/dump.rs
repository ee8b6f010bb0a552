//! The engine's state in words, for a report of trouble (SIGUSR1). Names and times alone: no secret
//! can be in it.

use super::Engine;
use super::observe::Seen;
use cronlet_api::kind::Kind;
use cronlet_plan::order::ContainerState;
use serde_json::{Value, json};

/// Of what is due, so many lines.
const DUE_MAX: usize = 200;

impl Engine {
    pub fn dump(&self) -> Value {
        let notes = |kind| if kind == Kind::Event { self.store.notes_len() } else { 0 };
        let count = |kind: &Kind| {
            let count = self.store.keys(*kind).len() + notes(*kind);
            (kind.info().plural.to_owned(), json!(count))
        };
        let objects: serde_json::Map<String, Value> = Kind::ALL.iter().map(count).collect();
        let due: Vec<Value> = (self.due.iter().take(DUE_MAX))
            .map(|(at, key)| json!({"at": at.to_string(), "object": key.to_string()}))
            .collect();
        json!({
            "version": self.store.reader().version(),
            "objects": objects,
            "due": due,
            "clockSteps": self.steps,
            "pods": self.seen_in_words(),
            "runQueue": {"running": self.queue.running_len(), "waiting": self.queue.waiting_len()},
        })
    }

    fn seen_in_words(&self) -> Vec<Value> {
        let word = |state: &ContainerState| match state {
            ContainerState::Starting => "starting".to_owned(),
            ContainerState::Failed { reason, .. } => format!("not started: {reason}"),
            ContainerState::Running { pid, .. } => format!("running, pid {pid}"),
            ContainerState::Exited(exit) => format!("exited, code {}", exit.code),
        };
        let pods = self.seen.iter().map(|(uid, seen)| {
            let containers = seen.observed.containers.iter();
            let containers: serde_json::Map<String, Value> =
                containers.map(|(name, one)| (name.clone(), json!(word(&one.state)))).collect();
            let pod = seen.key.as_ref().map(ToString::to_string);
            json!({"uid": uid, "pod": pod, "containers": containers})
        });
        pods.collect()
    }

    /// Does any container run, or is one about to?
    /// Pods of which a container runs or is being started.
    pub fn running_pods_len(&self) -> usize {
        let live = |state: &ContainerState| {
            matches!(state, ContainerState::Running { .. } | ContainerState::Starting)
        };
        let runs = |seen: &&Seen| seen.observed.containers.values().any(|one| live(&one.state));
        self.seen.values().filter(runs).count()
    }
}
