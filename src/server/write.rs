//! POST, PUT, PATCH and DELETE: bodies read, names checked, the rest asked of the engine, which
//! admits and commits.

use super::backend::Backend;
use super::body::{self, Decoded};
use super::query::Query;
use super::response::{self, Answer};
use super::route::Subresource;
use super::{patch, read, rehearse, sources, strategic};
use cronlet_api::admission;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_engine::{DeleteOptions, Request};
use hyper::StatusCode;
use hyper::body::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde_json::Value;

/// What came with a request: its query, and its body as the content type says.
pub(crate) struct Sent<'a> {
    pub query: &'a Query,
    pub content_type: &'a str,
    pub bytes: &'a Bytes,
}

impl Sent<'_> {
    /// The object of the body, at the place that the URL names.
    fn object(&self, kind: Kind, namespace: &str, name: Option<&str>) -> Result<Decoded, Refused> {
        let strictness = body::strictness(self.query)?;
        let mut decoded = body::decode(kind, self.bytes, self.content_type, strictness)?;
        decoded.object = placed(decoded.object, namespace, name)?;
        Ok(decoded)
    }
}

pub(crate) async fn create(
    backend: &Backend,
    kind: Kind,
    namespace: &str,
    sent: Sent<'_>,
) -> Result<Answer, Refused> {
    let Decoded { object, mut warnings } = sent.object(kind, namespace, None)?;
    warnings.extend(admission::warnings(None, &object));
    let created = submit(backend, Request::Create(object), sent.query.dry_run()?).await?;
    Ok(warned(response::object(StatusCode::CREATED, &created), &warnings))
}

pub(crate) async fn update(
    backend: &Backend,
    key: &Key,
    part: Subresource,
    sent: Sent<'_>,
) -> Result<Answer, Refused> {
    let Decoded { object, mut warnings } =
        sent.object(key.kind, &key.namespace, Some(&key.name))?;
    warnings.extend(of_spec(part, backend.reader.get(key).as_ref(), &object));
    let updated = submit(backend, change(part, object), sent.query.dry_run()?).await?;
    Ok(warned(response::object(StatusCode::OK, &updated), &warnings))
}

fn change(part: Subresource, object: Object) -> Request {
    match part {
        Subresource::Status => Request::UpdateStatus(object),
        _ => Request::Update(object),
    }
}

/// Asks the engine, or only admits the object where nothing shall change.
pub(crate) async fn submit(
    backend: &Backend,
    request: Request,
    dry_run: bool,
) -> Result<Object, Refused> {
    if dry_run {
        rehearse::rehearse(&backend.reader, request)
    } else {
        backend.submit(request).await
    }
}

/// Sets the namespace of the URL, and refuses an object that names another place than the URL.
fn placed(mut object: Object, namespace: &str, name: Option<&str>) -> Result<Object, Refused> {
    let is_cluster_scoped = object.kind().info().is_cluster_scoped;
    let named = object.namespace();
    if !is_cluster_scoped && !named.is_empty() && named != namespace {
        return Err(Refused::BadRequest(format!(
            "the namespace of the provided object does not match the namespace sent on the request \
             ({named} does not match {namespace})"
        )));
    }
    if let Some(name) = name {
        let own = object.name();
        if own.is_empty() {
            return Err(Refused::BadRequest(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be \
                 provided"
            )));
        }
        if own != name {
            return Err(Refused::BadRequest(format!(
                "the name of the object ({own}) does not match the name on the URL ({name})"
            )));
        }
    }
    object.set_namespace(namespace);
    Ok(object)
}

/// Returns the warnings of a write of the spec.
fn of_spec(part: Subresource, old: Option<&Object>, new: &Object) -> Vec<String> {
    if part == Subresource::Status { Vec::new() } else { admission::warnings(old, new) }
}

fn warned(mut answer: Answer, warnings: &[String]) -> Answer {
    response::warn(&mut answer, warnings);
    answer
}

/// At most this many times a change is applied to what won a race. Patches never race each other;
/// against a stream of other writes, losing each of these is out of all likelihood.
const REWRITES_MAX: u32 = 64;

