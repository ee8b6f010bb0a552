//! The shape of an answer: the objects themselves, or the table that `kubectl get` asks for.

use super::query::Query;
use super::read;
use cronlet_api::kind::{Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_api::time::{Clock, SystemClock};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Objects,
    Table(Include),
}

/// What of each object comes with its row (`includeObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Shape {
    /// By the `Accept` header: the first of its types that is offered.
    pub(crate) fn parse(accept: &str, query: &Query) -> Result<Shape, Refused> {
        let is_table = |one: &&str| one.contains("as=Table") && one.contains("v=v1;");
        let offered = |one: &&str| is_table(one) || !one.contains("as=");
        let padded: Vec<String> = accept.split(',').map(|one| format!("{one};")).collect();
        let first = padded.iter().map(String::as_str).find(offered);
        if !first.is_some_and(|one| is_table(&one)) {
            return Ok(Shape::Objects);
        }
        match query.text("includeObject") {
            None | Some("Metadata") => Ok(Shape::Table(Include::Metadata)),
            Some("None") => Ok(Shape::Table(Include::Nothing)),
            Some("Object") => Ok(Shape::Table(Include::Object)),
            Some(other) => Err(Refused::BadRequest(format!(
                "includeObject: Unsupported value: {other:?}: supported values: \"Metadata\", \
                 \"None\", \"Object\""
            ))),
        }
    }

    /// A list in this shape; `metadata` is the list's.
    pub(crate) fn list(self, kind: Kind, metadata: &Value, objects: &[Object]) -> Vec<u8> {
        match self {
            Shape::Objects => read::listed(kind, metadata, objects),
            Shape::Table(include) => {
                table(kind, metadata, objects, include, true).to_string().into_bytes()
            }
        }
    }

    /// One object in this shape. `with_columns`: a watch names its columns in the first event
    /// alone.
    pub(crate) fn object(self, object: &Object, with_columns: bool) -> Vec<u8> {
        match self {
            Shape::Objects => object.to_json(),
            Shape::Table(include) => {
                let metadata = json!({ "resourceVersion": object.meta().resource_version });
                let objects = std::slice::from_ref(object);
                let table = table(object.kind(), &metadata, objects, include, with_columns);
                table.to_string().into_bytes()
            }
        }
    }
}

/// `meta.k8s.io/v1 Table`
fn table(
    kind: Kind,
    metadata: &Value,
    objects: &[Object],
    include: Include,
    with_columns: bool,
) -> Value {
    let now = SystemClock.now();
    let definitions = kind.columns().iter().filter(|_| with_columns).map(|column| {
        json!({
            "name": column.name, "type": column.kind, "format": column.format,
            "description": "", "priority": column.priority,
        })
    });
    let rows = objects.iter().map(|object| {
        let mut row = json!({ "cells": object.cells(now) });
        match include {
            Include::Nothing => {}
            Include::Metadata => {
                row["object"] = json!({
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": object.meta(),
                });
            }
            Include::Object => row["object"] = json!(object),
        }
        row
    });
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": definitions.collect::<Vec<_>>(), "rows": rows.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_chooses() {
        let check = |accept: &str, query: &str, want: Option<Shape>| {
            let query = Query::parse(query).expect(query);
            assert_eq!(Shape::parse(accept, &query).ok(), want, "{accept} {query:?}");
        };
        let table = |include| Some(Shape::Table(include));
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;\
                       v=v1beta1;g=meta.k8s.io,application/json";
        check(kubectl, "", table(Include::Metadata));
        check(kubectl, "includeObject=None", table(Include::Nothing));
        check(kubectl, "includeObject=Object", table(Include::Object));
        check(kubectl, "includeObject=All", None);
        check("application/json;g=meta.k8s.io;as=Table;v=v1", "", table(Include::Metadata));
        check("application/json;as=Table;v=v1beta1;g=meta.k8s.io", "", Some(Shape::Objects));
        check("application/json, application/json;as=Table;v=v1", "", Some(Shape::Objects));
        check("", "", Some(Shape::Objects));
        check("*/*", "", Some(Shape::Objects));
    }
}
