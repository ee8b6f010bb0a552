//! What was seen of a cluster, object by object: states in order, and events with their counts.

use crate::recording::Change;
use crate::words::{self, Names};
use std::collections::BTreeMap;

/// The last state of an object that is gone.
const GONE: &str = "gone";

#[derive(Default)]
pub struct History {
    pub names: Names,
    /// Titles in the order of their making.
    pub made: Vec<String>,
    /// By title; no state follows itself.
    pub states: BTreeMap<String, Vec<State>>,
    pub events: BTreeMap<String, u64>,
}

#[derive(Clone)]
pub struct State {
    pub words: String,
    /// On the way to the next: another cluster may be too fast to show it.
    pub is_passing: bool,
    /// Counts of a Job while its pods run: it is looked at here when there are news, and not a
    /// second later, so that there are more of them.
    is_count: bool,
}

impl History {
    pub fn new<'a>(changes: impl IntoIterator<Item = &'a Change>) -> History {
        let mut history = History::default();
        let changes: Vec<&Change> = changes.into_iter().collect();
        // An event may be seen before the object that it is about.
        changes.iter().for_each(|change| history.names.learn(&change.object));
        for change in changes {
            match change.object["kind"].as_str() {
                Some("Event") => history.take_event(change),
                // Not of the scenarios' making.
                Some("Namespace" | "Node" | "EndpointSlice" | "ConfigMap" | "Secret") => {}
                _ => history.take_state(change),
            }
        }
        history
    }

    fn take_event(&mut self, change: &Change) {
        if let Some((words, count)) = words::event(&change.object, &self.names) {
            let most = self.events.entry(words).or_default();
            *most = count.max(*most);
        }
    }

    fn take_state(&mut self, change: &Change) {
        let title = words::title(&change.object, &self.names);
        let (words, is_passing) = match change.is_deleted {
            true => (GONE.to_owned(), false),
            false => (words::state(&change.object, &self.names), words::is_passing(&change.object)),
        };
        if let Some(quick) = words::quick(&change.object)
            && let Some(states) = self.states.get_mut(&title)
        {
            // What ran for a second at most may have ended when it was first looked at.
            let running = states.iter_mut().filter(|state| state.words.contains(&quick));
            running.for_each(|state| state.is_passing = true);
        }
        if !self.states.contains_key(&title) {
            self.made.push(title.clone());
        }
        let states = self.states.entry(title).or_default();
        if states.last().is_none_or(|last| last.words != words) {
            let is_count = words::is_count(&change.object);
            states.push(State { words, is_passing, is_count });
        }
    }

    /// What this history lacks to be where `other` is, or beyond.
    pub fn lacks(&self, other: &History) -> Option<String> {
        for (title, states) in &other.states {
            let Some(last) = states.iter().rfind(|state| !state.is_passing) else { continue };
            let own = self.states.get(title).map(Vec::as_slice).unwrap_or_default();
            if !own.iter().any(|state| state.words == last.words) {
                return Some(format!("{title} was not yet\n  {}", last.words));
            }
        }
        let enough = |(words, count): &(&String, &u64)| {
            let own = self.events.get(*words);
            own.is_some_and(|own| own >= *count || !words::is_counted(words))
        };
        let absent = other.events.iter().find(|event| !enough(event));
        absent.map(|(words, count)| format!("not {count} events {words}"))
    }

    /// In what this history differs from a recorded one: every state here is a recorded one, in the
    /// same order; the recorded ones that are not here are passing ones; and the events are the
    /// same, as often where that is a count of things that happened.
    pub fn differences(&self, recorded: &History) -> Vec<String> {
        let mut found = Vec::new();
        for (what, one, other) in [("more", self, recorded), ("not", recorded, self)] {
            let only = one.made.iter().filter(|title| !other.states.contains_key(*title));
            found.extend(only.map(|title| format!("{title}: {what} here")));
            let only = one.events.keys().filter(|words| !other.events.contains_key(*words));
            found.extend(only.map(|words| format!("event {what} here: {words}")));
        }
        for (title, states) in &recorded.states {
            let Some(own) = self.states.get(title) else { continue };
            found.extend(out_of_order(own, states).map(|what| format!("{title}: {what}")));
        }
        for (words, count) in &recorded.events {
            let own = self.events.get(words).filter(|own| *own != count);
            if let Some(own) = own.filter(|_| words::is_counted(words)) {
                found.push(format!("event {own} times, recorded {count}: {words}"));
            }
        }
        found
    }
}

/// Where one object's states are not the recorded ones.
fn out_of_order(own: &[State], recorded: &[State]) -> Option<String> {
    let mut ahead = recorded;
    for state in own {
        let Some(at) = ahead.iter().position(|other| other.words == state.words) else {
            if state.is_count {
                continue;
            }
            let next = ahead.first().map_or("the end", |next| &next.words);
            return Some(format!("was\n  {}\nrecorded next was\n  {next}", state.words));
        };
        if let Some(missed) = ahead[..at].iter().find(|other| !other.is_passing) {
            return Some(format!("was\n  {}\nand not\n  {}", state.words, missed.words));
        }
        ahead = &ahead[at + 1..];
    }
    let left = ahead.iter().find(|other| !other.is_passing);
    left.map(|missed| format!("never came to\n  {}", missed.words))
}

#[test]
fn only_passing_states_may_be_missing() {
    let states = |words: &str| -> Vec<State> {
        let state = |word: &str| State {
            words: word.trim_end_matches(['?', '#']).to_owned(),
            is_passing: word.ends_with('?'),
            is_count: word.ends_with('#'),
        };
        words.split_whitespace().map(state).collect()
    };
    let check = |own: &str, recorded: &str, want: &str| {
        let got = out_of_order(&states(own), &states(recorded)).unwrap_or_default();
        assert_eq!(got.replace('\n', ""), want, "{own} for {recorded}");
    };
    check("a b c", "a b c", "");
    check("a c", "a b? c", "");
    check("a c", "a b c", "was  cand not  b");
    check("b a", "a b", "was  band not  a");
    check("a x c", "a c", "was  xrecorded next was  c");
    check("a x# c", "a c", "");
    check("a", "a c", "never came to  c");
    check("a", "a c?", "");
    check("a c", "a", "was  crecorded next was  the end");
}
