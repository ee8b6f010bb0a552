//! The description of the API, as far as kubectl needs it: it sends a manifest to a server that
//! validates fields itself, and to no other unless it has validated them.
//!
//! Schemas are left out, so `kubectl explain` finds nothing.

use super::response::{self, Answer, Body};
use cronlet_api::kind::{Kind, KindInfo};
use cronlet_plan::controllers::node::host;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

const TITLE: &str = "Kubernetes";

/// `/openapi/v3`: where the description of each group is.
pub(crate) fn index() -> Answer {
    let mut paths = Map::new();
    for kind in Kind::ALL {
        let at = base(kind.info().group);
        let url = format!("/openapi/v3/{at}");
        paths.insert(at, json!({ "serverRelativeURL": url }));
    }
    response::value(StatusCode::OK, &json!({ "paths": paths }))
}

/// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/v1`
pub(crate) fn of_group(group: &str) -> Answer {
    let infos = Kind::ALL.iter().map(|kind| kind.info()).filter(|info| info.group == group);
    let paths: Map<String, Value> = infos.map(described).collect();
    let document = json!({
        "openapi": "3.0.0",
        "info": { "title": TITLE, "version": host::version() },
        "paths": paths,
        "components": { "schemas": {} },
    });
    response::value(StatusCode::OK, &document)
}

/// `/openapi/v2`, which kubectl asks for when it has a `List` to send: a description of nothing,
/// with which it leaves the validation to the server.
pub(crate) fn version_2(accept: &str) -> Answer {
    let version = host::version();
    if !accept.contains("protobuf") {
        let info = json!({ "title": TITLE, "version": version });
        let document = json!({ "swagger": "2.0", "info": info, "paths": {} });
        return response::value(StatusCode::OK, &document);
    }
    let info = [text_field(1, TITLE), text_field(2, &version)].concat();
    let document = [text_field(1, "2.0"), field(2, &info)].concat();
    let content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    response::typed(StatusCode::OK, content_type, Body::Whole(Some(document.into())))
}

/// `api/v1`, `apis/batch/v1`
fn base(group: &str) -> String {
    if group.is_empty() { "api/v1".to_owned() } else { format!("apis/{group}/v1") }
}

fn described(info: &KindInfo) -> (String, Value) {
    let place = if info.is_cluster_scoped { "" } else { "namespaces/{namespace}/" };
    let path = format!("/{}/{place}{}/{{name}}", base(info.group), info.plural);
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter);
    let operation = json!({
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind":
            { "group": info.group, "version": info.version, "kind": info.kind },
        "parameters": parameters,
        "responses": {},
    });
    (path, json!({ "patch": operation }))
}

fn parameter(name: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": "string" } })
}

/// A field of a protocol buffer whose value is a string.
fn text_field(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A field of a protocol buffer whose value is so few bytes that one tells their number.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    const OF_LENGTH: u8 = 2;
    let length = u8::try_from(value.len()).ok().filter(|length| *length < 0x80);
    let length = length.expect("names and versions are short");
    [&[number << 3 | OF_LENGTH, length], value].concat()
}
