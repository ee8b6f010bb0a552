//! `metadata`, the same for every kind: what the API server sets, and the rules of names, labels,
//! annotations, owners and finalizers.

use super::check::{Causes, Path};
use super::names;
use super::refused::Refused;
use super::selector::check_labels;
use crate::kind::Kind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;

/// At most this many characters of `generateName` go into a generated name; five letters follow.
const GENERATE_NAME_LENGTH_MAX: usize = 58;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Prepares the metadata of a new object as the API server does: drops what only it may set, and
/// generates a missing name.
pub fn prepare_create(meta: &mut ObjectMeta, namespace: &str, uid: &str, suffix: &str) {
    meta.namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
    meta.uid = Some(uid.to_owned());
    meta.creation_timestamp = None;
    meta.deletion_timestamp = None;
    meta.deletion_grace_period_seconds = None;
    meta.managed_fields = None;
    meta.self_link = None;
    tidy(meta);
    if let (None, Some(base)) = (&meta.name, &meta.generate_name) {
        let cut =
            base.char_indices().nth(GENERATE_NAME_LENGTH_MAX).map_or(base.len(), |(at, _)| at);
        meta.name = Some(format!("{}{suffix}", &base[..cut]));
    }
}

/// Prepares the metadata of an update as the API server does: keeps what only it may set.
pub fn prepare_update(old: &ObjectMeta, new: &mut ObjectMeta) {
    tidy(new);
    new.generation = old.generation;
    new.creation_timestamp = old.creation_timestamp.clone();
    // Those of a terminating object stay; another's are refused below.
    new.deletion_timestamp = old.deletion_timestamp.clone().or(new.deletion_timestamp.take());
    new.deletion_grace_period_seconds =
        new.deletion_grace_period_seconds.or(old.deletion_grace_period_seconds);
    new.managed_fields = old.managed_fields.clone();
    new.self_link = None;
    new.uid = new.uid.take().or_else(|| old.uid.clone());
    new.resource_version = new.resource_version.take().or_else(|| old.resource_version.clone());
}

/// Removes empty fields, as Kubernetes' own types do (`omitempty`).
pub fn tidy(meta: &mut ObjectMeta) {
    for text in [
        &mut meta.name,
        &mut meta.generate_name,
        &mut meta.namespace,
        &mut meta.uid,
        &mut meta.resource_version,
    ] {
        text.take_if(|text| text.is_empty());
    }
    meta.labels.take_if(|labels| labels.is_empty());
    meta.annotations.take_if(|annotations| annotations.is_empty());
    meta.finalizers.take_if(|finalizers| finalizers.is_empty());
    meta.owner_references.take_if(|owners| owners.is_empty());
    meta.managed_fields.take_if(|fields| fields.is_empty());
    meta.generation.take_if(|generation| *generation == 0);
}

/// Adds the metadata of a template if it is absent, and removes its empty fields.
pub fn tidy_template(metadata: &mut Option<ObjectMeta>) {
    let metadata = metadata.get_or_insert_default();
    metadata.creation_timestamp = None;
    tidy(metadata);
}

/// Checks a new object's metadata.
pub fn check_create(meta: &ObjectMeta, kind: Kind, causes: &mut Causes) {
    let rule = kind.name_rule();
    let at = Path::root("metadata");
    if let Some(base) = &meta.generate_name {
        let faults = rule(&names::mask_trailing_dash(base));
        causes.invalid_each(&at.child("generateName"), base, faults);
    }
    match &meta.name {
        None => causes.required(&at.child("name"), "name or generateName is required"),
        Some(name) => {
            causes.invalid_each(&at.child("name"), name, rule(name));
        }
    }
    match &meta.namespace {
        None if kind.info().is_cluster_scoped => {}
        None => causes.required(&at.child("namespace"), ""),
        Some(namespace) => {
            causes.invalid_each(&at.child("namespace"), namespace, names::dns_label(namespace));
        }
    }
    nonnegative(meta.generation, &at.child("generation"), causes);
    check_common(meta, &at, causes);
}

/// Checks an update's metadata, after [`prepare_update`].
pub fn check_update(old: &ObjectMeta, new: &ObjectMeta, causes: &mut Causes) {
    let at = Path::root("metadata");
    if old.deletion_timestamp.is_some() {
        let had = old.finalizers.as_deref().unwrap_or_default();
        let now = new.finalizers.as_deref().unwrap_or_default();
        let extra: Vec<&String> = now.iter().filter(|one| !had.contains(one)).collect();
        if !extra.is_empty() {
            let why = "no new finalizers can be added if the object is being deleted";
            causes.forbidden(
                &at.child("finalizers"),
                format_args!("{why}, found new finalizers {extra:?}"),
            );
        }
    }
    immutable(&old.name, &new.name, &at.child("name"), causes);
    immutable(&old.namespace, &new.namespace, &at.child("namespace"), causes);
    immutable(&old.uid, &new.uid, &at.child("uid"), causes);
    let (had, has) = (&old.deletion_timestamp, &new.deletion_timestamp);
    immutable(had, has, &at.child("deletionTimestamp"), causes);
    let (had, has) = (&old.deletion_grace_period_seconds, &new.deletion_grace_period_seconds);
    immutable(had, has, &at.child("deletionGracePeriodSeconds"), causes);
    check_common(new, &at, causes);
}

