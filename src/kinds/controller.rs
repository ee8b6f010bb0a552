//! What controllers have in common: they own what they make, take in what matches their selector
//! and no one owns, and let go what no longer matches.

use super::action::{Action, Plan, View};
use super::admission::{self, Identity};
use super::{Key, Kind, Object, selector};
use crate::seed::Seed;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use std::hash::{DefaultHasher, Hasher};

/// A generated name leaves room for its five letters.
const BASE_LENGTH_MAX: usize = 58;

/// Which kinds may take in an object of this kind that no controller owns.
pub fn adopters(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Pod => &[Kind::ReplicaSet, Kind::StatefulSet, Kind::DaemonSet],
        Kind::ReplicaSet => &[Kind::Deployment],
        Kind::ControllerRevision => &[Kind::StatefulSet, Kind::DaemonSet],
        _ => &[],
    }
}

/// No controller owns it, and one may adopt it.
pub fn is_orphan(object: &Object) -> bool {
    !adopters(object.kind()).is_empty() && object.controller_uid().is_none()
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
        for orphan in view.others.orphans(kind, namespace) {
            if !orphan.is_going() && wanted(&orphan) && self.matches(&orphan) {
                let adopted = self.adopted(orphan);
                plan.push(Action::Put(adopted.clone()));
                own.push(adopted);
            }
        }
        own
    }

    fn released(&self, mut object: Object) -> Object {
        object.disown(self.uid());
        object
    }

    fn adopted(&self, mut object: Object) -> Object {
        let owners = object.meta_mut().owner_references.get_or_insert_default();
        owners.retain(|owner| owner.uid != self.uid());
        owners.push(self.reference());
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

/// Whether the API server would take a new object, and if not, why.
pub fn admitted(object: Object) -> Result<(), String> {
    let identity = Identity { uid: "00000000-0000-4000-8000-000000000000", suffix: "" };
    let namespace = object.namespace().to_owned();
    match admission::create(object, &namespace, &identity) {
        Ok(_) => Ok(()),
        Err(refused) => Err(refused.to_string()),
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
        if view.others.get(&Key::new(Kind::Pod, namespace, &name)).is_none() {
            return name;
        }
    }
}
