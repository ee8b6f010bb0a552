//! Between a manifest and the store: what the API server sets, defaults and checks. The recordings
//! of a real Kubernetes are its test (`tests/admission.rs`).

use super::check::{Cause, Causes, Path};
use super::refused::Refused;
use super::{
    config_map, controller_revision, cron_job, daemon_set, deployment, event, feature_gates,
    go_json, job, meta, namespace, node, persistent_volume, persistent_volume_claim, pod,
    replica_set, secret, service, stateful_set, template,
};
use crate::kind::{Kind, Object};
use std::sync::Arc;

/// An object that may be stored, and what its user should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    pub object: Object,
    pub warnings: Vec<String>,
}

impl Admitted {
    /// The object's JSON for a look ahead ([`preview`]): placeholders stand for what creation
    /// allocates.
    pub fn shown(&self) -> serde_json::Value {
        let mut shown =
            serde_json::to_value(&self.object).expect("Kubernetes' types always serialize");
        go_json::as_go_writes(&mut shown);
        if let Object::Service(service) = &self.object {
            service::addresses::show_allocated(service, &mut shown);
        }
        shown
    }
}

/// What a new object is told apart by.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Becomes `metadata.uid`.
    pub uid: &'a str,
    /// Five letters, the end of a name under `metadata.generateName`.
    pub suffix: &'a str,
}

/// Stand for what is made at creation: what `preview` creates with, and what it shows instead.
const PREVIEW_UID: (&str, &str) = ("00000000-0000-4000-8000-000000000000", "<uid>");
const PREVIEW_SUFFIX: &str = "xxxxx";
const PREVIEW_NAME: &str = "<generated>";

/// Admits a new object into `namespace`. The result has `metadata.uid`, and neither
/// creationTimestamp nor resourceVersion, which the engine sets.
pub fn create(
    mut object: Object,
    namespace: &str,
    identity: &Identity<'_>,
) -> Result<Admitted, Refused> {
    check_numbers(&object)?;
    let is_cluster_scoped = object.kind().info().is_cluster_scoped;
    let namespace = if is_cluster_scoped { "" } else { namespace };
    let given = object.namespace();
    if !is_cluster_scoped && !given.is_empty() && given != namespace {
        let why = "does not match the namespace sent on the request";
        return Err(Refused::BadRequest(format!(
            "the namespace of the provided object {why}: {given:?} is not {namespace:?}"
        )));
    }
    if object.meta().resource_version.as_deref().is_some_and(|v| !v.is_empty() && v != "0") {
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Refused::BadRequest(why.into()));
    }
    let mut warnings = warnings(None, &object);
    // As in the API server: defaults of the body come first, then what creation sets, then the
    // checks.
    set_defaults(&mut object);
    if let Object::Pod(pod) = &object
        && let Some(refused) = pod::defaults::refusal(pod)
    {
        return Err(refused);
    }
    warnings.extend(feature_gates::drop_disabled(None, &mut object));
    meta::prepare_create(object.meta_mut(), namespace, identity.uid, identity.suffix);
    let mut causes = Causes::default();
    if let Object::Service(service) = &mut object {
        service::addresses::settle(None, Arc::make_mut(service), &mut causes);
        if !causes.found.is_empty() {
            return admitted(object, causes, warnings);
        }
    }
    prepare_create(&mut object);
    meta::check_create(object.meta(), object.kind(), &mut causes);
    match &object {
        Object::ConfigMap(object) => config_map::check::create(object, &mut causes),
        Object::ControllerRevision(object) => {
            controller_revision::check::create(object, &mut causes);
        }
        Object::CronJob(object) => cron_job::check::create(object, &mut causes),
        Object::DaemonSet(object) => daemon_set::check::create(object, &mut causes),
        Object::Deployment(object) => deployment::check::create(object, &mut causes),
        Object::Event(object) => event::check::create(object, &mut causes),
        Object::Job(object) => job::check::create(object, &mut causes),
        Object::Namespace(object) => namespace::check::create(object, &mut causes),
        Object::Node(object) => node::check::create(object, &mut causes),
        Object::PersistentVolume(object) => {
            persistent_volume::check::create(object, &mut causes);
        }
        Object::PersistentVolumeClaim(object) => {
            persistent_volume_claim::check::create(object, &mut causes);
        }
        Object::Pod(object) => causes.found.extend(pod::check::pod(object).found),
        Object::ReplicaSet(object) => replica_set::check::create(object, &mut causes),
        Object::Secret(object) => secret::check::create(object, &mut causes),
        Object::Service(object) => service::check::create(object, &mut causes),
        Object::StatefulSet(object) => stateful_set::check::create(object, &mut causes),
    }
    if let Object::Job(object) = &mut object {
        job::defaults::inherit_labels(Arc::make_mut(object));
    }
    admitted(object, causes, warnings)
}

