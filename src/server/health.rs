//! `/livez`, `/readyz` and `/healthz`: how the daemon's other threads are, as they say it
//! themselves.
//!
//! Alive: the engine's thread ends its turns. Ready: alive, the jobs folder was read, and the state
//! can be written. The answers have the form of the API server's.

use super::query::Query;
use super::response::{self, Answer, Body};
use hyper::StatusCode;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A turn that takes longer is stuck. The longest turn that is measured takes below a second.
const TURN_MAX: Duration = Duration::from_secs(30);

/// Condition of the engine's thread and the folder's, as they report it.
#[derive(Default)]
pub struct Health(Mutex<State>);

#[derive(Default)]
struct State {
    /// Since when the turn lasts; `None` between turns.
    turn_since: Option<Instant>,
    /// Why the state cannot be written now.
    storage_fault: Option<String>,
    is_started: bool,
    is_stopping: bool,
}

/// A question about the daemon's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Live,
    Ready,
    /// The older name of `Ready`.
    Health,
}

impl Health {
    pub fn turn_begins(&self) {
        self.state().turn_since = Some(Instant::now());
    }

    pub fn turn_ends(&self) {
        self.state().turn_since = None;
    }

    /// `None`: it can be written.
    pub fn note_storage(&self, fault: Option<String>) {
        self.state().storage_fault = fault;
    }

    /// The jobs folder was read, and what it says was decided on.
    pub fn started(&self) {
        self.state().is_started = true;
    }

    pub fn stopping(&self) {
        self.state().is_stopping = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// Each check with what fails it.
    fn checks(&self, question: Question) -> Vec<(&'static str, Option<String>)> {
        let state = self.state();
        let is_stuck = state.turn_since.is_some_and(|since| since.elapsed() > TURN_MAX);
        let mut checks =
            vec![("ping", None), ("engine", is_stuck.then(|| "a turn does not end".to_owned()))];
        if question != Question::Live {
            let word = |is_so: bool, why: &str| is_so.then(|| why.to_owned());
            checks.push(("storage", state.storage_fault.clone()));
            checks.push(("folder", word(!state.is_started, "the jobs folder is being read")));
            checks.push(("shutdown", word(state.is_stopping, "the daemon is shutting down")));
        }
        checks
    }
}

/// Answers as the API server does: `ok`, or each check with `[+]` or `[-]` where one fails or all
/// are asked for.
pub(crate) fn answer(health: &Health, question: Question, query: &Query) -> Answer {
    let name = match question {
        Question::Live => "livez",
        Question::Ready => "readyz",
        Question::Health => "healthz",
    };
    let checks = health.checks(question);
    let fails = checks.iter().any(|(_, fault)| fault.is_some());
    if !fails && query.get("verbose").is_none() {
        return response::text("ok");
    }
    let mut text = String::new();
    for (check, fault) in checks {
        match fault {
            None => text.push_str(&format!("[+]{check} ok\n")),
            Some(why) => text.push_str(&format!("[-]{check} failed: {why}\n")),
        }
    }
    text.push_str(&format!("{name} check {}\n", if fails { "failed" } else { "passed" }));
    let code = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    response::typed(code, "text/plain; charset=utf-8", Body::Whole(Some(text.into())))
}
