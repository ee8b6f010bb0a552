//! Rollback by annotation, as the first Deployments had it in their spec: `kubectl rollout undo`
//! writes the old template itself, older tools leave it to the controller.

use super::plan::Sync;
use super::revisions;
use crate::plan::Severity;
use cronlet_api::deployment::annotations::{ROLLBACK_TO, is_own};
use cronlet_api::deployment::hash;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;

pub(super) fn is_wanted(deployment: &Deployment) -> bool {
    revision(deployment).is_some()
}

fn revision(deployment: &Deployment) -> Option<i64> {
    deployment.metadata.annotations.as_ref()?.get(ROLLBACK_TO)?.parse().ok()
}

/// Puts the template of a revision into the Deployment; the next plan rolls it out (`rollback`).
pub(super) fn roll_back(sync: &mut Sync<'_>) {
    sync.update_new_set();
    if !sync.have_new_set() {
        return;
    }
    let wanted = match revision(sync.deployment) {
        Some(0) => last_revision(sync),
        other => other,
    };
    let found = wanted.and_then(|wanted| {
        sync.sets.iter().find(|set| revisions::of(set) == wanted).map(|set| (wanted, set.set()))
    });
    match found {
        Some((wanted, set)) => {
            let set = set.clone();
            to_set(sync, wanted, &set);
        }
        None => {
            let message = match wanted {
                None => "Unable to find last revision.",
                Some(_) => "Unable to find the revision to rollback to.",
            };
            let reason = "DeploymentRollbackRevisionNotFound";
            sync.plan.event(Severity::Warning, reason, message);
        }
    }
    if let Some(annotations) = &mut sync.metadata.annotations {
        annotations.remove(ROLLBACK_TO);
    }
}

/// The second greatest (`LastRevision`).
fn last_revision(sync: &Sync<'_>) -> Option<i64> {
    let mut all: Vec<i64> = sync.sets.iter().map(revisions::of).collect();
    all.sort_unstable();
    all.pop();
    all.pop().filter(|revision| *revision > 0)
}

fn to_set(sync: &mut Sync<'_>, revision: i64, set: &ReplicaSet) {
    let name = sync.metadata.name.clone().unwrap_or_default();
    let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
    let template: PodTemplateSpec = template.map(hash::bare).unwrap_or_default();
    if hash::same_template(&template, &sync.spec.template) {
        let message = format!(
            "The rollback revision contains the same template as current deployment {name:?}"
        );
        let reason = "DeploymentRollbackTemplateUnchanged";
        return sync.plan.event(Severity::Warning, reason, message);
    }
    let mut spec = sync.spec.clone();
    spec.template = template;
    sync.rolled_back = Some(spec);
    sync.metadata.generation = Some(sync.metadata.generation.unwrap_or(0) + 1);
    take_annotations(sync, set);
    let message = format!("Rolled back deployment {name:?} to revision {revision}");
    sync.plan.event(Severity::Normal, "DeploymentRollback", message);
}

/// The Deployment's annotations are those of the revision, but for its own
/// (`SetDeploymentAnnotationsTo`).
fn take_annotations(sync: &mut Sync<'_>, set: &ReplicaSet) {
    let annotations = sync.metadata.annotations.get_or_insert_default();
    annotations.retain(|name, _| is_own(name));
    let of_set = set.metadata.annotations.iter().flatten();
    for (name, value) in of_set.filter(|(name, _)| !is_own(name)) {
        annotations.insert(name.clone(), value.clone());
    }
}
