//! Revisions: each template that a Deployment has had is one, kept as a ReplicaSet. A template that
//! comes back gets the next number, and its set remembers the numbers before.

use super::plan::Sync;
use super::sets::Set;
use crate::controllers::controller::admitted;
use crate::plan::Severity;
use cronlet_api::deployment::annotations::{REVISION, REVISION_HISTORY, is_own};
use cronlet_api::deployment::conditions::{
    self, DEPLOYMENT_RESUMED, NEW_SET_CREATED, NEW_SET_FOUND, PROGRESSING, SET_CREATE_ERROR,
};
use cronlet_api::deployment::hash;
use cronlet_api::kind::{Key, Kind};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// More letters of history are not kept: the oldest numbers go.
const HISTORY_LENGTH_MAX: usize = 2000;

/// The revision of a set; 0 where it has none.
pub(super) fn of(set: &Set) -> i64 {
    set.number(REVISION).unwrap_or(0)
}

impl Sync<'_> {
    /// Brings the set of the present template, where there is one, up to the Deployment: revision,
    /// annotations, `minReadySeconds` (`getNewReplicaSet`).
    pub(super) fn update_new_set(&mut self) {
        let Some(new) = self.new else { return };
        let next = self.next_revision();
        self.annotate(new, next);
        let min_ready_seconds = self.spec.min_ready_seconds;
        let spec = self.sets[new].set().spec.as_ref();
        if spec.and_then(|spec| spec.min_ready_seconds) != min_ready_seconds {
            let spec = self.sets[new].set_mut().spec.get_or_insert_default();
            spec.min_ready_seconds = min_ready_seconds;
        }
        self.note_revision(new);
        if conditions::has_deadline(self.spec)
            && conditions::find(&self.status, PROGRESSING).is_none()
        {
            let message = format!("Found new replica set {:?}", self.sets[new].name());
            self.condition(PROGRESSING, "True", NEW_SET_FOUND, message);
        }
    }

    /// Makes the set of the present template where there is none. Says whether there is one then.
    pub(super) fn have_new_set(&mut self) -> bool {
        if self.new.is_some() {
            return true;
        }
        let collisions = self.status.collision_count;
        let hash = hash::of(&self.spec.template, collisions);
        let name = format!("{}-{hash}", self.metadata.name.as_deref().unwrap_or_default());
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        if self.view.lookup.get(&Key::new(Kind::ReplicaSet, namespace, &name)).is_some() {
            // Another template has this hash, or someone else this name: the next plan, which
            // follows at once, tries another.
            self.status.collision_count = Some(collisions.unwrap_or(0).saturating_add(1));
            return false;
        }
        let set = self.new_set(name, &hash);
        if let Err(why) = admitted(&set.clone().into()) {
            self.tell_refusal(&set, &why);
            return false;
        }
        let next = self.next_revision();
        self.sets.push(Set::made(set));
        let new = self.sets.len() - 1;
        self.new = Some(new);
        self.annotate(new, next);
        let size = self.bounds.new_size(0, self.total(Set::size));
        self.scale(new, size);
        self.note_revision(new);
        // In Kubernetes the write of this condition meets that of the resumption and fails.
        let is_resumed = conditions::has_reason(&self.status, PROGRESSING, DEPLOYMENT_RESUMED);
        if conditions::has_deadline(self.spec) && !is_resumed {
            let message = format!("Created new replica set {:?}", self.sets[new].name());
            self.condition(PROGRESSING, "True", NEW_SET_CREATED, message);
        }
        true
    }

    fn new_set(&self, name: String, hash: &str) -> ReplicaSet {
        let template = hash::labeled(&self.spec.template, hash);
        let mut selector = self.spec.selector.clone();
        let wanted = selector.match_labels.get_or_insert_default();
        wanted.insert(hash::LABEL.to_owned(), hash.to_owned());
        ReplicaSet {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: self.metadata.namespace.clone(),
                labels: template.metadata.as_ref().and_then(|meta| meta.labels.clone()),
                owner_references: Some(vec![self.controller.reference()]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(0),
                min_ready_seconds: self.spec.min_ready_seconds,
                selector,
                template: Some(template),
            }),
            status: None,
        }
    }

    fn tell_refusal(&mut self, set: &ReplicaSet, why: &str) {
        let name = set.metadata.name.as_deref().unwrap_or_default();
        let message = format!("Failed to create new replica set {name:?}: {why}");
        let is_told = conditions::find(&self.status, PROGRESSING)
            .is_some_and(|condition| condition.message.as_ref() == Some(&message));
        if is_told {
            return;
        }
        if conditions::has_deadline(self.spec) {
            self.condition(PROGRESSING, "False", SET_CREATE_ERROR, message.clone());
        }
        self.plan.event(Severity::Warning, SET_CREATE_ERROR, message);
    }

    /// One more than the greatest of the old sets'.
    fn next_revision(&self) -> i64 {
        let old = self.old().into_iter().map(|index| of(&self.sets[index]));
        old.max().unwrap_or(0).saturating_add(1)
    }

    /// `SetNewReplicaSetAnnotations`
    fn annotate(&mut self, new: usize, revision: i64) {
        let nothing = BTreeMap::new();
        let own = self.metadata.annotations.as_ref().unwrap_or(&nothing);
        let set = &mut self.sets[new];
        for (name, value) in own.iter().filter(|(name, _)| !is_own(name)) {
            if set.annotation(name) != Some(value) {
                let annotations = set.set_mut().metadata.annotations.get_or_insert_default();
                annotations.insert(name.clone(), value.clone());
            }
        }
        // An old set that was deleted meanwhile does not make the number smaller.
        let before = set.annotation(REVISION).map(str::to_owned);
        if before.is_some() && of(set) >= revision {
            return;
        }
        let history = before.map(|before| history(set.annotation(REVISION_HISTORY), &before));
        let annotations = set.set_mut().metadata.annotations.get_or_insert_default();
        annotations.insert(REVISION.to_owned(), revision.to_string());
        if let Some(history) = history {
            annotations.insert(REVISION_HISTORY.to_owned(), history);
        }
    }

    /// The Deployment has the revision of its new set (`SetDeploymentRevision`).
    fn note_revision(&mut self, new: usize) {
        let Some(revision) = self.sets[new].annotation(REVISION) else { return };
        let annotations = self.metadata.annotations.get_or_insert_default();
        annotations.insert(REVISION.to_owned(), revision.to_owned());
    }
}

/// The numbers that a set had, with one more; the oldest go where there are too many.
fn history(before: Option<&str>, number: &str) -> String {
    let mut numbers: Vec<&str> = before.unwrap_or_default().split(',').collect();
    numbers.retain(|number| !number.is_empty());
    numbers.push(number);
    let length = |numbers: &[&str]| numbers.iter().map(|number| number.len() + 1).sum::<usize>();
    while length(&numbers) > HISTORY_LENGTH_MAX && numbers.len() > 1 {
        numbers.remove(0);
    }
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_forgets_the_oldest() {
        assert_eq!(history(None, "1"), "1");
        assert_eq!(history(Some("1,3"), "5"), "1,3,5");
        let long = history(Some(&"123,".repeat(600)), "456");
        assert!(long.len() <= HISTORY_LENGTH_MAX && long.ends_with(",123,456"), "{long}");
    }
}
