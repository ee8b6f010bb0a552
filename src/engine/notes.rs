//! Kubernetes Events: one object for each (about, reason, message), counted, kept an hour, bounded
//! in number.

use super::Engine;
use crate::kinds::action::{Note, Severity};
use crate::kinds::{Key, Kind, Object};
use crate::time::SignedDuration;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::collections::{BTreeSet, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;

/// As the API server's `--event-ttl`.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// More than this are not kept, whatever their age.
const NOTES_MAX: usize = 4096;

/// The Events that exist.
#[derive(Default)]
pub(super) struct NoteLog {
    kept: BTreeSet<Key>,
    /// Oldest first; some are no longer kept.
    order: VecDeque<Key>,
}

impl NoteLog {
    fn add(&mut self, key: &Key) {
        if self.kept.insert(key.clone()) {
            self.order.push_back(key.clone());
        }
    }

    /// The oldest, if there are too many.
    fn pop_over(&mut self) -> Option<Key> {
        while self.kept.len() > NOTES_MAX {
            let oldest = self.order.pop_front().expect("holds all that are kept");
            if self.kept.remove(&oldest) {
                return Some(oldest);
            }
        }
        None
    }
}

impl Engine {
    pub(super) fn note(&mut self, about: &Object, note: Note) {
        let now = Time(self.turn.now);
        let key = note_key(about, &note);
        self.turn.effects.notes.push((about.key(), note.clone()));
        let event = match self.store.get(&key) {
            Some(Object::Event(mut event)) => {
                let counted = Arc::make_mut(&mut event);
                counted.count = Some(counted.count.unwrap_or(1).saturating_add(1));
                counted.last_timestamp = Some(now);
                Object::Event(event)
            }
            _ => {
                self.notes.add(&key);
                self.new_event(about, note, &key).into()
            }
        };
        self.store.put(event);
        self.due.set(&key, self.turn.now.checked_add(KEPT).ok());
        if let Some(oldest) = self.notes.pop_over() {
            self.due.set(&oldest, None);
            self.store.remove(&oldest);
        }
    }

    fn new_event(&mut self, about: &Object, note: Note, key: &Key) -> Event {
        let (info, now) = (about.kind().info(), Time(self.turn.now));
        let component = match about.kind() {
            Kind::CronJob => "cronjob-controller",
            Kind::DaemonSet => "daemonset-controller",
            Kind::Deployment => "deployment-controller",
            Kind::Job => "job-controller",
            Kind::PersistentVolumeClaim => "persistentvolume-controller",
            Kind::ReplicaSet => "replicaset-controller",
            Kind::StatefulSet => "statefulset-controller",
            _ => "kubelet",
        };
        let severity = match note.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(key.name.to_string()),
                namespace: Some(key.namespace.to_string()),
                uid: Some(self.seed.uid()),
                creation_timestamp: Some(now.clone()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(info.api_version()),
                kind: Some(info.kind.to_owned()),
                name: Some(about.name().to_owned()),
                namespace: Some(about.namespace().to_owned()).filter(|one| !one.is_empty()),
                uid: Some(about.uid().to_owned()),
                resource_version: about.meta().resource_version.clone(),
                field_path: Some(note.field_path).filter(|path| !path.is_empty()),
            },
            type_: Some(severity.to_owned()),
            reason: Some(note.reason.to_owned()),
            message: Some(note.message),
            count: Some(1),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            source: Some(EventSource { component: Some(component.to_owned()), host: None }),
            reporting_component: Some(component.to_owned()),
            reporting_instance: Some(String::new()),
            ..Event::default()
        }
    }

    /// The plan of an Event: it goes an hour after it was last seen.
    pub(super) fn expire_note(&mut self, key: &Key, event: &Object) {
        let Object::Event(event) = event else { return };
        self.notes.add(key);
        let last = event.last_timestamp.as_ref().map_or(self.turn.now, |time| time.0);
        let until = self.steps.due(last, KEPT, self.turn.now);
        if until > self.turn.now {
            return self.due.set(key, Some(until));
        }
        self.notes.kept.remove(key);
        self.store.remove(key);
    }
}

/// The same news of the same object has the same name, so that it is counted and not repeated.
fn note_key(about: &Object, note: &Note) -> Key {
    let mut hash = std::hash::DefaultHasher::new();
    for part in [about.uid(), note.reason, &note.message, &note.field_path] {
        hash.write(part.as_bytes());
        hash.write_u8(0);
    }
    let name = about.name();
    let name = &name[..name.floor_char_boundary(230)];
    // What has no namespace, such as a Node, is told about in `default`.
    let namespace = if about.namespace().is_empty() { "default" } else { about.namespace() };
    Key::new(Kind::Event, namespace, &format!("{name}.{:016x}", hash.finish()))
}
