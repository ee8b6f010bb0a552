//! The rules that a Pod and a pod template must keep, by subject.
//!
//! They are those of a Kubernetes 1.36 API server with its default feature gates, fields of causes
//! included: where it names a field oddly (`spec.volumes[0].downwarAPI`), so do these.

mod affinity;

mod annotations;

mod containers;

mod dns;

mod environment;

mod handlers;

mod mounts;

mod one_of;

mod os;

mod ports;

mod probes;

mod profiles;

mod references;

mod resources;

mod restarts;

mod scheduling;

mod security;

mod spec;

mod update;

mod volumes;

mod windows;

pub use crate::pod::check::affinity::check_node_selector;
pub use crate::pod::check::annotations::APP_ARMOR;
pub use crate::pod::check::one_of::OneOf;
pub use crate::pod::check::update::pod_update;
pub use crate::pod::check::volumes::check_host_path;
pub use crate::pod::check::volumes::claim::{check as claim, check_access_modes, check_class};
pub use crate::pod::check::volumes::disks::check_nfs;

use crate::check::{Causes, Path};
use crate::omitempty::{items, text};
use crate::selector;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Checks a new Pod, after [`super::defaults::pod`]. Of `metadata` it checks only what concerns
/// pods alone: name, labels and the like are checked as for every kind.
pub fn pod(pod: &Pod) -> Causes {
    let mut causes = Causes::default();
    let nothing = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&nothing);
    let at = Path::root("spec");
    whole_pod(spec, &pod.metadata, &mut causes);
    if !items(&spec.ephemeral_containers).is_empty() {
        causes.forbidden(&at.child("ephemeralContainers"), "cannot be set on create");
    }
    if !text(&spec.node_name).is_empty() && !items(&spec.scheduling_gates).is_empty() {
        let why = "cannot be set until all schedulingGates have been cleared";
        causes.forbidden(&at.child("nodeName"), why);
    }
    annotations::match_seccomp(&pod.metadata, spec, &at, &mut causes);
    annotations::match_app_armor(&pod.metadata, spec, &at, &mut causes);
    causes
}

/// Checks a pod template in the field `at`.
pub fn template(template: &PodTemplateSpec, at: &Path<'_>, causes: &mut Causes) {
    template_metadata(template, at, causes);
    let (nothing, no_metadata) = (PodSpec::default(), ObjectMeta::default());
    let spec = template.spec.as_ref().unwrap_or(&nothing);
    let metadata = template.metadata.as_ref().unwrap_or(&no_metadata);
    let at = at.child("spec");
    spec::check(&Scope::of_template(spec), &at, causes);
    annotations::match_seccomp(metadata, spec, &at, causes);
    annotations::match_app_armor(metadata, spec, &at, causes);
    if !items(&spec.ephemeral_containers).is_empty() {
        let why = "ephemeral containers not allowed in pod template";
        causes.forbidden(&at.child("ephemeralContainers"), why);
    }
}

/// Checks a pod template's labels and annotations alone.
pub fn template_metadata(template: &PodTemplateSpec, at: &Path<'_>, causes: &mut Causes) {
    let (nothing, no_metadata) = (PodSpec::default(), ObjectMeta::default());
    let spec = template.spec.as_ref().unwrap_or(&nothing);
    let metadata = template.metadata.as_ref().unwrap_or(&no_metadata);
    if let Some(labels) = &metadata.labels {
        selector::check_labels(labels, &at.child("labels"), causes);
    }
    let at = at.child("annotations");
    annotations::check_map(metadata, &at, causes);
    annotations::check(metadata, spec, &at, causes);
}

/// Checks the rules of a Pod that hold at its creation and at every update.
fn whole_pod(spec: &PodSpec, metadata: &ObjectMeta, causes: &mut Causes) {
    let at = Path::root("spec");
    let metadata_at = Path::root("metadata");
    annotations::check(metadata, spec, &metadata_at.child("annotations"), causes);
    spec::check(&Scope::of_pod(spec, text(&metadata.name)), &at, causes);
    containers::check_image_space(&spec.containers, &at.child("containers"), causes);
    let init_containers = items(&spec.init_containers);
    containers::check_image_space(init_containers, &at.child("initContainers"), causes);
}

/// The pod around a part, as far as the part's rules need it.
struct Scope<'a> {
    spec: &'a PodSpec,
    /// Empty in a template, and while the pod has no name.
    pod_name: &'a str,
    /// True for a Pod, false for a template: some rules came too late for stored templates.
    is_pod: bool,
    /// The volumes that are valid by themselves; a mount of any other is `NotFound`.
    volumes: BTreeMap<&'a str, &'a Volume>,
}

impl<'a> Scope<'a> {
    fn of_pod(spec: &'a PodSpec, pod_name: &'a str) -> Scope<'a> {
        let mut scope = Scope { spec, pod_name, is_pod: true, volumes: BTreeMap::new() };
        scope.volumes = volumes::sound(&scope);
        scope
    }

    fn of_template(spec: &'a PodSpec) -> Scope<'a> {
        let mut scope = Scope { spec, pod_name: "", is_pod: false, volumes: BTreeMap::new() };
        scope.volumes = volumes::sound(&scope);
        scope
    }

    /// True if root in the pod is root on the host (`hostUsers`).
    fn shares_host_users(&self) -> bool {
        self.spec.host_users != Some(false)
    }

    fn has_claim(&self, name: &str) -> bool {
        items(&self.spec.resource_claims).iter().any(|claim| !name.is_empty() && claim.name == name)
    }
}

/// Refuses a value that is none of the `supported`.
pub fn supported(value: &str, supported: &[&str], at: &Path<'_>, causes: &mut Causes) {
    if !supported.contains(&value) {
        causes.unsupported(at, value, supported);
    }
}

/// Refuses a value like [`supported`], or if it is empty.
fn required_and_supported(value: &str, values: &[&str], at: &Path<'_>, causes: &mut Causes) {
    match value {
        "" => causes.required(at, ""),
        value => supported(value, values, at, causes),
    }
}

/// Refuses an empty value.
pub fn required(value: &str, at: &Path<'_>, causes: &mut Causes) {
    if value.is_empty() {
        causes.required(at, "");
    }
}