/// Reads the object, changes it and writes it. Where another write came between, all three are done
/// again (`GuaranteedUpdate`), unless the change itself names a resourceVersion or uid.
pub(crate) async fn rewrite(
    backend: &Backend,
    key: &Key,
    write: impl Fn(Object) -> Request,
    dry_run: bool,
    mut change: impl FnMut(&Object) -> Result<Object, Refused>,
) -> Result<Object, Refused> {
    let _turn = backend.patches.lock(key).await;
    let mut tries = 0;
    loop {
        tries += 1;
        let old = backend.reader.get(key).ok_or_else(|| Refused::NotFound(key.clone()))?;
        let mut object = change(&old)?;
        let meta = object.meta_mut();
        meta.resource_version.take_if(|version| version.is_empty());
        let version = meta.resource_version.get_or_insert_with(|| version_of(&old));
        let is_free =
            *version == version_of(&old) && [None, Some(old.uid())].contains(&meta.uid.as_deref());
        match submit(backend, write(object), dry_run).await {
            Err(Refused::Conflict { .. }) if is_free && tries < REWRITES_MAX => continue,
            answered => return answered,
        }
    }
}

fn version_of(object: &Object) -> String {
    object.meta().resource_version.clone().unwrap_or_default()
}

pub(crate) async fn patch(
    backend: &Backend,
    key: &Key,
    part: Subresource,
    sent: Sent<'_>,
) -> Result<Answer, Refused> {
    let style = Style::parse(sent.content_type)?;
    if style == Style::Apply {
        return apply(backend, key, sent).await;
    }
    let dry_run = sent.query.dry_run()?;
    let strictness = body::strictness(sent.query)?;
    let unread = |e| Refused::BadRequest(format!("error decoding patch: {e}"));
    let patch: Value = serde_json::from_slice(sent.bytes).map_err(unread)?;
    let mut warnings = Vec::new();
    let patched = |old: &Object| {
        let patched = style.applied(old, &patch)?;
        let decoded = body::decode(key.kind, &patched, "", strictness)?;
        warnings = decoded.warnings;
        warnings.extend(of_spec(part, Some(old), &decoded.object));
        placed(decoded.object, &key.namespace, Some(&key.name))
    };
    let object = rewrite(backend, key, |object| change(part, object), dry_run, patched).await?;
    Ok(warned(response::object(StatusCode::OK, &object), &warnings))
}

/// Server-side apply with one manager: the object becomes as the manifest says.
async fn apply(backend: &Backend, key: &Key, sent: Sent<'_>) -> Result<Answer, Refused> {
    if sent.query.text("fieldManager").is_none() {
        let why = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is \
                   required for apply patch";
        return Err(Refused::BadRequest(why.to_owned()));
    }
    let Decoded { object, mut warnings } =
        sent.object(key.kind, &key.namespace, Some(&key.name))?;
    // Of several that come at once, one makes the object.
    let _turn = backend.patches.lock(key).await;
    let old = backend.reader.get(key);
    warnings.extend(admission::warnings(old.as_ref(), &object));
    let is_new = old.is_none();
    let dry_run = sent.query.dry_run()?;
    let applied = backend.submit(Request::Apply { object, dry_run }).await?;
    let code = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(warned(response::object(code, &applied), &warnings))
}

/// How a patch is written, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Style {
    pub(crate) fn parse(content_type: &str) -> Result<Style, Refused> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(Style::Json),
            "application/merge-patch+json" => Ok(Style::Merge),
            "application/strategic-merge-patch+json" => Ok(Style::Strategic),
            "application/apply-patch+yaml" => Ok(Style::Apply),
            _ => Err(Refused::UnsupportedMediaType(
                "application/json-patch+json, application/merge-patch+json, \
                 application/strategic-merge-patch+json, application/apply-patch+yaml"
                    .to_owned(),
            )),
        }
    }

    /// The object's JSON with the patch applied.
    fn applied(self, object: &Object, patch: &Value) -> Result<Bytes, Refused> {
        let value = serde_json::to_value(object).expect("Kubernetes' types always serialize");
        Ok(self.merged(value, patch)?.to_string().into())
    }

    /// A document with the patch applied.
    pub(crate) fn merged(self, mut value: Value, patch: &Value) -> Result<Value, Refused> {
        let done = match self {
            Style::Json => patch::json(&mut value, patch),
            Style::Strategic => strategic::merge(&mut value, patch),
            Style::Merge | Style::Apply => {
                patch::merge(&mut value, patch.clone());
                Ok(())
            }
        };
        done.map_err(|error| Refused::BadRequest(error.to_string()))?;
        Ok(value)
    }
}

