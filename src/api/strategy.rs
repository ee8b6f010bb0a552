//! Strategies: the rules of one kind, as `rest.RESTCreateStrategy` and `rest.RESTUpdateStrategy`
//! of Kubernetes' API server.
//!
//! [`admission`](crate::admission) holds what is common to all kinds (identity, generations, order
//! of defaults and checks) and calls the strategy of an object's kind through
//! [`dispatch`](crate::dispatch). A kind implements only its differences: every method has the
//! behaviour of a plain kind by default.

use super::check::{Causes, Path};
use super::columns::{Cell, Column};
use super::names::{Faults, dns_subdomain};
use super::pod::unsupported;
use super::refused::Refused;
use crate::time::Timestamp;
use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::Value;
use std::borrow::Cow;

/// Rules of a kind.
pub trait Strategy: Metadata<Ty = ObjectMeta> + PartialEq {
    /// Columns of the kind's table.
    const COLUMNS: &'static [Column];
    /// Paths of field selectors besides `metadata.name` and `metadata.namespace`.
    const SELECTABLE_FIELDS: &'static [&'static str] = &[];
    /// Rule of `metadata.name`.
    const NAME: fn(&str) -> Faults = dns_subdomain;
    /// True if `metadata.generation` counts the changes of the spec.
    const COUNTS_GENERATIONS: bool = false;
    /// Path of the pod template.
    const TEMPLATE: &'static str = "spec.template";

    /// Returns the row of the object: as many cells as [`Strategy::COLUMNS`].
    fn cells(&self, now: Timestamp) -> Vec<Cell>;

    /// Returns the value of a field selector's path as text; empty if it is not set.
    fn selectable_field(&self, _path: &str) -> Cow<'_, str> {
        Cow::from("")
    }

    /// Refuses annotations that hold fields of old versions and cannot be converted.
    fn check_conversion(&self) -> Result<(), Refused> {
        Ok(())
    }

    /// Sets the defaults of the version.
    fn set_defaults(&mut self) {}

    /// Refuses a new object after its defaults are set, as an admission plugin.
    fn refuse_create(&self) -> Result<(), Refused> {
        Ok(())
    }

    /// Derives and allocates fields; returns the causes of a failed allocation, after which nothing
    /// else is checked. `old` is `None` if the object is new.
    fn allocate(&mut self, _old: Option<&Self>) -> Causes {
        Causes::default()
    }

    /// Sets the first values of a new object (`PrepareForCreate`).
    fn prepare_create(&mut self) {}

    /// Checks a new object, besides its metadata (`Validate`).
    fn validate(&self, causes: &mut Causes);

    /// Changes a valid new object (`Canonicalize`).
    fn canonicalize(&mut self) {}

    /// Keeps the fields that an update may not change, besides the status (`PrepareForUpdate`).
    fn prepare_update(&mut self, _old: &Self) {}

    /// True if the update begins another generation.
    fn is_other_generation(&self, old: &Self) -> bool {
        self.has_other_spec(old)
    }

    /// Checks an update, besides its metadata (`ValidateUpdate`).
    fn validate_update(&self, _old: &Self, causes: &mut Causes) {
        self.validate(causes);
    }

    /// Refuses a valid update, as an admission plugin.
    fn refuse_update(&self, _old: &Self) -> Result<(), Refused> {
        Ok(())
    }

    /// Keeps the fields that an update of the status may not change.
    fn prepare_status_update(&mut self, old: &Self) {
        self.keep_spec(old);
    }

    /// Checks a new status.
    fn validate_status(&self, _causes: &mut Causes) {}

    /// Adds the warnings of the kind's own fields.
    fn warn(&self, _warnings: &mut Vec<String>) {}

    /// Adds a warning for each field of pods that has no effect here; `is_root` is true if root
    /// starts pods.
    fn warn_of_pods(&self, is_root: bool, warnings: &mut Vec<String>) {
        if let Some(template) = self.template() {
            unsupported::template(template, &Path::root(Self::TEMPLATE), is_root, warnings);
        }
    }

    /// Returns the template of the object's pods; `None` if it creates none.
    fn template(&self) -> Option<&PodTemplateSpec> {
        None
    }

    /// Returns the [`Strategy::template`] to change.
    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        None
    }

    /// Returns the spec of the object's pods; of a Pod, its own.
    fn pod_spec(&self) -> Option<&PodSpec> {
        self.template()?.spec.as_ref()
    }

    /// Returns the [`Strategy::pod_spec`] to change.
    fn pod_spec_mut(&mut self) -> Option<&mut PodSpec> {
        self.template_mut()?.spec.as_mut()
    }

    /// Returns `spec.selector` if the kind requires one; `None` if not.
    fn selector(&self) -> Option<&LabelSelector> {
        None
    }

    /// Returns the [`Strategy::selector`] to change.
    fn selector_mut(&mut self) -> Option<&mut LabelSelector> {
        None
    }

    /// Returns the numbers of `scale`, desired and existing pods; `None` if the kind has no
    /// `scale`.
    fn scale(&self) -> Option<(i32, i32)> {
        None
    }

    /// Sets `spec.replicas`, of a kind that has `scale`.
    fn set_replicas(&mut self, _replicas: i32) {}

    /// Returns fields of `spec` with commands of their own (`scale`, `suspend`, `rollout pause`).
    fn command_fields(&mut self) -> Vec<(&'static str, CommandField<'_>)> {
        Vec::new()
    }

    /// Copies to a manifest what the system wrote into the object that was made of it.
    fn carry_over(&mut self, _old: &Self) {}

    /// Returns the texts, besides the name and the labels, that hold generated names and uids.
    fn generated_texts(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    /// Puts placeholders into `shown`, the object's JSON, for what creation allocates.
    fn show_allocated(&self, _shown: &mut Value) {}

    /// Copies the status of `old`; a kind without status has none to copy.
    fn keep_status(&mut self, _old: &Self) {}

    /// Copies the spec of `old`; a kind without status never needs it.
    fn keep_spec(&mut self, _old: &Self) {}

    /// True if the specs differ.
    fn has_other_spec(&self, _old: &Self) -> bool {
        false
    }

    /// Appends the status as JSON. Returns false if there is none.
    fn write_status(&self, _to: &mut Vec<u8>) -> bool {
        false
    }

    /// Compares the object with another version of it.
    fn difference(&self, old: &Self) -> Difference {
        if self == old { Difference::None } else { Difference::Object }
    }
}

