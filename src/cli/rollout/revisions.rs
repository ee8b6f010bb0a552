//! The revisions of an object: the ReplicaSets of a Deployment, the ControllerRevisions of the
//! others.

use crate::client::Client;
use crate::failure::Failure;
use crate::get;
use anyhow::Context;
use cronlet_api::deployment::{annotations, hash};
use cronlet_api::kind::{Kind, Object};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use std::collections::BTreeMap;
use std::sync::Arc;

const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

pub(super) struct Revision {
    pub number: i64,
    /// The object that keeps the revision.
    keeper: Object,
    /// With the labels that the pods have.
    pub template: PodTemplateSpec,
}

impl Revision {
    pub(super) fn annotations(&self) -> BTreeMap<String, String> {
        self.keeper.meta().annotations.clone().unwrap_or_default()
    }

    pub(super) fn cause(&self) -> String {
        self.annotations().remove(CHANGE_CAUSE).unwrap_or_else(|| "<none>".to_owned())
    }

    /// The revision as an object, as kubectl shows it: a Deployment's ReplicaSet, else the object
    /// as it was.
    pub(super) fn shown(&self, of: &Object) -> Object {
        let template = self.template.clone();
        let mut was = of.clone();
        match &mut was {
            Object::StatefulSet(set) => {
                Arc::make_mut(set).spec.get_or_insert_default().template = template;
            }
            Object::DaemonSet(set) => {
                Arc::make_mut(set).spec.get_or_insert_default().template = template;
            }
            _ => return self.keeper.clone(),
        }
        was
    }

    /// As a user would write it.
    pub(super) fn bare_template(&self) -> PodTemplateSpec {
        hash::bare(&self.template)
    }
}

/// All that an object has, oldest first.
pub(super) fn of(client: &Client, object: &Object) -> Result<Vec<Revision>, Failure> {
    let kind = match object.kind() {
        Kind::Deployment => Kind::ReplicaSet,
        _ => Kind::ControllerRevision,
    };
    let mut revisions = Vec::new();
    for one in get::list(client, kind, Some(object.namespace()), "")? {
        if one.controller_uid() == Some(object.uid()) {
            revisions.push(revision(one)?);
        }
    }
    // A ReplicaSet that is not looked at yet has no number.
    revisions.retain(|revision| revision.number > 0);
    revisions.sort_by_key(|revision| revision.number);
    Ok(revisions)
}

fn revision(keeper: Object) -> Result<Revision, Failure> {
    let (number, template) = match &keeper {
        Object::ReplicaSet(set) => {
            let annotations = set.metadata.annotations.as_ref();
            let number = annotations.and_then(|all| all.get(annotations::REVISION)?.parse().ok());
            let template = set.spec.as_ref().and_then(|spec| spec.template.clone());
            (number.unwrap_or(0), template.unwrap_or_default())
        }
        Object::ControllerRevision(revision) => (revision.revision, template_in(revision)?),
        _ => unreachable!("only these kinds were listed"),
    };
    Ok(Revision { number, keeper, template })
}

/// A ControllerRevision holds a patch that puts its template in place of another.
fn template_in(revision: &ControllerRevision) -> Result<PodTemplateSpec, Failure> {
    let data = revision.data.as_ref().map(|data| data.0.clone()).unwrap_or_default();
    let mut template = data["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    let template: Option<PodTemplateSpec> =
        serde_json::from_value(template).context("a revision cannot be read")?;
    Ok(template.unwrap_or_default())
}
