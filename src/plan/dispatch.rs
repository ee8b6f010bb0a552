//! The plan of each kind.

use crate::controllers::{
    cron_job, daemon_set, deployment, job, namespace, node, persistent_volume,
    persistent_volume_claim, replica_set, stateful_set,
};
use crate::kubelet;
use crate::order::PodObserved;
use crate::plan::{Plan, View};
use cronlet_api::kind::Object;

/// Plans an object by the plan of its kind. Kinds that only hold data plan nothing.
pub fn plan(object: &Object, observed: &PodObserved, view: &View) -> Plan {
    match object {
        Object::CronJob(cron_job) => cron_job::plan::plan(cron_job, view),
        Object::DaemonSet(set) => daemon_set::plan::plan(set, view),
        Object::Deployment(deployment) => deployment::plan::plan(deployment, view),
        Object::Job(job) => job::plan::plan(job, view),
        Object::ReplicaSet(set) => replica_set::plan::plan(set, view),
        Object::Namespace(namespace) => namespace::plan::plan(namespace, view),
        Object::Node(node) => node::plan::plan(node, view),
        Object::Pod(pod) => kubelet::plan::plan(pod, observed, view),
        Object::PersistentVolume(volume) => persistent_volume::plan::plan(volume, view),
        Object::PersistentVolumeClaim(claim) => persistent_volume_claim::plan::plan(claim, view),
        Object::StatefulSet(set) => stateful_set::plan::plan(set, view),
        Object::ConfigMap(_)
        | Object::ControllerRevision(_)
        | Object::Event(_)
        | Object::Secret(_)
        | Object::Service(_) => Plan::default(),
    }
}