/// Extent of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    None,
    /// The status differs, and nothing else.
    Status,
    Object,
}

/// A field that has a command of its own.
pub enum CommandField<'a> {
    Count(&'a mut Option<i32>),
    Switch(&'a mut Option<bool>),
}

/// The methods of a [`Strategy`] that compare and keep `spec` and `status`, for a type that has
/// both.
macro_rules! spec_and_status {
    () => {
        fn keep_status(&mut self, old: &Self) {
            self.status.clone_from(&old.status);
        }

        fn keep_spec(&mut self, old: &Self) {
            self.spec.clone_from(&old.spec);
        }

        fn has_other_spec(&self, old: &Self) -> bool {
            self.spec != old.spec
        }

        fn write_status(&self, to: &mut Vec<u8>) -> bool {
            let Some(status) = &self.status else { return false };
            serde_json::to_writer(to, status).expect("Kubernetes' types always serialize");
            true
        }

        fn difference(&self, old: &Self) -> Difference {
            if self.metadata != old.metadata || self.spec != old.spec {
                Difference::Object
            } else if self.status != old.status {
                Difference::Status
            } else {
                Difference::None
            }
        }
    };
}
pub(crate) use spec_and_status;

/// The methods of a [`Strategy`] that reach `spec.template`, for a type whose `spec` may be absent.
macro_rules! spec_template {
    () => {
        fn template(&self) -> Option<&PodTemplateSpec> {
            self.spec.as_ref().map(|spec| &spec.template)
        }

        fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
            self.spec.as_mut().map(|spec| &mut spec.template)
        }
    };
}
pub(crate) use spec_template;

/// The methods of a [`Strategy`] that reach `spec.selector`.
macro_rules! spec_selector {
    () => {
        fn selector(&self) -> Option<&LabelSelector> {
            self.spec.as_ref().map(|spec| &spec.selector)
        }

        fn selector_mut(&mut self) -> Option<&mut LabelSelector> {
            self.spec.as_mut().map(|spec| &mut spec.selector)
        }
    };
}
pub(crate) use spec_selector;

/// The methods of a [`Strategy`] that scale, for a type with `spec.replicas` and `status.replicas`.
macro_rules! spec_replicas {
    () => {
        fn scale(&self) -> Option<(i32, i32)> {
            let desired = self.spec.as_ref().and_then(|spec| spec.replicas);
            let existing: Option<i32> =
                self.status.as_ref().and_then(|status| status.replicas.into());
            Some((desired.unwrap_or(1), existing.unwrap_or(0)))
        }

        fn set_replicas(&mut self, replicas: i32) {
            self.spec.get_or_insert_default().replicas = Some(replicas);
        }
    };
}
pub(crate) use spec_replicas;
