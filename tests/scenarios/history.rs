//! What was seen of a cluster, object by object: states in order, and events with their counts.

use crate::recording::Change;
use crate::words::{self, Names};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

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
    /// By title, the last spec of an object that a controller made.
    specs: BTreeMap<String, String>,
    /// Uids of Jobs with a pod that ran for a second at most.
    quick: BTreeSet<String>,
    /// By title of what keeps pods up: the most that there were, and the fewest that were available
    /// since all had been once.
    bounds: BTreeMap<String, (i64, i64)>,
    /// By title, the uid that was last seen.
    uids: BTreeMap<String, String>,
    /// Objects that gave way to others of their name without being told as gone.
    untold: BTreeSet<String>,
}

#[derive(Clone)]
pub struct State {
    pub words: String,
    /// On the way to the next: another cluster may be too fast to show it.
    pub is_passing: bool,
    /// Counts of pods that come and go: another cluster shows others.
    is_count: bool,
}

impl History {
    pub fn new<'a>(changes: impl IntoIterator<Item = &'a Change>) -> History {
        let mut history = History::default();
        let changes: Vec<&Change> = changes.into_iter().collect();
        // An event may be seen before the object that it is about.
        changes.iter().for_each(|change| history.names.learn(&change.object));
        let quick = changes.iter().filter(|change| words::quick(&change.object).is_some());
        let owners = quick.flat_map(|one| words::items(&one.object["metadata"]["ownerReferences"]));
        history.quick =
            owners.filter_map(|owner| owner["uid"].as_str()).map(str::to_owned).collect();
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
        self.bound(&title, &change.object);
        if let Some(spec) = words::made_spec(&change.object, &self.names) {
            self.specs.insert(title.clone(), spec);
        }
        let uid = change.object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let is_passing = is_passing || self.quick.contains(&uid) && words::is_count(&change.object);
        let before = self.uids.insert(title.clone(), uid.clone());
        let is_another = before.is_some_and(|before| before != uid);
        let states = self.states.entry(title.clone()).or_default();
        if is_another && states.last().is_some_and(|last| last.words != GONE) {
            let words = GONE.to_owned();
            states.push(State { words, is_passing: false, is_count: false });
            self.untold.insert(title);
        }
        if states.last().is_none_or(|last| last.words != words) {
            let is_count = words::is_count(&change.object);
            states.push(State { words, is_passing, is_count });
        }
    }

    fn bound(&mut self, title: &str, object: &Value) {
        if !matches!(object["kind"].as_str(), Some("Deployment" | "StatefulSet")) {
            return;
        }
        let count = |field: &str| object["status"][field].as_i64().unwrap_or(0);
        let (pods, available) = (count("replicas"), count("availableReplicas"));
        let all = Some(available) == object["spec"]["replicas"].as_i64();
        let known = self.bounds.get(title).copied().or(all.then_some((pods, available)));
        if let Some((most, fewest)) = known {
            self.bounds.insert(title.to_owned(), (most.max(pods), fewest.min(available)));
        }
    }

    /// Leaves out what is known to differ, by a part of its words.
    pub fn leave_out(&mut self, differs: impl Fn(&str) -> bool) {
        self.events.retain(|words, _| !differs(words));
        self.states.retain(|title, _| !differs(title));
        self.states.values_mut().for_each(|states| states.retain(|state| !differs(&state.words)));
    }

    /// What this history lacks to be where `other` is, or beyond; at the end, what counts pods has
    /// to have come to rest.
    pub fn lacks(&self, other: &History, at_end: bool) -> Option<String> {
        for (title, states) in &other.states {
            let is_due = |state: &&State| !state.is_passing || at_end && state.is_count;
            let Some(last) = states.iter().rfind(is_due) else { continue };
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
        let untold = self.untold.difference(&recorded.untold);
        found.extend(
            untold.map(|title| format!("{title}: another has its name, and it did not go")),
        );
        for (title, states) in &recorded.states {
            let Some(own) = self.states.get(title) else { continue };
            found.extend(out_of_order(own, states).map(|what| format!("{title}: {what}")));
        }
        for (title, spec) in &recorded.specs {
            let own = self.specs.get(title).filter(|own| *own != spec);
            found.extend(own.map(|own| format!("{title}: spec\n  {own}\nrecorded\n  {spec}")));
        }
        for (title, (most, fewest)) in &recorded.bounds {
            let own = self.bounds.get(title).copied().unwrap_or((i64::MAX, 0));
            if own.0 > *most || own.1 < *fewest {
                let (pods, available) = own;
                found.push(format!(
                    "{title}: up to {pods} pods and down to {available} available, \
                     recorded {most} and {fewest}"
                ));
            }
        }
        for (words, count) in &recorded.events {
            let own = self.events.get(words).filter(|own| *own != count && *count > 0);
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
