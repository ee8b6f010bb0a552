//! The pods of a StatefulSet: each has a number, and by it a name, labels and claims of its own.

use super::claims;
use crate::controllers::controller::Controller;
use crate::controllers::revisions::POD_REVISION;
use crate::kubelet::availability::{self, Availability};
use crate::plan::View;
use k8s_openapi::api::apps::v1::StatefulSetSpec;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};

pub const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
pub const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The number of a pod of this set; `None` where its name is not one of the set's.
pub fn ordinal(set: &str, pod: &str) -> Option<i64> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// The number of the first pod (`spec.ordinals.start`).
pub fn start(spec: &StatefulSetSpec) -> i64 {
    spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0).into()
}

/// The name of the revision that a pod was made of.
pub fn revision(pod: &Pod) -> &str {
    let labels = pod.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(POD_REVISION)).map_or("", String::as_str)
}

pub fn is_running_and_ready(pod: &Pod) -> bool {
    availability::phase(pod) == "Running" && availability::is_ready(pod)
}

/// Running, ready, and not going.
pub fn is_healthy(pod: &Pod) -> bool {
    is_running_and_ready(pod) && !availability::is_going(pod)
}

/// Running, and ready for long enough.
pub fn availability(pod: &Pod, spec: &StatefulSetSpec, view: &View) -> Availability {
    if !is_running_and_ready(pod) {
        return Availability::Unready;
    }
    availability::availability(pod, spec.min_ready_seconds.unwrap_or(0), view)
}

/// A new pod of the set, of the template of a revision (`newVersionedStatefulSetPod`).
pub fn new(
    controller: &Controller,
    spec: &StatefulSetSpec,
    template: &PodTemplateSpec,
    revision: &str,
    ordinal: i64,
    view: &View,
) -> Pod {
    let mut pod = controller.pod(template, 0, view);
    let set = controller.meta.name.as_deref().unwrap_or_default();
    let name = format!("{set}-{ordinal}");
    pod.metadata.name = Some(name.clone());
    identify(&mut pod, ordinal);
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_REVISION.to_owned(), revision.to_owned());
    let pod_spec = pod.spec.get_or_insert_default();
    pod_spec.hostname = Some(name);
    pod_spec.subdomain = spec.service_name.clone().filter(|name| !name.is_empty());
    claims::mount(pod_spec, set, spec, ordinal);
    pod
}

/// Gives a pod the labels that say which one it is.
pub fn identify(pod: &mut Pod, ordinal: i64) {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME.to_owned(), name);
    labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_pods() {
        let check = |pod: &str, want: Option<i64>| assert_eq!(ordinal("web", pod), want, "{pod}");
        check("web-0", Some(0));
        check("web-12", Some(12));
        check("web-", None);
        check("web-x", None);
        check("web--1", None);
        check("web-a-1", None);
        check("other-1", None);
        check("web-99999999999999999999", None);
    }
}
