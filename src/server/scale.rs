//! `scale`: the number of pods of a Deployment, ReplicaSet or StatefulSet, as an `autoscaling/v1`
//! Scale, so that a client need not know the kind.

use super::backend::Backend;
use super::response::{self, Answer};
use super::write::{self, Sent, Style};
use cronlet_api::kind::{Key, Object};
use cronlet_api::refused::Refused;
use cronlet_engine::Request;
use hyper::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Value, json};

pub(crate) fn get(backend: &Backend, key: &Key) -> Result<Answer, Refused> {
    Ok(response::value(StatusCode::OK, &shown(&current(backend, key)?)))
}

pub(crate) async fn update(
    backend: &Backend,
    key: &Key,
    sent: Sent<'_>,
) -> Result<Answer, Refused> {
    let unread = |e| Refused::BadRequest(format!("error decoding Scale: {e}"));
    let scale: Value = serde_json::from_slice(sent.bytes).map_err(unread)?;
    let scaled = |old: &Object| scaled(old.clone(), &scale);
    let dry_run = sent.query.dry_run()?;
    let object = write::rewrite(backend, key, Request::Update, dry_run, scaled).await?;
    Ok(response::value(StatusCode::OK, &shown(&object)))
}

pub(crate) async fn patch(backend: &Backend, key: &Key, sent: Sent<'_>) -> Result<Answer, Refused> {
    let style = Style::parse(sent.content_type)?;
    let unread = |e| Refused::BadRequest(format!("error decoding patch: {e}"));
    let patch: Value = serde_json::from_slice(sent.bytes).map_err(unread)?;
    let scaled = |old: &Object| scaled(old.clone(), &style.merged(shown(old), &patch)?);
    let dry_run = sent.query.dry_run()?;
    let object = write::rewrite(backend, key, Request::Update, dry_run, scaled).await?;
    Ok(response::value(StatusCode::OK, &shown(&object)))
}

fn current(backend: &Backend, key: &Key) -> Result<Object, Refused> {
    backend.reader.get(key).ok_or_else(|| Refused::NotFound(key.clone()))
}

fn shown(object: &Object) -> Value {
    let meta = object.meta();
    let (wanted, existing) = object.scale().unwrap_or_default();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": meta.name, "namespace": meta.namespace, "uid": meta.uid,
            "resourceVersion": meta.resource_version, "creationTimestamp": meta.creation_timestamp,
        },
        "spec": { "replicas": wanted },
        "status": {
            "replicas": existing, "selector": object.selector().map(text).unwrap_or_default(),
        },
    })
}

/// A selector as queries spell it: `app=web,tier in (a,b)`.
fn text(selector: &LabelSelector) -> String {
    let labels =
        selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|one| {
        let (key, values) = (&one.key, one.values.clone().unwrap_or_default().join(","));
        match one.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        }
    });
    labels.chain(expressions).collect::<Vec<String>>().join(",")
}

/// The object with the number of pods that the Scale wants, in the version and with the uid that it
/// names.
fn scaled(mut object: Object, scale: &Value) -> Result<Object, Refused> {
    let wanted = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    let wanted = i32::try_from(wanted).map_err(|_| {
        Refused::BadRequest(format!("spec.replicas: Invalid value: {wanted}: is too large"))
    })?;
    object.set_replicas(wanted);
    let named = |field: &str| {
        let text = scale["metadata"][field].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    let meta = object.meta_mut();
    (meta.resource_version, meta.uid) =
        (named("resourceVersion"), named("uid").or(meta.uid.take()));
    Ok(object)
}
