//! Input and output of a plan: `View`, `Plan`, `Action`.

use crate::kubelet::ports::Port;
use crate::order::Order;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::run::Run;
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockSteps, SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

/// The knowledge of a plan besides the object itself.
pub struct View<'a> {
    pub now: Timestamp,
    pub steps: &'a ClockSteps,
    pub settings: &'a Settings,
    /// The objects that this one controls (by `ownerReferences`), in the order of their names.
    pub owned: &'a [Object],
    pub lookup: &'a dyn Lookup,
    /// True if the service is stopping: nothing new starts, and stops that were requested go on.
    pub stopping: bool,
}

/// Access to any object: ConfigMaps and Secrets that a pod names, a Job whose name is needed.
pub trait Lookup {
    fn get(&self, key: &Key) -> Option<Object>;

    /// Lists the objects of a kind in a namespace; reads every object of the kind.
    fn list(&self, kind: Kind, namespace: &str) -> Vec<Object>;

    /// Lists the objects of a kind that no controller owns, of the kinds that may be adopted
    /// ([`crate::controllers::controller::adopters`]).
    fn orphans(&self, kind: Kind, namespace: &str) -> Vec<Object>;

    /// Lists the pods that mount a claim and have not ended.
    fn claim_users(&self, _claim: &Key) -> Vec<Key> {
        Vec::new()
    }

    /// Lists other pods whose running containers declare the port.
    fn port_holders(&self, _port: Port, _except: &Key) -> Vec<Key> {
        Vec::new()
    }

    /// Lists the `hostPort`s of the pod that bound pods have, each with its holder.
    fn host_port_holders(&self, _pod: &Pod) -> Vec<(u16, Key)> {
        Vec::new()
    }
}

impl View<'_> {
    /// Returns the time that really passed since the stamp.
    pub fn elapsed(&self, since: Timestamp) -> SignedDuration {
        self.steps.elapsed(since, self.now)
    }

    /// Returns the stamp by the clock as it is set now.
    pub fn as_set_now(&self, stamp: Timestamp) -> Timestamp {
        self.steps.as_set_now(stamp, self.now)
    }

    /// Returns the wall time at which `wait` will have passed since the stamp; `now` if it has.
    pub fn due(&self, since: Timestamp, wait: SignedDuration) -> Timestamp {
        self.steps.due(since, wait, self.now)
    }
}

/// Decisions about one object, and the time of the next plan if nothing changes before.
#[derive(Debug, Default)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub wake_at: Option<Timestamp>,
    /// True if the plan need not be made again after its own write of its object, as any other plan
    /// is.
    pub is_settled: bool,
}

impl Plan {
    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Requests the next plan at `at`, or earlier if that was requested before.
    pub fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub fn event(&mut self, severity: Severity, reason: &'static str, message: impl Into<String>) {
        self.event_at("", severity, reason, message);
    }

    /// Adds an event about one part of the object, such as `spec.containers{main}`.
    pub fn event_at(
        &mut self,
        field_path: &str,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let (field_path, message) = (field_path.to_owned(), message.into());
        self.push(Action::Event(EventDraft { severity, reason, message, field_path }));
    }
}

/// A step to carry out. The engine carries out a plan's actions in order, in one commit.
#[derive(Debug, Clone)]
pub enum Action {
    /// A new object. The engine adds uid, creationTimestamp, resourceVersion, generation and, under
    /// `generateName`, the name. An object of that key that exists already makes this a no-op.
    Create(Object),
    /// The planned object, or one that it owns, as it shall be: metadata, spec and status together.
    /// The engine sets resourceVersion, and drops a write that changes nothing.
    Put(Object),
    /// Asks for deletion, as the API does: a Pod gets its grace period, other kinds go at once and
    /// what they own goes with them; finalizers hold an object back.
    Delete(Key),
    /// The same, but what the object owns goes before it (`propagationPolicy: Foreground`).
    DeleteAfterOwned(Key),
    /// The object of this plan is finished with: removed as soon as its finalizers are gone (a Pod
    /// whose containers have stopped).
    Remove,
    /// A Kubernetes Event about the object of this plan.
    Event(EventDraft),
    /// A line for `cronlet history` about a CronJob's slot; replaces the one of the same CronJob
    /// and slot.
    Record(Run),
    /// For the runtime, after the commit.
    Order(Order),
}

/// A Kubernetes Event, less what the engine adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    pub severity: Severity,
    /// Kubernetes' word, such as `SuccessfulCreate`.
    pub reason: &'static str,
    pub message: String,
    /// `involvedObject.fieldPath`, empty for the whole object.
    pub field_path: String,
}

/// `Event.type`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
}

/// Returns the key of an object of `kind` beside `object`, in its namespace.
pub fn beside(object: &Object, kind: Kind, name: &str) -> Key {
    Key::new(kind, object.namespace(), name)
}
