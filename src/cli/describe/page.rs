//! The text that a description is written on: lines by level, tabs between columns.

use crate::table;
use cronlet_api::time::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// Longer annotations go on lines of their own.
const ANNOTATION_CHARS_MAX: usize = 140;

#[derive(Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// One line, two blanks for each level.
    pub(super) fn line(&mut self, level: usize, line: impl Display) {
        let indent = level * 2;
        writeln!(self.text, "{:indent$}{line}", "").expect("writing to a String");
    }

    /// `Name:<tab>value`
    pub(super) fn field(&mut self, level: usize, name: &str, value: impl Display) {
        self.line(level, format_args!("{name}:\t{value}"));
    }

    /// A field that is left out where there is no value.
    pub(super) fn field_if(&mut self, level: usize, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.field(level, name, value);
        }
    }

    /// A field that says `<unset>` where there is no value.
    pub(super) fn field_or_unset(&mut self, level: usize, name: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.field(level, name, value),
            None => self.field(level, name, "<unset>"),
        }
    }

    /// Name, namespace.
    pub(super) fn names(&mut self, meta: &ObjectMeta) {
        self.field(0, "Name", meta.name.as_deref().unwrap_or_default());
        self.field(0, "Namespace", meta.namespace.as_deref().unwrap_or_default());
    }

    pub(super) fn created(&mut self, meta: &ObjectMeta) {
        let created = meta.creation_timestamp.as_ref().map_or_else(String::new, time);
        self.field(0, "CreationTimestamp", created);
    }

    /// Conditions by type, status and reason, where there are any.
    pub(super) fn conditions(
        &mut self,
        conditions: impl Iterator<Item = (String, String, Option<String>)>,
    ) {
        for (nth, (kind, status, reason)) in conditions.enumerate() {
            if nth == 0 {
                self.line(0, "Conditions:");
                self.line(1, "Type\tStatus\tReason");
                self.line(1, "----\t------\t------");
            }
            let reason = reason.unwrap_or_default();
            self.line(1, format_args!("{kind} \t{status}\t{reason}"));
        }
    }

    pub(super) fn labels(
        &mut self,
        level: usize,
        name: &str,
        labels: Option<&BTreeMap<String, String>>,
    ) {
        let pairs = labels.into_iter().flatten();
        self.many(level, name, pairs.map(|(key, value)| format!("{key}={value}")));
    }

    pub(super) fn annotations(&mut self, level: usize, meta: &ObjectMeta) {
        let hidden = "kubectl.kubernetes.io/last-applied-configuration";
        let mut lines = Vec::new();
        for (key, value) in meta.annotations.iter().flatten().filter(|(key, _)| *key != hidden) {
            let value = value.strip_suffix('\n').unwrap_or(value);
            if value.contains('\n') || key.len() + value.len() + 2 > ANNOTATION_CHARS_MAX {
                lines.push(format!("{key}:"));
                lines.extend(value.split('\n').map(|line| format!("  {}", shortened(line))));
            } else {
                lines.push(format!("{key}: {value}"));
            }
        }
        self.many(level, "Annotations", lines.into_iter());
    }

    /// `Name:<tab>first`, the others below it; `<none>` where there are none.
    pub(super) fn many(
        &mut self,
        level: usize,
        name: &str,
        mut values: impl Iterator<Item = String>,
    ) {
        match values.next() {
            None => self.field(level, name, "<none>"),
            Some(first) => {
                self.field(level, name, first);
                values.for_each(|value| self.line(level, format_args!("\t{value}")));
            }
        }
    }

    pub(super) fn controller(&mut self, meta: &ObjectMeta) {
        let owners = meta.owner_references.as_deref().unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.controller == Some(true));
        self.field_if(0, "Controlled By", owner.map(|o| format!("{}/{}", o.kind, o.name)));
    }

    /// Text that is no table: tabs in it stay.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// As it was written, tabs and all.
    pub(super) fn raw(self) -> String {
        self.text
    }

    pub(super) fn finish(self) -> String {
        table::describe(&self.text)
    }
}

fn shortened(line: &str) -> String {
    let limit = ANNOTATION_CHARS_MAX - 2;
    match line.chars().count() > limit {
        true => line.chars().take(limit - 3).chain("...".chars()).collect(),
        false => line.to_owned(),
    }
}

/// `Mon, 23 Nov 2026 11:08:00 +0000`
pub(super) fn time(time: &Time) -> String {
    timestamp(time.0)
}

pub(super) fn timestamp(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

pub(super) fn int_or_string(value: Option<&IntOrString>) -> String {
    match value {
        Some(IntOrString::Int(number)) => number.to_string(),
        Some(IntOrString::String(text)) => text.clone(),
        None => String::new(),
    }
}

/// Go prints flags of the API with a capital.
pub(super) fn capital(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}
