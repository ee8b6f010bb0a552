//! Results of a check: the causes of a Kubernetes `Status`, each with its field and reason.

use std::fmt::{Display, Write};

/// Kubernetes' field error types (`metav1.CauseType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Duplicate,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    NotSupported,
    Required,
    TooLong,
    TooMany,
    TypeInvalid,
}

impl Reason {
    /// Returns the reason as spelled in `Status.details.causes[].reason`.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Duplicate => "FieldValueDuplicate",
            Reason::Forbidden => "FieldValueForbidden",
            Reason::Internal => "InternalError",
            Reason::Invalid => "FieldValueInvalid",
            Reason::NotFound => "FieldValueNotFound",
            Reason::NotSupported => "FieldValueNotSupported",
            Reason::Required => "FieldValueRequired",
            Reason::TooLong => "FieldValueTooLong",
            Reason::TooMany => "FieldValueTooMany",
            Reason::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

/// A cause of a refusal (`metav1.StatusCause`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The field's path, such as `spec.template.spec.containers[0].name`.
    pub field: String,
    pub reason: Reason,
    /// Kubernetes' words, such as `Invalid value: "…": why, and what is accepted`.
    pub message: String,
}

/// The causes found so far; their paths are built on the way down, see [`Path`].
#[derive(Debug, Default)]
pub struct Causes {
    pub found: Vec<Cause>,
}

impl Causes {
    pub fn add(&mut self, at: &Path<'_>, reason: Reason, message: impl Into<String>) {
        self.found.push(Cause { field: at.to_string(), reason, message: message.into() });
    }

    pub fn required(&mut self, at: &Path<'_>, detail: &str) {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        self.add(at, Reason::Required, message);
    }

    pub fn invalid(&mut self, at: &Path<'_>, value: impl serde::Serialize, why: impl Display) {
        self.add(at, Reason::Invalid, format!("Invalid value: {}: {why}", shown(&value)));
    }

    /// Adds an `Invalid` for each fault that a grammar of [`super::names`] found.
    pub fn invalid_each(
        &mut self,
        at: &Path<'_>,
        value: impl serde::Serialize,
        faults: super::names::Faults,
    ) {
        for fault in faults {
            self.invalid(at, &value, fault);
        }
    }

    pub fn not_found(&mut self, at: &Path<'_>, value: impl serde::Serialize) {
        self.add(at, Reason::NotFound, format!("Not found: {}", shown(&value)));
    }

    pub fn too_long(&mut self, at: &Path<'_>, bytes_max: usize) {
        self.add(at, Reason::TooLong, format!("Too long: may not be more than {bytes_max} bytes"));
    }

    pub fn too_many(&mut self, at: &Path<'_>, count: usize, count_max: usize) {
        let message = format!("Too many: {count}: must have at most {count_max} items");
        self.add(at, Reason::TooMany, message);
    }

    pub fn duplicate(&mut self, at: &Path<'_>, value: impl serde::Serialize) {
        self.add(at, Reason::Duplicate, format!("Duplicate value: {}", shown(&value)));
    }

    pub fn forbidden(&mut self, at: &Path<'_>, why: impl Display) {
        self.add(at, Reason::Forbidden, format!("Forbidden: {why}"));
    }

    /// Adds a `NotSupported`, which lists the `supported` values.
    pub fn unsupported(&mut self, at: &Path<'_>, value: &str, supported: &[&str]) {
        let mut message = format!("Unsupported value: {value:?}: supported values: ");
        for (i, one) in supported.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(message, "{comma}{one:?}").expect("writing to a String");
        }
        self.add(at, Reason::NotSupported, message);
    }
}

/// Formats a value as the API server prints it in a message: JSON, or `"null"` if it is missing.
pub fn shown(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value).expect("Kubernetes' types always serialize") {
        serde_json::Value::Null => "\"null\"".to_owned(),
        serde_json::Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// A field's path, built on the stack: `Path::root("spec").child("containers").index(0)`.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    pub fn root(field: &'a str) -> Path<'a> {
        Path { parent: None, step: Step::Field(field) }
    }

    pub fn child(&'a self, field: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Field(field) }
    }

    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// Appends `[key]`, as in `data[key]`.
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key) }
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_the_api_server_prints_them() {
        use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
        let selector = LabelSelector {
            match_labels: Some([("a".to_owned(), "b".to_owned())].into()),
            ..LabelSelector::default()
        };
        assert_eq!(shown(&selector), r#"{"matchLabels":{"a":"b"}}"#);
        assert_eq!(shown(&Some(3)), "3");
        assert_eq!(shown(&None::<i32>), r#""null""#);
        assert_eq!(shown(&"é\"\n"), r#""é\"\n""#);
        assert_eq!(shown(&vec!["a", "b"]), r#"["a","b"]"#);
        assert_eq!(shown(&true), "true");
    }
}
