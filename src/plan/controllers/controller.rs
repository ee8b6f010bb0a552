//! What controllers have in common: they own what they make, take in what matches their selector
//! and no one owns, and let go what no longer matches.

use super::tally::{self, Tally};
use crate::kubelet::tracking;
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::admission::{self, Identity};
use cronlet_api::annotations::REFUSED;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::seed::Seed;
use cronlet_api::selector;
use cronlet_api::time::SignedDuration;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

/// At most this many pods are made or deleted per plan (`BurstReplicas`,
/// `MaxPodCreateDeletePerSync`): the rest waits for the next one, which follows at once. Kubernetes
/// has 500; here nothing else is decided until a plan's pods are made.
pub const PODS_PER_PLAN_MAX: usize = 250;

/// A generated name leaves room for its five letters.
const BASE_LENGTH_MAX: usize = 58;

/// Which kinds may take in an object of this kind that no controller owns.
pub fn adopters(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Pod => &[Kind::Job, Kind::ReplicaSet, Kind::StatefulSet, Kind::DaemonSet],
        Kind::ReplicaSet => &[Kind::Deployment],
        Kind::ControllerRevision => &[Kind::StatefulSet, Kind::DaemonSet],
        _ => &[],
    }
}

/// No controller owns it, and one may adopt it.
pub fn is_orphan(object: &Object) -> bool {
    !adopters(object.kind()).is_empty() && object.controller_uid().is_none()
}

/// True if the controller would take in the orphan: its selector matches the labels, and neither of
/// them is being deleted.
pub fn adopts(controller: &Object, orphan: &Object) -> bool {
    let selector = match controller {
        Object::DaemonSet(set) => set.spec.as_ref().map(|spec| &spec.selector),
        Object::Deployment(deployment) => deployment.spec.as_ref().map(|spec| &spec.selector),
        Object::Job(job) => job.spec.as_ref().and_then(|spec| spec.selector.as_ref()),
        Object::ReplicaSet(set) => set.spec.as_ref().map(|spec| &spec.selector),
        Object::StatefulSet(set) => set.spec.as_ref().map(|spec| &spec.selector),
        _ => None,
    };
    let Some(selector) = selector else { return false };
    Controller { kind: controller.kind(), meta: controller.meta(), selector }.adopts(orphan)
}

/// An object that owns others.
#[derive(Clone, Copy)]
pub struct Controller<'a> {
    pub kind: Kind,
    pub meta: &'a ObjectMeta,
    pub selector: &'a LabelSelector,
}

