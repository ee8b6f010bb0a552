//! Kubernetes Events: one for each (about, reason, message), counted, kept an hour, bounded in
//! number.
//!
//! Those that this daemon says are notes in the store. Events that are objects were read from disk,
//! or users wrote them.

use super::Engine;
use crate::kinds::action::Note;
use crate::kinds::event::noted::Noted;
use crate::kinds::{Key, Object};
use crate::time::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::VecDeque;
use std::sync::Arc;

/// As the API server's `--event-ttl`.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// So much longer may an Event stay where nothing else happens: a wake for each would be one for
/// every event of an hour ago.
const SWEPT_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// More than this are not kept, whatever their age.
const NOTES_MAX: usize = 4096;

/// The notes that exist.
#[derive(Default)]
pub(super) struct NoteLog {
    /// Notes by their number and when they were said, oldest first. One that was said again is in
    /// it again.
    order: VecDeque<(Timestamp, u64)>,
}

impl Engine {
    pub(super) fn note(&mut self, key: &Key, about: &Object, note: Note) {
        let (now, number, note) = (self.turn.now, Noted::number(about, &note), Arc::new(note));
        self.turn.effects.notes.push((key.clone(), note.clone()));
        let noted = match self.store.note(number) {
            Some(before) => before.again(now),
            None if self.count_object(key, number) => return,
            None => Noted::new(number, about, key.clone(), note, &mut self.seed, now),
        };
        self.notes.order.push_back((now, number));
        self.store.put_note(noted);
        while self.notes.order.len() > NOTES_MAX {
            self.forget_oldest_note();
        }
    }

    /// Said again of what an object says already: `false` where there is none.
    fn count_object(&mut self, about: &Key, number: u64) -> bool {
        if !self.store.has_event_objects() {
            return false;
        }
        let key = &Noted::key_of(about, number);
        let Some(Object::Event(mut event)) = self.store.get(key) else { return false };
        let counted = Arc::make_mut(&mut event);
        counted.count = Some(counted.count.unwrap_or(1).saturating_add(1));
        counted.last_timestamp = Some(Time(self.turn.now));
        self.store.put(Object::Event(event));
        self.due.set(key, self.turn.now.checked_add(KEPT).ok());
        true
    }

    /// Forgets the oldest, unless it was said again since.
    fn forget_oldest_note(&mut self) {
        let Some((said, number)) = self.notes.order.pop_front() else { return };
        if self.store.note(number).is_some_and(|noted| noted.last == said) {
            self.store.remove_note(number);
        }
    }

    /// After the plans of a turn: notes whose hour is over go with what else is written, or by
    /// themselves if that does not come.
    pub(super) fn sweep_notes(&mut self) {
        let now = self.turn.now;
        let is_due = |at: Timestamp| at <= now;
        if !self.store.has_staged() && !self.notes_due().is_some_and(is_due) {
            return;
        }
        while let Some((said, _)) = self.notes.order.front()
            && self.steps.elapsed(*said, now) >= KEPT
        {
            self.forget_oldest_note();
        }
    }

    /// When notes have to be looked at though nothing happens.
    pub(super) fn notes_due(&self) -> Option<Timestamp> {
        let (said, _) = self.notes.order.front()?;
        Some(self.steps.due(*said, KEPT + SWEPT_EVERY, self.turn.now))
    }

    /// The plan of an Event that is an object: it goes an hour after it was last seen.
    pub(super) fn expire_event(&mut self, key: &Key, event: &Object) {
        let Object::Event(event) = event else { return };
        let last = event.last_timestamp.as_ref().map_or(self.turn.now, |time| time.0);
        let until = self.steps.due(last, KEPT, self.turn.now);
        if until > self.turn.now {
            return self.due.set(key, Some(until));
        }
        self.store.remove(key);
    }
}