/// Treatment of an annotation that is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    Allowed,
    Refused,
}

/// Refuses an annotation that holds a number of an old version and is no integer.
pub fn check_number(meta: &ObjectMeta, name: &str, empty: Empty) -> Result<(), Refused> {
    let Some(text) = meta.annotations.as_ref().and_then(|all| all.get(name)) else { return Ok(()) };
    if text.is_empty() && empty == Empty::Allowed || text.parse::<i64>().is_ok() {
        return Ok(());
    }
    Err(Refused::BadRequest(format!("failed to parse annotation[{name}]={text} as int64")))
}

/// Adds `Invalid value: …: field is immutable` if the two differ.
pub fn immutable<T: PartialEq + serde::Serialize>(
    old: &T,
    new: &T,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    if old != new {
        causes.invalid(at, new, "field is immutable");
    }
}

/// Checks that a number, if set, is at least 0.
pub fn nonnegative(number: Option<impl Into<i64>>, at: &Path<'_>, causes: &mut Causes) {
    if let Some(number) = number.map(Into::into).filter(|number| *number < 0) {
        causes.invalid(at, number, "must be greater than or equal to 0");
    }
}

/// Checks `metadata.annotations`, or those of a template, in the field `at`.
pub fn check_annotations(
    annotations: &BTreeMap<String, String>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    for key in annotations.keys() {
        // As a label's key, but the case does not matter.
        causes.invalid_each(at, key, names::qualified_name(&key.to_lowercase()));
    }
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATIONS_BYTES_MAX {
        causes.too_long(at, ANNOTATIONS_BYTES_MAX);
    }
}

/// Checks labels, annotations, owners and finalizers.
fn check_common(meta: &ObjectMeta, at: &Path<'_>, causes: &mut Causes) {
    if let Some(labels) = &meta.labels {
        check_labels(labels, &at.child("labels"), causes);
    }
    if let Some(annotations) = &meta.annotations {
        check_annotations(annotations, &at.child("annotations"), causes);
    }
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    check_owners(owners, &at.child("ownerReferences"), causes);
    let finalizers = meta.finalizers.as_deref().unwrap_or_default();
    check_finalizers(finalizers, &at.child("finalizers"), causes);
}

fn check_owners(owners: &[OwnerReference], at: &Path<'_>, causes: &mut Causes) {
    let mut controller: Option<String> = None;
    for owner in owners {
        check_owner(owner, at, causes);
        if owner.controller != Some(true) {
            continue;
        }
        let this = format!("{}/{}", owner.kind, owner.name);
        match &controller {
            None => controller = Some(this),
            Some(first) => {
                let why = "Only one reference can have Controller set to true";
                let both = format!("{why}. Found \"true\" in references for {first} and {this}");
                causes.invalid(at, "ownerReferences", both);
            }
        }
    }
}