pub(crate) async fn delete(
    backend: &Backend,
    key: &Key,
    query: &Query,
    bytes: &Bytes,
) -> Result<Answer, Refused> {
    let options = delete_options(query, bytes)?;
    let dry_run = options.dry_run;
    let deleted = backend.submit(Request::Delete { key: key.clone(), options }).await?;
    // As the API server: a Pod comes back as it was, and so does what a finalizer still holds.
    let stays = backend.reader.get(key).is_some_and(|object| object.uid() == deleted.uid());
    if key.kind == Kind::Pod || (stays && !dry_run) {
        return Ok(response::object(StatusCode::OK, &deleted));
    }
    let info = key.kind.info();
    let status = meta::Status {
        status: Some("Success".to_owned()),
        details: Some(meta::StatusDetails {
            name: Some(key.name.to_string()),
            group: (!info.group.is_empty()).then(|| info.group.to_owned()),
            kind: Some(info.plural.to_owned()),
            uid: Some(deleted.uid().to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    Ok(response::value(StatusCode::OK, &status))
}

/// At most this many deletions of one collection are under way at once: they share a commit, and
/// leave room for others in it.
const DELETIONS_MAX: usize = 64;

/// Deletes all that the selectors name; an object that goes meanwhile is no failure.
pub(crate) async fn delete_collection(
    backend: &Backend,
    kind: Kind,
    namespace: &str,
    query: &Query,
    bytes: &Bytes,
) -> Result<Answer, Refused> {
    let selector = read::selector(kind, query)?;
    let (mut objects, version) = backend.reader.list(kind, Some(namespace));
    objects.retain(|object| selector.matches(object));
    let options = delete_options(query, bytes)?;
    for some in objects.chunks(DELETIONS_MAX) {
        let delete =
            |object: &Object| Request::Delete { key: object.key(), options: options.clone() };
        for answer in backend.submit_all(some.iter().map(delete)).await? {
            match answer {
                Ok(_) | Err(Refused::NotFound(_)) => {}
                Err(refused) => return Err(refused),
            }
        }
    }
    let metadata = serde_json::json!({ "resourceVersion": version.to_string() });
    let keys = objects.iter().map(Object::key).collect();
    let warnings = sources::of_deleted(&backend.sources, &keys);
    let listed = response::json(StatusCode::OK, read::listed(kind, &metadata, &objects));
    Ok(warned(listed, &warnings))
}

/// From the body where there is one, else from the query.
fn delete_options(query: &Query, bytes: &Bytes) -> Result<DeleteOptions, Refused> {
    let unread = |e| Refused::BadRequest(format!("error decoding DeleteOptions: {e}"));
    let body: meta::DeleteOptions = match bytes.is_empty() {
        true => meta::DeleteOptions::default(),
        false => serde_json::from_slice(bytes).map_err(unread)?,
    };
    let preconditions = body.preconditions.unwrap_or_default();
    let orphan = body.orphan_dependents.unwrap_or(false) || query.flag("orphanDependents");
    let propagation = body
        .propagation_policy
        .or_else(|| query.text("propagationPolicy").map(str::to_owned))
        .or_else(|| orphan.then(|| "Orphan".to_owned()));
    if let Some(other) = propagation.as_deref()
        && !["Background", "Foreground", "Orphan"].contains(&other)
    {
        return Err(Refused::BadRequest(format!(
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \
             {other:?}: supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
        )));
    }
    let grace_seconds = match body.grace_period_seconds {
        Some(seconds) => Some(seconds),
        None => query.number("gracePeriodSeconds")?,
    };
    Ok(DeleteOptions {
        grace_seconds: grace_seconds.map(|seconds| seconds.max(0)),
        propagation,
        uid: preconditions.uid,
        resource_version: preconditions.resource_version,
        dry_run: query.dry_run()?
            || body.dry_run.is_some_and(|list| list.iter().any(|d| d == "All")),
    })
}
