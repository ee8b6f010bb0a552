//! What was said of an object, in the few words that it takes: the Kubernetes Event is made of it
//! when someone reads or watches.

use crate::plan::{EventDraft, Severity};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::seed::{Seed, Uid};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// The name of an Event is that of what it is about, so far, and its number in 16 digits.
const NAME_BYTES_MAX: usize = 230;

/// One Event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Nanoseconds since 1970 when it was first said, or a little more: no two have the same. Its
    /// name ends in it, so that an object's Events are listed as they happened.
    pub number: u64,
    pub about: Key,
    about_uid: String,
    about_version: Option<String>,
    note: Arc<EventDraft>,
    uid: Uid,
    /// How often it was said.
    pub count: i32,
    first: Timestamp,
    /// When it was last said.
    pub last: Timestamp,
}

/// What the scheduler says of a Pod; all else is the kubelet's.
const SCHEDULING: [&str; 2] = ["FailedScheduling", "Scheduled"];

impl EventRecord {
    /// What tells one news from another: news that is said again is counted, not repeated.
    pub fn news(about: &Object, note: &EventDraft) -> u64 {
        digest([about.uid(), note.reason, &note.message, &note.field_path])
    }

    /// The news of an Event that was said before, by this daemon or another.
    pub fn news_in(event: &Event) -> u64 {
        let about = &event.involved_object;
        let parts = [&about.uid, &event.reason, &event.message, &about.field_path];
        digest(parts.map(|part| part.as_deref().unwrap_or_default()))
    }

    /// The number that an Event's name ends in, where cronlet named it.
    pub fn number_in(name: &str) -> Option<u64> {
        let (_, digits) = name.rsplit_once('.')?;
        let is_number = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_number.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
    }

    /// The key of the Event with this number.
    pub fn key_of(about: &Key, number: u64) -> Key {
        let name = &about.name[..about.name.floor_char_boundary(NAME_BYTES_MAX)];
        // What has no namespace, such as a Node, is told about in `default`.
        let namespace = if about.namespace.is_empty() { "default" } else { &*about.namespace };
        Key::new(Kind::Event, namespace, &format!("{name}.{number:016x}"))
    }

    /// Said for the first time.
    pub fn new(
        number: u64,
        about: &Object,
        key: Key,
        note: Arc<EventDraft>,
        seed: &mut Seed,
        now: Timestamp,
    ) -> EventRecord {
        EventRecord {
            number,
            about: key,
            about_uid: about.uid().to_owned(),
            about_version: about.meta().resource_version.clone(),
            note,
            uid: Uid::draw(seed),
            count: 1,
            first: now,
            last: now,
        }
    }

    /// Said once more.
    pub fn again(&self, now: Timestamp) -> EventRecord {
        EventRecord { count: self.count.saturating_add(1), last: now, ..self.clone() }
    }

    pub fn key(&self) -> Key {
        EventRecord::key_of(&self.about, self.number)
    }

    /// A warning outlives the daemon.
    pub fn is_warning(&self) -> bool {
        self.note.severity == Severity::Warning
    }

    /// As Kubernetes has it, less the resourceVersion.
    pub fn event(&self) -> Event {
        let (info, key) = (self.about.kind.info(), self.key());
        let component = match self.about.kind {
            Kind::Pod if SCHEDULING.contains(&self.note.reason) => "default-scheduler",
            Kind::CronJob => "cronjob-controller",
            Kind::DaemonSet => "daemonset-controller",
            Kind::Deployment => "deployment-controller",
            Kind::Job => "job-controller",
            Kind::PersistentVolume | Kind::PersistentVolumeClaim => "persistentvolume-controller",
            Kind::ReplicaSet => "replicaset-controller",
            Kind::StatefulSet => "statefulset-controller",
            _ => "kubelet",
        };
        let severity = match self.note.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(key.name.to_string()),
                namespace: Some(key.namespace.to_string()),
                uid: Some(self.uid.to_string()),
                creation_timestamp: Some(Time(self.first)),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(info.api_version()),
                kind: Some(info.kind.to_owned()),
                name: Some(self.about.name.to_string()),
                namespace: Some(self.about.namespace.to_string()).filter(|one| !one.is_empty()),
                uid: Some(self.about_uid.clone()),
                resource_version: self.about_version.clone(),
                field_path: Some(self.note.field_path.clone()).filter(|path| !path.is_empty()),
            },
            type_: Some(severity.to_owned()),
            reason: Some(self.note.reason.to_owned()),
            message: Some(self.note.message.clone()),
            count: Some(self.count),
            first_timestamp: Some(Time(self.first)),
            last_timestamp: Some(Time(self.last)),
            source: Some(EventSource { component: Some(component.to_owned()), host: None }),
            reporting_component: Some(component.to_owned()),
            reporting_instance: Some(String::new()),
            ..Event::default()
        }
    }
}

fn digest(parts: [&str; 4]) -> u64 {
    let mut hash = DefaultHasher::new();
    for part in parts {
        hash.write(part.as_bytes());
        hash.write_u8(0);
    }
    hash.finish()
}