fn check_owner(owner: &OwnerReference, at: &Path<'_>, causes: &mut Causes) {
    // A version may come without a group, but `group/` has no version, nor have three parts.
    let parts: Vec<&str> = owner.api_version.split('/').collect();
    let version = if parts.len() > 2 { "" } else { parts.last().copied().unwrap_or_default() };
    if version.is_empty() {
        causes.invalid(&at.child("apiVersion"), &owner.api_version, "version must not be empty");
    }
    for (field, value) in [("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)] {
        if value.is_empty() {
            causes.invalid(&at.child(field), value, "must not be empty");
        }
    }
    if (owner.api_version.as_str(), owner.kind.as_str()) == ("v1", "Event") {
        causes.invalid(at, &owner.name, "/v1, Kind=Event is disallowed from being an owner");
    }
}

/// Checks that a finalizer without a domain is one of Kubernetes' own.
pub fn check_finalizer_domain(finalizer: &str, at: &Path<'_>, causes: &mut Causes) {
    if !finalizer.contains('/') && !["kubernetes", ORPHAN, FOREGROUND].contains(&finalizer) {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        causes.invalid(at, finalizer, why);
    }
}

fn check_finalizers(finalizers: &[String], at: &Path<'_>, causes: &mut Causes) {
    for (index, finalizer) in finalizers.iter().enumerate() {
        causes.invalid_each(at, finalizer, names::qualified_name(finalizer));
        check_finalizer_domain(finalizer, &at.index(index), causes);
    }
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
    if has(ORPHAN) && has(FOREGROUND) {
        let why = format!("finalizer {ORPHAN} and {FOREGROUND} cannot be both set");
        causes.invalid(at, finalizers, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn causes_of(meta: Value) -> Vec<String> {
        let mut meta: ObjectMeta = serde_json::from_value(meta).expect("metadata");
        prepare_create(&mut meta, "default", "u", "xxxxx");
        let mut causes = Causes::default();
        check_create(&meta, Kind::Pod, &mut causes);
        causes.found.iter().map(|c| format!("{} {:?}", c.field, c.reason)).collect()
    }

    #[test]
    fn rules_of_metadata() {
        let check = |meta: Value, want: &[&str]| {
            assert_eq!(causes_of(meta.clone()), want, "{meta}");
        };
        let owner = |more: Value| {
            let mut owner =
                json!({"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": "1"});
            for (key, value) in more.as_object().expect("an object") {
                owner[key] = value.clone();
            }
            owner
        };
        check(json!({"name": "a"}), &[]);
        check(json!({}), &["metadata.name Required"]);
        check(json!({"name": "A"}), &["metadata.name Invalid"]);
        check(json!({"generateName": "a-"}), &[]);
        check(
            json!({"generateName": "AB-"}),
            &["metadata.generateName Invalid", "metadata.name Invalid"],
        );
        check(json!({"name": "a", "generation": -1}), &["metadata.generation Invalid"]);
        check(json!({"name": "a", "annotations": {"UPPER/x": ""}}), &[]);
        let long = "v".repeat(ANNOTATIONS_BYTES_MAX);
        check(json!({"name": "a", "annotations": {"k": long}}), &["metadata.annotations TooLong"]);
        let finalizers = |names: &[&str]| json!({"name": "a", "finalizers": names});
        check(finalizers(&["example.com/x", "orphan", "kubernetes"]), &[]);
        check(finalizers(&["mine"]), &["metadata.finalizers[0] Invalid"]);
        check(finalizers(&["a b/c"]), &["metadata.finalizers Invalid"]);
        check(finalizers(&["orphan", "foregroundDeletion"]), &["metadata.finalizers Invalid"]);
        let owners = |owners: Vec<Value>| json!({"name": "a", "ownerReferences": owners});
        check(owners(vec![owner(json!({}))]), &[]);
        check(
            owners(vec![owner(json!({"apiVersion": "a/b/c"}))]),
            &["metadata.ownerReferences.apiVersion Invalid"],
        );
        check(
            owners(vec![owner(json!({"uid": "", "apiVersion": "batch/"}))]),
            &[
                "metadata.ownerReferences.apiVersion Invalid",
                "metadata.ownerReferences.uid Invalid",
            ],
        );
        check(
            owners(vec![owner(json!({"controller": true})), owner(json!({"controller": true}))]),
            &["metadata.ownerReferences Invalid"],
        );
        check(
            owners(vec![owner(json!({"apiVersion": "v1", "kind": "Event"}))]),
            &["metadata.ownerReferences Invalid"],
        );
    }

    #[test]
    fn a_generated_name_keeps_its_length() {
        let mut meta = ObjectMeta { generate_name: Some("é".repeat(70)), ..ObjectMeta::default() };
        prepare_create(&mut meta, "default", "u", "xxxxx");
        assert_eq!(meta.name, Some(format!("{}xxxxx", "é".repeat(58))));
    }

    #[test]
    fn what_an_update_may_not_change() {
        let check = |old: Value, new: Value, want: &[&str]| {
            let old: ObjectMeta = serde_json::from_value(old).expect("metadata");
            let mut new: ObjectMeta = serde_json::from_value(new).expect("metadata");
            prepare_update(&old, &mut new);
            let mut causes = Causes::default();
            check_update(&old, &new, &mut causes);
            let found: Vec<&str> = causes.found.iter().map(|c| c.field.as_str()).collect();
            assert_eq!(found, want, "{new:?}");
        };
        let old = json!({"name": "a", "namespace": "d", "uid": "1", "generation": 3});
        check(old.clone(), json!({"name": "a", "namespace": "d"}), &[]);
        check(old.clone(), json!({"name": "b", "namespace": "d"}), &["metadata.name"]);
        check(old.clone(), json!({"name": "a", "namespace": "d", "uid": "2"}), &["metadata.uid"]);
        let times = json!({"name": "a", "namespace": "d", "generation": 9,
            "creationTimestamp": "2024-01-01T00:00:00Z"});
        check(old.clone(), times, &[]);
        let ends = json!({"name": "a", "namespace": "d",
            "deletionTimestamp": "2024-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5});
        let fields = ["metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds"];
        check(old, ends, &fields);
        let going = json!({"name": "a", "deletionTimestamp": "2024-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": 9, "finalizers": ["a/b"]});
        check(going.clone(), json!({"name": "a", "finalizers": []}), &[]);
        let later = json!({"name": "a", "deletionTimestamp": "2025-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": 8});
        check(going.clone(), later, &["metadata.deletionGracePeriodSeconds"]);
        check(going, json!({"name": "a", "finalizers": ["a/b", "a/c"]}), &["metadata.finalizers"]);
    }
}
