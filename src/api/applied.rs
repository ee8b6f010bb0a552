//! Fields that applying a manifest preserves: a manifest sets fewer than the object made from it
//! has.
//!
//! As in `kubectl apply`, a field with a command of its own (`suspend`, `scale`, `rollout pause`,
//! `label`, `annotate`) keeps the command's value, unless the manifest sets it now, or set it when
//! it was last applied. `metadata.managedFields` lists the fields that it set, as in the API
//! server.

use super::strategy::CommandField;
use crate::kind::Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;

const MANAGER: &str = "cronlet";

/// Annotations of a template that belong to tools and controllers, and not to a manifest's author.
const OF_TOOLS: [&str; 2] = ["kubectl.kubernetes.io/", "deployment.kubernetes.io/"];

impl CommandField<'_> {
    fn is_said(&self) -> bool {
        match self {
            CommandField::Count(count) => count.is_some(),
            CommandField::Switch(switch) => switch.is_some(),
        }
    }
}

/// The fields that a manifest sets, of those with commands of their own, in `FieldsV1` form.
pub struct ManifestFields(Map<String, Value>);

impl ManifestFields {
    /// Collects the fields that a manifest sets; it must have no defaults yet.
    pub fn by(manifest: &mut Object) -> ManifestFields {
        let spec = manifest.command_fields().into_iter().filter(|(_, field)| field.is_said());
        let spec = names(spec.map(|(name, _)| name));
        let ObjectMeta { labels, annotations, .. } = manifest.meta();
        let labels = names(labels.iter().flat_map(BTreeMap::keys));
        let annotations = names(annotations.iter().flat_map(BTreeMap::keys));
        let metadata = some([("f:labels", labels), ("f:annotations", annotations)]);
        ManifestFields(some([("f:metadata", metadata), ("f:spec", spec)]))
    }

    /// Records the fields in `metadata.managedFields` for the next apply.
    pub fn record(self, object: &mut Object) {
        object.meta_mut().managed_fields = None;
        if self.0.is_empty() {
            return;
        }
        let entry = ManagedFieldsEntry {
            manager: Some(MANAGER.to_owned()),
            operation: Some("Apply".to_owned()),
            api_version: Some(object.kind().info().api_version()),
            fields_type: Some("FieldsV1".to_owned()),
            fields_v1: Some(FieldsV1(Value::Object(self.0))),
            ..ManagedFieldsEntry::default()
        };
        object.meta_mut().managed_fields = Some(vec![entry]);
    }
}

fn names(names: impl Iterator<Item = impl Display>) -> Map<String, Value> {
    names.map(|name| (format!("f:{name}"), json!({}))).collect()
}

/// Keeps the parts that are not empty.
fn some(parts: [(&str, Map<String, Value>); 2]) -> Map<String, Value> {
    let parts = parts.into_iter().filter(|(_, fields)| !fields.is_empty());
    parts.map(|(name, fields)| (name.to_owned(), Value::Object(fields))).collect()
}

/// True if the manifest that was last applied set the field at this path.
fn said_before(meta: &ObjectMeta, path: &[&str]) -> bool {
    let entries = meta.managed_fields.iter().flatten();
    let ours = entries.filter(|entry| entry.manager.as_deref() == Some(MANAGER));
    let mut said = ours.filter_map(|entry| entry.fields_v1.as_ref());
    said.any(|FieldsV1(all)| {
        path.iter().try_fold(all, |fields, name| fields.get(format!("f:{name}"))).is_some()
    })
}

