//! `-o`: objects as a table, JSON, YAML or names.

use super::failure::Failure;
use super::target::full_name;
use super::{table, yaml};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::time::{Clock, SystemClock};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Table,
    /// A table with more columns
    Wide,
    Json,
    Yaml,
    /// `kind/name`, one a line
    Name,
}

/// Writes a document as JSON, indented as kubectl does, or as YAML. As with kubectl, who manages
/// which fields is left out.
pub(crate) fn write_value(format: Format, mut value: Value) -> Result<(), Failure> {
    hide_managers(&mut value);
    let items = value.get_mut("items").and_then(Value::as_array_mut);
    items.into_iter().flatten().for_each(hide_managers);
    let text = match format {
        Format::Yaml => yaml::document(&value),
        _ => indented(&value),
    };
    write_text(&text)
}

fn hide_managers(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

pub(crate) fn indented(value: &Value) -> String {
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer).expect("a JSON value always serializes");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

pub(crate) fn write_text(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// A list of objects of any kinds, as kubectl prints it.
pub(crate) fn list_value(objects: &[Object]) -> Value {
    let metadata = json!({ "resourceVersion": "" });
    json!({ "apiVersion": "v1", "kind": "List", "metadata": metadata, "items": objects })
}

/// How a table is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableStyle {
    pub wide: bool,
    pub with_namespace: bool,
    /// Names with their kind, where tables of several kinds follow one another.
    pub with_kind: bool,
    pub with_head: bool,
}

pub(crate) fn table_text(kind: Kind, objects: &[Object], style: TableStyle) -> String {
    let now = SystemClock.now();
    let columns = kind.columns();
    let with_namespace = style.with_namespace && !kind.info().is_cluster_scoped;
    let shown: Vec<usize> =
        (0..columns.len()).filter(|i| style.wide || columns[*i].priority == 0).collect();
    let mut rows = Vec::new();
    if style.with_head {
        let mut head: Vec<String> = shown.iter().map(|i| columns[*i].name.to_uppercase()).collect();
        if with_namespace {
            head.insert(0, "NAMESPACE".to_owned());
        }
        rows.push(head);
    }
    for object in objects {
        let cells = object.cells(now);
        let mut row: Vec<String> = shown.iter().map(|i| cells[*i].to_string()).collect();
        if style.with_kind {
            row[0] = full_name(kind, &row[0]);
        }
        if with_namespace {
            row.insert(0, object.namespace().to_owned());
        }
        rows.push(row);
    }
    table::table(&rows)
}