/// As [`create`] for a look ahead (`cronlet check`): placeholders stand for the values that differ
/// each time.
pub fn preview(object: Object, namespace: &str) -> Result<Admitted, Refused> {
    let is_generated = object.name().is_empty();
    let identity = Identity { uid: PREVIEW_UID.0, suffix: PREVIEW_SUFFIX };
    let mut admitted = create(object, namespace, &identity)?;
    replace(&mut admitted.object, PREVIEW_UID.0, PREVIEW_UID.1);
    if is_generated {
        let made = admitted.object.name().to_owned();
        replace(&mut admitted.object, &made, PREVIEW_NAME);
    }
    admitted.object.meta_mut().uid = None;
    Ok(admitted)
}

/// Admits an object in place of another: metadata and spec as in `new`, status as in `old`.
pub fn update(old: &Object, mut new: Object) -> Result<Admitted, Refused> {
    check_numbers(&new)?;
    same_object(old, &new)?;
    let mut warnings = warnings(Some(old), &new);
    set_defaults(&mut new);
    warnings.extend(feature_gates::drop_disabled(Some(old), &mut new));
    meta::prepare_update(old.meta(), new.meta_mut());
    let mut causes = Causes::default();
    meta::check_update(old.meta(), new.meta(), &mut causes);
    update_of_kind(old, &mut new, &mut causes);
    let admitted = admitted(new, causes, warnings)?;
    check_resize(old, &admitted.object)?;
    Ok(admitted)
}

/// What is fine by the rules of its kind may still be forbidden.
fn check_resize(old: &Object, new: &Object) -> Result<(), Refused> {
    let (Object::PersistentVolumeClaim(old), Object::PersistentVolumeClaim(new)) = (old, new)
    else {
        return Ok(());
    };
    let Some(why) = persistent_volume_claim::check::refuses_size(old, new) else { return Ok(()) };
    let name = new.metadata.name.as_deref().unwrap_or_default();
    Err(Refused::Forbidden(format!("persistentvolumeclaims {name:?} is forbidden: {why}")))
}

/// What an update does to the new object besides its metadata, and the rules of its kind.
fn update_of_kind(old: &Object, new: &mut Object, causes: &mut Causes) {
    match (old, new) {
        (Object::ConfigMap(old), Object::ConfigMap(new)) => {
            config_map::check::update(old, new, causes);
        }
        (Object::CronJob(old), Object::CronJob(new)) => {
            cron_job::defaults::prepare_update(old, Arc::make_mut(new));
            cron_job::check::update(old, new, causes);
        }
        (Object::Event(_), Object::Event(new)) => event::check::create(new, causes),
        (Object::Job(old), Object::Job(new)) => {
            job::defaults::prepare_update(old, Arc::make_mut(new));
            job::check::update(old, new, causes);
        }
        (Object::Pod(old), Object::Pod(new)) => {
            pod::defaults::prepare_update(old, Arc::make_mut(new));
            causes.found.extend(pod::check::pod_update(old, new).found);
        }
        (Object::Secret(old), Object::Secret(new)) => {
            secret::check::update(old, new, causes);
        }
        (Object::DaemonSet(old), Object::DaemonSet(new)) => {
            daemon_set::defaults::prepare_update(old, Arc::make_mut(new));
            daemon_set::check::update(old, new, causes);
        }
        (Object::Deployment(old), Object::Deployment(new)) => {
            deployment::defaults::prepare_update(old, Arc::make_mut(new));
            deployment::check::update(old, new, causes);
        }
        (Object::ReplicaSet(old), Object::ReplicaSet(new)) => {
            replica_set::defaults::prepare_update(old, Arc::make_mut(new));
            replica_set::check::update(old, new, causes);
        }
        (Object::StatefulSet(old), Object::StatefulSet(new)) => {
            stateful_set::defaults::prepare_update(old, Arc::make_mut(new));
            stateful_set::check::update(old, new, causes);
        }
        (Object::ControllerRevision(old), Object::ControllerRevision(new)) => {
            controller_revision::check::update(old, new, causes);
        }
        (Object::Namespace(old), Object::Namespace(new)) => {
            namespace::defaults::prepare_update(old, Arc::make_mut(new));
        }
        (Object::Node(old), Object::Node(new)) => {
            node::defaults::prepare_update(old, Arc::make_mut(new));
            node::check::update(old, new, causes);
        }
        (Object::PersistentVolume(old), Object::PersistentVolume(new)) => {
            persistent_volume::defaults::prepare_update(old, Arc::make_mut(new));
            persistent_volume::check::update(old, new, causes);
        }
        (Object::PersistentVolumeClaim(old), Object::PersistentVolumeClaim(new)) => {
            persistent_volume_claim::defaults::prepare_update(old, Arc::make_mut(new));
            persistent_volume_claim::check::update(old, new, causes);
        }
        (Object::Service(old), Object::Service(new)) => {
            let service = Arc::make_mut(new);
            service::defaults::prepare_update(old, service);
            let mut broken = Causes::default();
            service::addresses::settle(Some(old), service, &mut broken);
            if broken.found.is_empty() {
                service::defaults::drop_dependent(old, service);
                service::check::update(old, new, causes);
            } else {
                *causes = broken;
            }
        }
        _ => unreachable!("same_object compared the kinds"),
    }
}