/// Copies to a manifest what applying it preserves: besides those fields, owners, finalizers, what
/// tools wrote into its template, a Job's generated selector and labels, a Pod's node, a claim's
/// volume and a volume's claim.
pub fn carry_over(old: &Object, new: &mut Object) {
    let is_open = |name: &str, field: &CommandField| {
        !field.is_said() && !said_before(old.meta(), &["spec", name])
    };
    let fields = new.command_fields();
    if !fields.is_empty() {
        let mut had = old.clone();
        let pairs = fields.into_iter().zip(had.command_fields());
        for ((_, field), (_, had)) in pairs.filter(|((name, field), _)| is_open(name, field)) {
            match (field, had) {
                (CommandField::Count(count), CommandField::Count(had)) => *count = *had,
                (CommandField::Switch(switch), CommandField::Switch(had)) => *switch = *had,
                (CommandField::Count(_) | CommandField::Switch(_), _) => {
                    unreachable!("objects of one kind")
                }
            }
        }
    }
    carry_over_meta(old, new);
    new.carry_over(old);
}

fn carry_over_meta(old: &Object, new: &mut Object) {
    let (had, meta) = (old.meta(), new.meta_mut());
    meta.owner_references = meta.owner_references.take().or_else(|| had.owner_references.clone());
    meta.finalizers = meta.finalizers.take().or_else(|| had.finalizers.clone());
    let unsaid = |field, name: &str| !said_before(had, &["metadata", field, name]);
    keep(&had.labels, &mut meta.labels, |name| unsaid("labels", name));
    keep(&had.annotations, &mut meta.annotations, |name| unsaid("annotations", name));
    let had = old.template().and_then(|template| template.metadata.as_ref());
    if let (Some(had), Some(template)) = (had, new.template_mut()) {
        let annotations = &mut template.metadata.get_or_insert_default().annotations;
        let of_tools = |name: &str| OF_TOOLS.iter().any(|prefix| name.starts_with(prefix));
        keep(&had.annotations, annotations, of_tools);
    }
}

/// Copies the labels or annotations that `is_kept` accepts and that have no value yet.
fn keep(
    had: &Option<BTreeMap<String, String>>,
    has: &mut Option<BTreeMap<String, String>>,
    is_kept: impl Fn(&str) -> bool,
) {
    for (name, value) in had.iter().flatten().filter(|(name, _)| is_kept(name)) {
        has.get_or_insert_default().entry(name.clone()).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn cron_job(metadata: Value) -> Object {
        let spec = json!({"schedule": "* * * * *", "jobTemplate": {}});
        let object = json!({"metadata": metadata, "spec": spec});
        Kind::CronJob.deserialize(object).expect("a CronJob")
    }

    /// Returns the object after a manifest is applied to it.
    fn apply(old: Option<&Object>, metadata: Value) -> Object {
        let mut new = cron_job(metadata);
        let said = ManifestFields::by(&mut new);
        old.into_iter().for_each(|old| carry_over(old, &mut new));
        said.record(&mut new);
        new
    }

    #[test]
    fn labels_and_annotations_of_others_stay_and_those_of_the_manifest_are_its_own() {
        let first = json!({"labels": {"a": "1", "b": "1"}, "annotations": {"x": "1"}});
        let mut object = apply(None, first);
        let meta = object.meta_mut();
        meta.labels.get_or_insert_default().insert("team".into(), "ops".into());
        meta.labels.get_or_insert_default().insert("a".into(), "2".into());
        meta.annotations.get_or_insert_default().insert("kubernetes.io/y".into(), "why".into());
        let then = apply(Some(&object), json!({"labels": {"a": "3"}}));
        let check = |object: &Object, labels: Value, annotations: Value| {
            assert_eq!(json!(object.meta().labels), labels);
            assert_eq!(json!(object.meta().annotations), annotations);
        };
        check(&then, json!({"a": "3", "team": "ops"}), json!({"kubernetes.io/y": "why"}));
        // A label that the manifest took over is dropped with it later.
        let taken = apply(Some(&then), json!({"labels": {"team": "dev"}}));
        check(&taken, json!({"team": "dev"}), json!({"kubernetes.io/y": "why"}));
        check(&apply(Some(&taken), json!({})), json!(null), json!({"kubernetes.io/y": "why"}));
    }
}
