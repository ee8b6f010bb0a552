//! What must hold of services after every turn, a file for each kind of promise. The rules are
//! written apart from the controllers, from what Kubernetes promises, and know nothing of how it is
//! kept.
//!
//! Programs crash and probes fail: what counts is what controllers do. A pod that a user deletes,
//! or whose service goes or shrinks, was not taken by a rollout.

pub(super) mod backoff;

pub(super) mod claims;

pub(super) mod daemon_set;

pub(super) mod deployment;

pub(super) mod owners;

pub(super) mod proportion;

pub(super) mod stateful_set;

pub(super) mod volumes;

pub(super) mod writes;

use cronlet_api::kind::Object;
use cronlet_api::time::Timestamp;
use cronlet_plan::kubelet::availability;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};

/// The store keeps whole seconds: a pod counts as ready for so much longer than was seen.
pub(super) const SLACK_MILLISECONDS: i64 = 2000;

/// A pod of a service, as last committed.
#[derive(Debug)]
pub(super) struct Member {
    pub uid: String,
    pub is_active: bool,
    pub is_going: bool,
    /// Since when it was seen ready, in true milliseconds.
    pub ready_at: Option<i64>,
    /// Since when also a daemon knows that by a clock that was set back while it was away.
    pub known_at: Option<i64>,
    /// Of the template that it was made of.
    pub version: String,
    /// When it was made, by the clock of that moment.
    pub made_at: Option<Timestamp>,
}

impl Member {
    pub(crate) fn of(pod: &Pod, before: Option<&Member>, now: i64) -> Member {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let before = before.filter(|one| one.uid == uid);
        let is_ready = availability::is_ready(pod);
        let since = |at: Option<i64>| is_ready.then(|| at.unwrap_or(now));
        let command = pod.spec.iter().flat_map(|spec| &spec.containers).next();
        let command = command.and_then(|container| container.command.as_ref());
        Member {
            uid,
            is_active: availability::is_active(pod),
            is_going: availability::is_going(pod),
            ready_at: since(before.and_then(|one| one.ready_at)),
            known_at: since(before.and_then(|one| one.known_at)),
            version: command.and_then(|words| words.last().cloned()).unwrap_or_default(),
            made_at: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
        }
    }
}

/// An active pod that is asked to go.
#[derive(Debug)]
pub(super) struct Taken {
    pub pod: String,
    /// Since when it was known to be ready, if it was.
    pub known_at: Option<i64>,
    pub made_at: Option<Timestamp>,
}

/// What happened to a service in one turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Names of pods that are new.
    pub made: Vec<String>,
    pub taken: Vec<Taken>,
    /// Names of pods that ceased to be ready, maybe after what else happened: turns that only hear
    /// of ends are committed together.
    pub fell: BTreeSet<String>,
    /// The service as it was, where it is another now.
    pub before: Option<Object>,
    /// `spec.replicas` was edited, or the service is new or gone.
    pub resized: bool,
}

/// What a rule sees of one service.
pub(super) struct Scene<'a> {
    pub name: &'a str,
    pub turn: &'a Turn,
    pub pods: &'a BTreeMap<String, Member>,
    /// True milliseconds.
    pub now: i64,
}

impl Scene<'_> {
    pub(crate) fn active(&self) -> impl Iterator<Item = &Member> {
        self.pods.values().filter(|one| one.is_active)
    }

    pub(crate) fn check_at_most(&self, most: usize) -> Result<(), String> {
        match self.active().count() {
            active if active > most => Err(format!("{} has {active} pods of {most}", self.name)),
            _ => Ok(()),
        }
    }

    /// Whether it was ready for long enough, in doubt.
    pub(crate) fn is_up(&self, one: &Member, wait_seconds: Option<i32>) -> bool {
        one.is_active && self.is_over(one.ready_at, wait_seconds, SLACK_MILLISECONDS)
    }

    /// Pods that were ready for long enough, without any doubt, and were taken.
    pub(crate) fn taken_up(&self, wait_seconds: Option<i32>) -> Vec<&Taken> {
        let taken = self.turn.taken.iter();
        taken.filter(|one| self.is_over(one.known_at, wait_seconds, 0)).collect()
    }

    fn is_over(&self, ready_at: Option<i64>, wait_seconds: Option<i32>, slack: i64) -> bool {
        let wait = i64::from(wait_seconds.unwrap_or(0)) * 1000;
        ready_at.is_some_and(|at| at + wait <= self.now + slack)
    }
}

/// A number of pods, or a share of `all` in percent with `add` hundredths of a pod.
pub(super) fn pods(value: Option<&IntOrString>, all: usize, add: usize) -> usize {
    match value {
        Some(IntOrString::Int(count)) => usize::try_from(*count).unwrap_or(0),
        Some(IntOrString::String(text)) => {
            let percent: usize = text.trim_end_matches('%').parse().unwrap_or(0);
            (percent * all + add) / 100
        }
        None => 0,
    }
}
