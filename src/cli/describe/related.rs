//! What a description shows of other objects: the ReplicaSets of a Deployment, the pods of the
//! others.

use super::page::Page;
use crate::client::Client;
use crate::failure::Failure;
use crate::get;
use cronlet_api::kind::{Kind, Object};
use k8s_openapi::api::core::v1::Pod;

/// All among which those of the object are.
pub(super) fn fetch(client: &Client, object: &Object) -> Result<Vec<Object>, Failure> {
    let namespace = Some(object.namespace());
    match object.kind() {
        Kind::Deployment => get::list(client, Kind::ReplicaSet, namespace, ""),
        Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet | Kind::PersistentVolumeClaim => {
            get::list(client, Kind::Pod, namespace, "")
        }
        Kind::Node => get::list(client, Kind::Pod, None, ""),
        _ => Ok(Vec::new()),
    }
}

pub(super) fn pods(related: &[Object]) -> impl Iterator<Item = &Pod> {
    related.iter().filter_map(|object| match object {
        Object::Pod(pod) => Some(&**pod),
        _ => None,
    })
}

/// How many pods of the controller are in which phase (`getPodStatusForController`).
pub(super) fn pods_status(page: &mut Page, controller_uid: Option<&str>, related: &[Object]) {
    let own = related.iter().filter(|object| object.controller_uid() == controller_uid);
    let phases: Vec<&str> = own
        .filter_map(|object| match object {
            Object::Pod(pod) => pod.status.as_ref()?.phase.as_deref(),
            _ => None,
        })
        .collect();
    let count = |phase: &str| phases.iter().filter(|one| **one == phase).count();
    page.field(
        0,
        "Pods Status",
        format_args!(
            "{} Running / {} Waiting / {} Succeeded / {} Failed",
            count("Running"),
            count("Pending"),
            count("Succeeded"),
            count("Failed"),
        ),
    );
}
