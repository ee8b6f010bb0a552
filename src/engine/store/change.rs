//! What one commit changes: numbered, written out for the disk, kept a while for those who watch.

use super::encoded::Packed;
use super::index::Index;
use super::{Staged, owner_uids};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::strategy::Difference;
use cronlet_plan::events::EventRecord;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeVerb {
    Added,
    Modified,
    Deleted,
}

/// One committed change, for those who watch.
#[derive(Clone)]
pub struct Change {
    changed: ChangeRecord,
    /// The object, where it is still as this change left it.
    now: Option<Object>,
}

impl Change {
    pub(super) fn new(changed: ChangeRecord, now: Option<Object>) -> Change {
        Change { changed, now }
    }

    pub fn version(&self) -> u64 {
        self.changed.version
    }

    pub fn verb(&self) -> ChangeVerb {
        self.changed.verb
    }

    /// The object as it is after the change, or as it last was.
    pub fn object(&self) -> Object {
        let ChangeRecord { version, verb, key, trace, .. } = &self.changed;
        let mut object = self.now.clone().unwrap_or_else(|| trace.object(key.kind));
        if *verb == ChangeVerb::Deleted {
            object.meta_mut().resource_version = Some(version.to_string());
        }
        object
    }

    /// As it was before, so that a watch with a selector can tell what entered and what left it.
    pub fn before(&self) -> Option<Object> {
        let before = self.changed.before.as_ref();
        before.map(|before| before.object(self.changed.key.kind))
    }
}

/// What became of an object, kept for those who watch: as JSON, for a structure of many parts would
/// be far from everyone's thoughts when it is given back.
#[derive(Clone)]
pub(super) enum Trace {
    Json { version: u64, packed: Packed },
    EventDraft { version: u64, noted: Arc<EventRecord> },
}

impl Trace {
    pub(super) fn object(&self, kind: Kind) -> Object {
        match self {
            Trace::Json { version, packed } => packed.object(kind, *version),
            Trace::EventDraft { version, noted } => {
                let mut event = noted.event();
                event.metadata.resource_version = Some(version.to_string());
                event.into()
            }
        }
    }
}

/// A change as the store remembers it.
#[derive(Clone)]
pub(super) struct ChangeRecord {
    pub version: u64,
    pub verb: ChangeVerb,
    pub key: Key,
    /// As it is after the change, or as it last was.
    pub trace: Trace,
    pub before: Option<Trace>,
}

/// A change that is about to be made.
pub(super) struct PendingChange {
    pub version: u64,
    pub verb: ChangeVerb,
    pub key: Key,
    pub body: Body,
    /// What was there.
    pub before: Option<Before>,
    /// The object written out; none for what is deleted.
    pub packed: Option<Packed>,
}

/// An object, or an Event that is not made yet: as it shall be, or as it last was.
pub(super) enum Body {
    Object(Object),
    EventDraft(Arc<EventRecord>),
}

/// An object as it is before a change.
pub(super) struct Before {
    pub object: Object,
    /// Where only the status changes.
    packed: Option<Packed>,
}

impl PendingChange {
    fn new(verb: ChangeVerb, key: Key, body: Body, before: Option<Before>) -> PendingChange {
        PendingChange { version: 0, verb, key, body, before, packed: None }
    }

    /// Events that say that all went well are not worth their writes: a restart of the daemon
    /// forgets them. Warnings and the run history are kept.
    pub(super) fn is_durable(&self) -> bool {
        match &self.body {
            Body::EventDraft(noted) => noted.is_warning(),
            Body::Object(Object::Event(event)) => event.type_.as_deref() != Some("Normal"),
            Body::Object(_) => true,
        }
    }

    pub(super) fn owner_uids(&self) -> impl Iterator<Item = &str> {
        let object = match &self.body {
            Body::Object(object) => Some(object),
            Body::EventDraft(_) => None,
        };
        object.into_iter().flat_map(owner_uids)
    }

    /// Writes the version into the object, and the object out.
    fn pack(&mut self, buffer: &mut Vec<u8>) -> Option<Packed> {
        let version = self.version;
        let shared = self.before.as_ref().and_then(|before| before.packed.as_ref());
        match &mut self.body {
            Body::Object(object) => {
                object.meta_mut().resource_version = None;
                let packed = Packed::new(object, shared, buffer);
                object.meta_mut().resource_version = Some(version.to_string());
                Some(packed)
            }
            Body::EventDraft(noted) if noted.is_warning() => {
                Some(Packed::new(&noted.event().into(), None, buffer))
            }
            Body::EventDraft(_) => None,
        }
    }
}

/// The changes of one commit.
#[derive(Default)]
pub(super) struct Changes {
    pub list: Vec<PendingChange>,
    /// The version after the last of them.
    pub version: u64,
}

impl Changes {
    /// What the staged objects are against the index; what is equal is left out.
    pub(super) fn between(index: &Index, staged: &mut Staged) -> Changes {
        use ChangeVerb::{Added, Deleted, Modified};
        let mut list = Vec::new();
        for (key, staged) in std::mem::take(&mut staged.objects) {
            let mut before = None;
            let (verb, object) = match (staged, index.get(&key)) {
                (Some(object), None) => (Added, object),
                (Some(object), Some(old)) if object.uid() != old.uid() => {
                    // Another one of the name, made as soon as this one went: whoever waits for
                    // its end hears of it.
                    list.push(PendingChange::new(Deleted, key.clone(), Body::Object(old), None));
                    (Added, object)
                }
                (Some(object), Some(old)) => {
                    let packed = match object.difference(&old) {
                        Difference::None => continue,
                        Difference::Status => index.packed(&key),
                        Difference::Object => None,
                    };
                    before = Some(Before { object: old, packed: packed.cloned() });
                    (Modified, object)
                }
                (None, Some(old)) => (Deleted, old),
                (None, None) => continue,
            };
            list.push(PendingChange::new(verb, key, Body::Object(object), before));
        }
        let notes = std::mem::take(&mut staged.notes).into_iter();
        let notes = notes.filter_map(|(number, staged)| {
            let (verb, noted) = match (staged, index.note(number)) {
                (Some(noted), None) => (Added, noted),
                (Some(noted), Some(_)) => (Modified, noted),
                (None, Some(old)) => (Deleted, old.clone()),
                (None, None) => return None,
            };
            Some(PendingChange::new(verb, noted.key(), Body::EventDraft(noted), None))
        });
        list.extend(notes);
        Changes { list, version: index.version() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Gives each change the next version, and writes the objects out.
    pub(super) fn number(&mut self) {
        let mut buffer = Vec::with_capacity(8192);
        for change in &mut self.list {
            self.version += 1;
            change.version = self.version;
            if change.verb != ChangeVerb::Deleted {
                change.packed = change.pack(&mut buffer);
            }
        }
    }
}