impl Controller<'_> {
    /// What an object says of its controller (`metav1.NewControllerRef`).
    pub fn reference(&self) -> OwnerReference {
        let info = self.kind.info();
        OwnerReference {
            api_version: info.api_version(),
            kind: info.kind.to_owned(),
            name: self.meta.name.clone().unwrap_or_default(),
            uid: self.meta.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    fn uid(&self) -> &str {
        self.meta.uid.as_deref().unwrap_or_default()
    }

    fn is_going(&self) -> bool {
        self.meta.deletion_timestamp.is_some()
    }

    fn matches(&self, object: &Object) -> bool {
        let nothing = Default::default();
        let labels = object.meta().labels.as_ref().unwrap_or(&nothing);
        !selector::is_empty(self.selector) && selector::matches(self.selector, labels)
    }

    fn adopts(&self, orphan: &Object) -> bool {
        !self.is_going() && !orphan.is_going() && self.matches(orphan)
    }

    /// The objects of a kind that it controls and that match its selector, changing nothing
    /// (`FilterClaimedPods`).
    pub fn claimed(&self, kind: Kind, view: &View) -> Vec<Object> {
        let mut owned = self.owned(kind, view);
        owned.retain(|object| self.matches(object));
        owned
    }

    fn owned(&self, kind: Kind, view: &View) -> Vec<Object> {
        let all = view.owned.iter().filter(|object| object.kind() == kind);
        all.filter(|object| object.controller_uid() == Some(self.uid())).cloned().collect()
    }

    /// The `wanted` objects of a kind that are its own from now on: those that it controls less
    /// those that it lets go, and those that it takes in (`ControllerRefManager`).
    pub fn claim(
        &self,
        kind: Kind,
        view: &View,
        plan: &mut Plan,
        wanted: impl Fn(&Object) -> bool,
    ) -> Vec<Object> {
        let owned = self.owned(kind, view).into_iter().filter(|object| wanted(object));
        let (mut own, strange): (Vec<Object>, Vec<Object>) =
            owned.partition(|object| self.matches(object));
        if self.is_going() {
            return own;
        }
        for object in strange {
            plan.push(Action::Put(self.released(object)));
        }
        let namespace = self.meta.namespace.as_deref().unwrap_or_default();
        for orphan in view.lookup.orphans(kind, namespace) {
            if wanted(&orphan) && self.adopts(&orphan) {
                let adopted = self.adopted(orphan);
                plan.push(Action::Put(adopted.clone()));
                own.push(adopted);
            }
        }
        own
    }

    fn released(&self, mut object: Object) -> Object {
        object.disown(self.uid());
        if self.kind == Kind::Job {
            tracking::remove(object.meta_mut());
        }
        object
    }

    fn adopted(&self, mut object: Object) -> Object {
        let owners = object.meta_mut().owner_references.get_or_insert_default();
        owners.retain(|owner| owner.uid != self.uid());
        owners.push(self.reference());
        if self.kind == Kind::Job {
            tracking::add(object.meta_mut());
        }
        object
    }

    /// A pod of its template (`GetPodFromTemplate`). `nth` tells the pods of one plan apart.
    pub fn pod(&self, template: &PodTemplateSpec, nth: u64, view: &View) -> Pod {
        let base = format!("{}-", self.meta.name.as_deref().unwrap_or_default());
        let meta = template.metadata.clone().unwrap_or_default();
        let metadata = ObjectMeta {
            name: Some(free_name(self.meta, &base, nth, view)),
            generate_name: Some(base),
            namespace: self.meta.namespace.clone(),
            labels: meta.labels,
            annotations: meta.annotations,
            finalizers: meta.finalizers,
            owner_references: Some(vec![self.reference()]),
            ..ObjectMeta::default()
        };
        Pod { metadata, spec: template.spec.clone(), status: None }
    }
}

/// Admits a new object as the API server would; the error is its answer, with the generated name
/// left out, so that the same refusal is the same text at each try.
pub fn admitted(object: &Object) -> Result<(), String> {
    let identity = Identity { uid: "00000000-0000-4000-8000-000000000000", suffix: "" };
    let Err(refused) = admission::create(object.clone(), object.namespace(), &identity) else {
        return Ok(());
    };
    let why = refused.to_string();
    match &object.meta().generate_name {
        Some(base) => Err(why.replace(object.name(), base)),
        None => Err(why),
    }
}

/// The first wait before a refused pod is tried again (`DefaultJobApiBackOff`). The other
/// controllers of Kubernetes begin with milliseconds, as their API server may be out of reach for
/// one; what is refused here is refused for what it says.
const TRY_AGAIN_MIN: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait of the controllers of `apps` (`DefaultTypedControllerRateLimiter`).
pub const TRY_AGAIN_MAX: SignedDuration = SignedDuration::from_secs(1000);

/// The pods of one object that admission has refused since it took the last.
///
/// A plan that makes pods asks admission each time, so they are made as soon as they may. Between
/// two tries it says nothing: a try is an event and a count, and the waits double.
#[derive(Debug, Clone, Copy)]
pub struct Refusals {
    before: Option<Tally>,
    now: Option<Tally>,
    longest: SignedDuration,
}

impl Refusals {
    pub fn of(meta: &ObjectMeta, longest: SignedDuration) -> Refusals {
        Refusals { before: Tally::read(meta, REFUSED), now: None, longest }
    }

    /// Notes a pod that is refused, with the event `Error creating`.
    pub fn note(&mut self, why: &str, view: &View, plan: &mut Plan) {
        if self.is_try(view, plan) {
            plan.event(Severity::Warning, "FailedCreate", format!("Error creating: {why}"));
        }
    }

    /// Counts a refusal, and asks for the next try; true if this one was due, and is to be told.
    pub fn is_try(&mut self, view: &View, plan: &mut Plan) -> bool {
        let next = |tally: &Tally| tally.next_try(TRY_AGAIN_MIN, self.longest, view);
        let waits = self.before.filter(|before| next(before) > view.now);
        let tally = waits.unwrap_or_else(|| Tally::and(self.before, view.now));
        plan.wake(next(&tally));
        self.now = Some(tally);
        waits.is_none()
    }

    /// Keeps what is known where no pod was tried.
    pub fn keep(&mut self) {
        self.now = self.before;
    }

    /// The object's metadata as it shall be written.
    pub fn written<'a>(&self, meta: &'a ObjectMeta) -> Cow<'a, ObjectMeta> {
        let mut written = Cow::Borrowed(meta);
        if self.now != self.before {
            match self.now {
                Some(tally) => tally.write(written.to_mut(), REFUSED),
                None => tally::clear(written.to_mut(), REFUSED),
            }
        }
        written
    }
}

/// A pod's name that looks drawn by lot as the API server's do, and yet is the same when the same
/// plan runs again: so the second time the pod exists already, and nothing is made.
pub fn free_name(owner: &ObjectMeta, base: &str, nth: u64, view: &View) -> String {
    let base = base.get(..BASE_LENGTH_MAX).unwrap_or(base);
    let mut hash = DefaultHasher::new();
    hash.write(owner.uid.as_deref().unwrap_or_default().as_bytes());
    hash.write_i128(view.now.as_nanosecond());
    hash.write_u64(nth);
    let mut seed = Seed::new(hash.finish());
    loop {
        let name = format!("{base}{}", seed.suffix());
        let namespace = owner.namespace.as_deref().unwrap_or_default();
        if view.lookup.get(&Key::new(Kind::Pod, namespace, &name)).is_none() {
            return name;
        }
    }
}
