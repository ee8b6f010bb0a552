//! ControllerRevisions: each template that a StatefulSet or a DaemonSet has had is one, so that it
//! can come back. A template that does come back gets the next number.

use super::controller::Controller;
use crate::plan::{Action, Plan, View};
use cronlet_api::annotations::COUNTS;
use cronlet_api::deployment::hash;
use cronlet_api::kind::{Key, Kind, Object};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The label of a StatefulSet's revisions that has the hash of the template.
pub const HASH: &str = "controller.kubernetes.io/hash";

/// The label of pods that names their revision, and of a DaemonSet's revisions that has the hash.
pub const POD_REVISION: &str = "controller-revision-hash";

/// A revision's name keeps so much of its controller's.
const NAME_LENGTH_MAX: usize = 223;

/// Templates of one hash are not as many as this.
const COLLISIONS_MAX: i32 = 1000;

/// The revisions of a controller, the oldest first.
pub struct Revisions {
    pub all: Vec<Arc<ControllerRevision>>,
    /// `status.collisionCount`
    pub collisions: i32,
}

impl Revisions {
    /// Those among the objects, in the order of their numbers.
    pub fn of(objects: Vec<Object>, collisions: i32) -> Revisions {
        let revision = |object| match object {
            Object::ControllerRevision(revision) => Some(revision),
            _ => None,
        };
        let mut all: Vec<Arc<ControllerRevision>> =
            objects.into_iter().filter_map(revision).collect();
        all.sort_by(|a, b| {
            let order = |one: &ControllerRevision| {
                let created = one.metadata.creation_timestamp.as_ref().map(|time| time.0);
                (one.revision, created, one.metadata.name.clone())
            };
            order(a).cmp(&order(b))
        });
        Revisions { all, collisions }
    }

    pub fn named(&self, name: &str) -> Option<Arc<ControllerRevision>> {
        self.all.iter().find(|one| one.metadata.name.as_deref() == Some(name)).cloned()
    }

    /// The revision of the present template: it is the last one, or one that comes back, or a new
    /// one under `label` (`getStatefulSetRevisions`). A controller that is going makes none: its
    /// own go with it.
    pub fn present(
        &mut self,
        template: &PodTemplateSpec,
        label: &str,
        controller: &Controller,
        view: &View,
        plan: &mut Plan,
    ) -> Arc<ControllerRevision> {
        let data = patch(template);
        let is_equal = |one: &&Arc<ControllerRevision>| one.data.as_ref() == Some(&data);
        let is_going = controller.meta.deletion_timestamp.is_some();
        let mut ask = |action| {
            if !is_going {
                plan.push(action);
            }
        };
        let next = self.all.last().map_or(0, |last| last.revision).saturating_add(1);
        let found = self.all.iter().rfind(is_equal).cloned();
        let present = match found {
            Some(found) if found.revision + 1 == next => return found,
            Some(mut found) => {
                Arc::make_mut(&mut found).revision = next;
                ask(Action::Put(Object::ControllerRevision(found.clone())));
                self.all.retain(|one| one.metadata.name != found.metadata.name);
                found
            }
            None => {
                let made = Arc::new(self.made(template, data, next, label, controller, view));
                ask(Action::Create(Object::ControllerRevision(made.clone())));
                made
            }
        };
        self.all.push(present.clone());
        present
    }

    fn made(
        &mut self,
        template: &PodTemplateSpec,
        data: RawExtension,
        revision: i64,
        label: &str,
        controller: &Controller,
        view: &View,
    ) -> ControllerRevision {
        let base = controller.meta.name.as_deref().unwrap_or_default();
        let base = base.get(..NAME_LENGTH_MAX).unwrap_or(base);
        let namespace = controller.meta.namespace.as_deref().unwrap_or_default();
        let (hash, name) = loop {
            let collisions = Some(self.collisions).filter(|count| *count > 0);
            let hash = hash::of(template, collisions);
            let name = format!("{base}-{hash}");
            let key = Key::new(Kind::ControllerRevision, namespace, &name);
            if view.lookup.get(&key).is_none() || self.collisions >= COLLISIONS_MAX {
                break (hash, name);
            }
            // Another template has this hash, or someone else this name.
            self.collisions += 1;
        };
        let mut labels = template.metadata.as_ref().and_then(|meta| meta.labels.clone());
        labels.get_or_insert_default().insert(label.to_owned(), hash);
        let mut annotations = controller.meta.annotations.clone();
        annotations.iter_mut().for_each(|all| all.retain(|name, _| !COUNTS.contains(&&**name)));
        ControllerRevision {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(namespace.to_owned()),
                labels,
                annotations,
                owner_references: Some(vec![controller.reference()]),
                ..ObjectMeta::default()
            },
            data: Some(data),
            revision,
        }
    }

    /// Deletes the oldest of those that are not in use, until `limit` of them are left.
    pub fn truncate(&self, in_use: &BTreeSet<&str>, limit: i32, plan: &mut Plan) {
        let name = |one: &ControllerRevision| one.metadata.name.clone().unwrap_or_default();
        let unused: Vec<&Arc<ControllerRevision>> =
            self.all.iter().filter(|one| !in_use.contains(name(one).as_str())).collect();
        let surplus = unused.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for revision in &unused[..surplus] {
            let key = Object::ControllerRevision((*revision).clone()).key();
            plan.push(Action::Delete(key));
        }
    }
}

/// What a revision holds: a patch that makes the template what it was, as kubectl applies it.
fn patch(template: &PodTemplateSpec) -> RawExtension {
    let mut template = serde_json::to_value(template).expect("Kubernetes' types always serialize");
    template["$patch"] = "replace".into();
    RawExtension(json!({"spec": {"template": template}}))
}

/// The template that a revision holds.
pub fn template(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut template = revision.data.as_ref()?.0.get("spec")?.get("template")?.clone();
    template
        .as_object_mut()
        .map(|fields: &mut serde_json::Map<String, Value>| fields.remove("$patch"));
    serde_json::from_value(template).ok()
}
