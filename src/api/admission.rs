//! Admission of an object into the store: what the API server sets, defaults and checks. It is
//! tested against recordings of a real Kubernetes (`tests/admission.rs`).

use super::check::{Cause, Causes};
use super::refused::Refused;
use super::{feature_gates, go_json, meta};
use crate::kind::Object;

/// An admitted object, and the warnings for its user.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    pub object: Object,
    pub warnings: Vec<String>,
}

impl Admitted {
    /// Returns the object's JSON for a [`preview`]: placeholders stand for what creation allocates.
    pub fn shown(&self) -> serde_json::Value {
        let mut shown =
            serde_json::to_value(&self.object).expect("Kubernetes' types always serialize");
        go_json::as_go_writes(&mut shown);
        self.object.show_allocated(&mut shown);
        shown
    }
}

/// Generated identifiers of a new object.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The value of `metadata.uid`.
    pub uid: &'a str,
    /// Five letters that end a name made from `metadata.generateName`.
    pub suffix: &'a str,
}

/// The uid that `preview` creates with, and the placeholder that it shows instead.
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
    object.check_conversion()?;
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
    object.refuse_create()?;
    warnings.extend(feature_gates::drop_disabled(None, &mut object));
    meta::prepare_create(object.meta_mut(), namespace, identity.uid, identity.suffix);
    let unallocated = object.allocate();
    if !unallocated.found.is_empty() {
        return admitted(object, unallocated, warnings);
    }
    if object.kind().counts_generations() {
        object.meta_mut().generation = Some(1);
    }
    object.prepare_create();
    let mut causes = Causes::default();
    meta::check_create(object.meta(), object.kind(), &mut causes);
    object.validate(&mut causes);
    object.canonicalize();
    admitted(object, causes, warnings)
}

/// Admits a new object like [`create`], for a preview (`cronlet check`): placeholders stand for the
/// values that differ each time.
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
    new.check_conversion()?;
    same_object(old, &new)?;
    let mut warnings = warnings(Some(old), &new);
    set_defaults(&mut new);
    warnings.extend(feature_gates::drop_disabled(Some(old), &mut new));
    meta::prepare_update(old.meta(), new.meta_mut());
    let mut causes = Causes::default();
    meta::check_update(old.meta(), new.meta(), &mut causes);
    new.keep_status(old);
    if new.kind().counts_generations() && new.is_other_generation(old) {
        new.meta_mut().generation = Some(old.meta().generation.unwrap_or_default() + 1);
    }
    new.prepare_update(old);
    let unallocated = new.allocate_again(old);
    if !unallocated.found.is_empty() {
        return admitted(new, unallocated, warnings);
    }
    new.validate_update(old, &mut causes);
    let admitted = admitted(new, causes, warnings)?;
    admitted.object.refuse_update(old)?;
    Ok(admitted)
}

/// Admits a new `status`: the spec stays as in `old`, the metadata may change like in any update.
pub fn update_status(old: &Object, mut new: Object) -> Result<Admitted, Refused> {
    same_object(old, &new)?;
    if !old.kind().info().has_status {
        return Err(Refused::NoSuchPath);
    }
    meta::prepare_update(old.meta(), new.meta_mut());
    let mut causes = Causes::default();
    meta::check_update(old.meta(), new.meta(), &mut causes);
    new.prepare_status_update(old);
    new.validate_status(&mut causes);
    admitted(new, causes, Vec::new())
}

fn set_defaults(object: &mut Object) {
    meta::tidy(object.meta_mut());
    object.set_defaults();
}

/// Returns a warning for each valid field without effect here. Warnings that `old` already caused,
/// also by defaults, are left out.
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
    object.warn(is_root(), &mut warnings);
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

/// Replaces a generated name or uid by a placeholder in the name, labels and a Job's selector.
fn replace(object: &mut Object, made: &str, shown: &str) {
    let replace = |text: &mut String| {
        if text == made {
            shown.clone_into(text);
        }
    };
    let meta = object.meta_mut();
    meta.name.iter_mut().for_each(replace);
    meta.labels.iter_mut().flat_map(|labels| labels.values_mut()).for_each(replace);
    object.generated_texts().into_iter().for_each(replace);
}
