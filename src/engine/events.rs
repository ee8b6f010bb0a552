//! Kubernetes Events: one for each (about, reason, message), counted, kept an hour, bounded in
//! number.
//!
//! Those that this daemon says are notes in the store. Events that are objects were read from disk,
//! or users wrote them.

use super::{Engine, LoggedEvent};
use cronlet_api::kind::{Key, Kind, Map, Object};
use cronlet_api::time::{SignedDuration, Timestamp};
use cronlet_plan::events::EventRecord;
use cronlet_plan::plan::EventDraft;
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

/// What was said of late.
#[derive(Default)]
pub(super) struct EventLog {
    /// Oldest first. An event that was reported again is in it again.
    order: VecDeque<EventEntry>,
    /// The number of the Event that tells some news.
    numbers: Map<u64, u64>,
    last_number: u64,
}

struct EventEntry {
    at: Timestamp,
    number: u64,
    news: u64,
}

impl EventLog {
    fn new_number(&mut self, now: Timestamp) -> u64 {
        let now = u64::try_from(now.as_nanosecond()).unwrap_or_default();
        self.last_number = now.max(self.last_number + 1);
        self.last_number
    }
}

impl Engine {
    /// After a start: what was said before, and is said no second time but counted.
    pub(super) fn remember_events(&mut self) {
        for key in self.store.keys(Kind::Event) {
            // What users wrote may end in a number that is no time.
            let number = EventRecord::number_in(&key.name).filter(|n| i64::try_from(*n).is_ok());
            if let Some(number) = number
                && let Some(Object::Event(event)) = self.store.get(&key)
            {
                self.notes.numbers.insert(EventRecord::news_in(&event), number);
                self.notes.last_number = self.notes.last_number.max(number);
            }
        }
    }

    pub(super) fn note(&mut self, key: &Key, about: &Object, note: EventDraft) {
        let (now, news, note) = (self.turn.now, EventRecord::news(about, &note), Arc::new(note));
        let number = self.notes.numbers.get(&news).copied();
        let count = if let Some(before) = number.and_then(|number| self.store.note(number)) {
            self.keep_note(before.again(now), news)
        } else if let Some(count) = number.and_then(|number| self.count_object(key, number)) {
            count
        } else {
            let number = self.notes.new_number(now);
            let noted =
                EventRecord::new(number, about, key.clone(), note.clone(), &mut self.seed, now);
            self.keep_note(noted, news)
        };
        self.turn.effects.notes.push(LoggedEvent { about: key.clone(), note, count });
    }

    /// Says how often it was said by now.
    fn keep_note(&mut self, noted: EventRecord, news: u64) -> i32 {
        let EventRecord { number, count, last, .. } = noted;
        self.notes.numbers.insert(news, number);
        self.notes.order.push_back(EventEntry { at: last, number, news });
        self.store.put_note(noted);
        while self.notes.order.len() > NOTES_MAX {
            self.forget_oldest_note();
        }
        count
    }

    /// The same where an object says it; `None`: none does.
    fn count_object(&mut self, about: &Key, number: u64) -> Option<i32> {
        let key = &EventRecord::key_of(about, number);
        let Some(Object::Event(mut event)) = self.store.get(key) else { return None };
        let counted = Arc::make_mut(&mut event);
        let count = counted.count.unwrap_or(1).saturating_add(1);
        counted.count = Some(count);
        counted.last_timestamp = Some(Time(self.turn.now));
        self.store.put(Object::Event(event));
        self.due.set(key, self.turn.now.checked_add(KEPT).ok());
        Some(count)
    }

    /// Forgets the oldest, unless it was said again since.
    fn forget_oldest_note(&mut self) {
        let Some(EventEntry { at, number, news }) = self.notes.order.pop_front() else { return };
        let noted = self.store.note(number);
        if noted.as_ref().is_some_and(|noted| noted.last != at) {
            return;
        }
        if noted.is_some() {
            self.store.remove_note(number);
        }
        if self.notes.numbers.get(&news) == Some(&number) {
            self.notes.numbers.remove(&news);
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
        while let Some(said) = self.notes.order.front()
            && self.steps.elapsed(said.at, now) >= KEPT
        {
            self.forget_oldest_note();
        }
    }

    /// When notes have to be looked at though nothing happens.
    pub(super) fn notes_due(&self) -> Option<Timestamp> {
        let said = self.notes.order.front()?;
        Some(self.steps.due(said.at, KEPT + SWEPT_EVERY, self.turn.now))
    }

    /// The plan of an Event that is an object: it goes an hour after it was last seen.
    pub(super) fn expire_event(&mut self, key: &Key, event: &Object) {
        let Object::Event(event) = event else { return };
        let last = event.last_timestamp.as_ref().map_or(self.turn.now, |time| time.0);
        let until = self.steps.due(last, KEPT, self.turn.now);
        if until > self.turn.now {
            return self.due.set(key, Some(until));
        }
        self.notes.numbers.remove(&EventRecord::news_in(event));
        self.store.remove(key);
    }
}