/// Admits a new `status`: the spec stays as in `old`, the metadata may change like in any update.
pub fn update_status(old: &Object, mut new: Object) -> Result<Admitted, Refused> {
    same_object(old, &new)?;
    meta::prepare_update(old.meta(), new.meta_mut());
    let mut causes = Causes::default();
    meta::check_update(old.meta(), new.meta(), &mut causes);
    match (old, &mut new) {
        (Object::CronJob(old), Object::CronJob(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
        }
        (Object::Job(old), Object::Job(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
            job::check::status(new, &mut causes);
        }
        (Object::Pod(old), Object::Pod(new)) => {
            let pod = Arc::make_mut(new);
            pod.spec = old.spec.clone();
            pod.metadata.owner_references = old.metadata.owner_references.clone();
        }
        (Object::DaemonSet(old), Object::DaemonSet(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
            daemon_set::check::status(new, &mut causes);
        }
        (Object::Deployment(old), Object::Deployment(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
            deployment::check::status(new, &mut causes);
        }
        (Object::ReplicaSet(old), Object::ReplicaSet(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
            replica_set::check::status(new, &mut causes);
        }
        (Object::StatefulSet(old), Object::StatefulSet(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
            stateful_set::check::status(new, &mut causes);
        }
        (Object::Namespace(old), Object::Namespace(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
        }
        (Object::Node(old), Object::Node(new)) => Arc::make_mut(new).spec = old.spec.clone(),
        (Object::PersistentVolume(old), Object::PersistentVolume(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
            persistent_volume::check::status(new, &mut causes);
        }
        (Object::PersistentVolumeClaim(old), Object::PersistentVolumeClaim(new)) => {
            Arc::make_mut(new).spec = old.spec.clone();
        }
        (Object::Service(old), Object::Service(new)) => Arc::make_mut(new).spec = old.spec.clone(),
        _ => return Err(Refused::NoSuchPath),
    }
    admitted(new, causes, Vec::new())
}

/// Annotations stand for fields of old versions, and the API server reads them as numbers.
fn check_numbers(object: &Object) -> Result<(), Refused> {
    let (name, may_be_empty) = match object {
        Object::DaemonSet(_) => (daemon_set::defaults::TEMPLATE_GENERATION, false),
        Object::Deployment(_) => ("deprecated.deployment.rollback.to", true),
        _ => return Ok(()),
    };
    let annotations = object.meta().annotations.as_ref();
    let Some(text) = annotations.and_then(|all| all.get(name)) else { return Ok(()) };
    if text.is_empty() && may_be_empty || text.parse::<i64>().is_ok() {
        return Ok(());
    }
    Err(Refused::BadRequest(format!("failed to parse annotation[{name}]={text} as int64")))
}

fn set_defaults(object: &mut Object) {
    meta::tidy(object.meta_mut());
    match object {
        Object::ConfigMap(object) => config_map::defaults::set(Arc::make_mut(object)),
        Object::ControllerRevision(_) | Object::Event(_) => {}
        Object::CronJob(object) => cron_job::defaults::set(Arc::make_mut(object)),
        Object::DaemonSet(object) => daemon_set::defaults::set(Arc::make_mut(object)),
        Object::Deployment(object) => deployment::defaults::set(Arc::make_mut(object)),
        Object::Job(object) => job::defaults::set(Arc::make_mut(object)),
        Object::Namespace(object) => namespace::defaults::set(Arc::make_mut(object)),
        Object::Node(object) => node::defaults::set(Arc::make_mut(object)),
        Object::PersistentVolume(object) => persistent_volume::defaults::set(Arc::make_mut(object)),
        Object::PersistentVolumeClaim(object) => {
            persistent_volume_claim::defaults::set(Arc::make_mut(object));
        }
        Object::Pod(object) => pod::defaults::pod(Arc::make_mut(object)),
        Object::ReplicaSet(object) => replica_set::defaults::set(Arc::make_mut(object)),
        Object::Secret(object) => secret::defaults::set(Arc::make_mut(object)),
        Object::Service(object) => service::defaults::set(Arc::make_mut(object)),
        Object::StatefulSet(object) => stateful_set::defaults::set(Arc::make_mut(object)),
    }
}

/// What creation sets besides metadata.
fn prepare_create(object: &mut Object) {
    match object {
        Object::CronJob(object) => cron_job::defaults::prepare_create(Arc::make_mut(object)),
        Object::Job(object) => job::defaults::prepare_create(Arc::make_mut(object)),
        Object::Pod(object) => pod::defaults::prepare_create(Arc::make_mut(object)),
        Object::DaemonSet(object) => daemon_set::defaults::prepare_create(Arc::make_mut(object)),
        Object::Deployment(object) => deployment::defaults::prepare_create(Arc::make_mut(object)),
        Object::ReplicaSet(object) => replica_set::defaults::prepare_create(Arc::make_mut(object)),
        Object::StatefulSet(object) => {
            stateful_set::defaults::prepare_create(Arc::make_mut(object));
        }
        Object::Namespace(object) => namespace::defaults::prepare_create(Arc::make_mut(object)),
        Object::PersistentVolume(object) => {
            persistent_volume::defaults::prepare_create(Arc::make_mut(object));
        }
        Object::PersistentVolumeClaim(object) => {
            persistent_volume_claim::defaults::prepare_create(Arc::make_mut(object));
        }
        Object::Service(object) => service::defaults::prepare_create(Arc::make_mut(object)),
        Object::ConfigMap(_)
        | Object::ControllerRevision(_)
        | Object::Event(_)
        | Object::Node(_)
        | Object::Secret(_) => {}
    }
}

/// Returns a warning for each field that is fine, and does nothing here. What was stored before was
/// warned of before, defaults among it.
pub fn warnings(old: Option<&Object>, new: &Object) -> Vec<String> {
    let known = old.map_or_else(Vec::new, all_warnings);
    let mut warnings = all_warnings(new);
    warnings.retain(|warning| !known.contains(warning));
    warnings
}

fn all_warnings(object: &Object) -> Vec<String> {
    let mut warnings = Vec::new();
    if object.controller_uid().is_some() {
        // Its controller's manifest was warned of.
        return warnings;
    }
    if let Object::CronJob(object) = object {
        cron_job::check::warn(object, &mut warnings);
    }
    let spec = Path::root("spec");
    if let Object::Pod(pod) = object
        && let Some(pod) = &pod.spec
    {
        pod::unsupported::spec(pod, &spec, is_root(), &mut warnings);
    }
    let Some(template) = template::of(object) else { return warnings };
    let (job_template, job) = (spec.child("jobTemplate"), "spec");
    let at = if object.kind() == Kind::CronJob { job_template.child(job) } else { spec };
    let at = at.child("template");
    pod::unsupported::template(template, &at, is_root(), &mut warnings);
    warnings
}

/// True if this program is run by root, who can give containers rights that others cannot.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn admitted(object: Object, causes: Causes, warnings: Vec<String>) -> Result<Admitted, Refused> {
    if causes.found.is_empty() {
        return Ok(Admitted { object, warnings });
    }
    let causes: Vec<Cause> = causes.found;
    let name = object.name().to_owned();
    Err(Refused::Invalid { kind: object.kind().info(), name, causes })
}

fn same_object(old: &Object, new: &Object) -> Result<(), Refused> {
    if old.kind() != new.kind() {
        let (old, new) = (old.kind().info().kind, new.kind().info().kind);
        return Err(Refused::BadRequest(format!("a {new} cannot replace a {old}")));
    }
    if !new.uid().is_empty() && new.uid() != old.uid() {
        let (wanted, is) = (new.uid(), old.uid());
        let why =
            format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {is}");
        return Err(Refused::Conflict { key: old.key(), why });
    }
    Ok(())
}

/// Puts a placeholder wherever a generated name or uid went: the name, labels and a Job's selector.
fn replace(object: &mut Object, made: &str, shown: &str) {
    let replace = |text: &mut String| {
        if text == made {
            shown.clone_into(text);
        }
    };
    let meta = object.meta_mut();
    meta.name.iter_mut().for_each(replace);
    meta.labels.iter_mut().flat_map(|labels| labels.values_mut()).for_each(replace);
    let Object::Job(job) = object else { return };
    let Some(spec) = &mut Arc::make_mut(job).spec else { return };
    let labels = spec.template.metadata.iter_mut().flat_map(|meta| &mut meta.labels);
    let wanted = spec.selector.iter_mut().flat_map(|selector| &mut selector.match_labels);
    labels.chain(wanted).flat_map(|labels| labels.values_mut()).for_each(replace);
}
