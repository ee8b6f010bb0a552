//! Dispatch of an object to the strategy of its kind: the one place that matches over all kinds.

use super::check::Causes;
use super::columns::{Cell, Column};
use super::names::Faults;
use super::refused::Refused;
use super::strategy::{CommandField, Difference, Strategy};
use crate::kind::{Kind, Object, each_kind, types};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A constant of the strategy of a kind.
macro_rules! constant {
    (($kind:expr, $name:ident) $($each:ident)*) => {
        match $kind { $(Kind::$each => <types::$each as Strategy>::$name,)* }
    };
}

/// Calls a method of the strategy with the object, to read.
macro_rules! read {
    (($object:expr, $one:ident => $call:expr) $($each:ident)*) => {
        match $object { $(Object::$each($one) => $call,)* }
    };
}

/// Calls a method of the strategy with the object, to change; a shared one is copied first.
macro_rules! change {
    (($object:expr, $one:ident => $call:expr) $($each:ident)*) => {
        match $object {
            $(Object::$each(shared) => {
                let $one = Arc::make_mut(shared);
                $call
            })*
        }
    };
}

/// Calls a method of the strategy with two objects of one kind, to read.
macro_rules! compare {
    (($new:expr, $old:expr, $one:ident, $other:ident => $call:expr) $($each:ident)*) => {
        match ($new, $old) {
            $((Object::$each($one), Object::$each($other)) => $call,)*
            _ => unreachable!("objects of one kind"),
        }
    };
}

/// Calls a method of the strategy with two objects of one kind, the first to change.
macro_rules! change_by {
    (($new:expr, $old:expr, $one:ident, $other:ident => $call:expr) $($each:ident)*) => {
        match ($new, $old) {
            $((Object::$each(shared), Object::$each($other)) => {
                let $one = Arc::make_mut(shared);
                $call
            })*
            _ => unreachable!("objects of one kind"),
        }
    };
}

/// Constants of [`Strategy`], by kind.
impl Kind {
    pub fn columns(self) -> &'static [Column] {
        each_kind!(constant(self, COLUMNS))
    }

    pub fn selectable_fields(self) -> &'static [&'static str] {
        each_kind!(constant(self, SELECTABLE_FIELDS))
    }

    pub(crate) fn name_rule(self) -> fn(&str) -> Faults {
        each_kind!(constant(self, NAME))
    }

    pub(crate) fn counts_generations(self) -> bool {
        each_kind!(constant(self, COUNTS_GENERATIONS))
    }
}

/// Methods of [`Strategy`] that read one object.
impl Object {
    pub fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let cells = each_kind!(read(self, one => one.cells(now)));
        debug_assert_eq!(cells.len(), self.kind().columns().len(), "a cell for each column");
        cells
    }

    pub fn selectable_field(&self, path: &str) -> Cow<'_, str> {
        match path {
            "metadata.name" => Cow::from(self.name()),
            "metadata.namespace" => Cow::from(self.namespace()),
            _ => each_kind!(read(self, one => one.selectable_field(path))),
        }
    }

    pub fn template(&self) -> Option<&PodTemplateSpec> {
        each_kind!(read(self, one => one.template()))
    }

    pub fn pod_spec(&self) -> Option<&PodSpec> {
        each_kind!(read(self, one => one.pod_spec()))
    }

    pub fn selector(&self) -> Option<&LabelSelector> {
        each_kind!(read(self, one => one.selector()))
    }

    pub fn scale(&self) -> Option<(i32, i32)> {
        each_kind!(read(self, one => one.scale()))
    }

    pub fn write_status(&self, to: &mut Vec<u8>) -> bool {
        each_kind!(read(self, one => one.write_status(to)))
    }

    pub(crate) fn check_conversion(&self) -> Result<(), Refused> {
        each_kind!(read(self, one => one.check_conversion()))
    }

    pub(crate) fn refuse_create(&self) -> Result<(), Refused> {
        each_kind!(read(self, one => one.refuse_create()))
    }

    pub(crate) fn validate(&self, causes: &mut Causes) {
        each_kind!(read(self, one => one.validate(causes)));
    }

    pub(crate) fn validate_status(&self, causes: &mut Causes) {
        each_kind!(read(self, one => one.validate_status(causes)));
    }

    pub(crate) fn warn(&self, is_root: bool, warnings: &mut Vec<String>) {
        each_kind!(read(self, one => {
            one.warn(warnings);
            one.warn_of_pods(is_root, warnings);
        }));
    }

    pub(crate) fn show_allocated(&self, shown: &mut Value) {
        each_kind!(read(self, one => one.show_allocated(shown)));
    }
}

/// Methods of [`Strategy`] that change one object.
impl Object {
    pub fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        each_kind!(change(self, one => one.template_mut()))
    }

    pub(crate) fn pod_spec_mut(&mut self) -> Option<&mut PodSpec> {
        each_kind!(change(self, one => one.pod_spec_mut()))
    }

    pub(crate) fn selector_mut(&mut self) -> Option<&mut LabelSelector> {
        each_kind!(change(self, one => one.selector_mut()))
    }

    pub fn set_replicas(&mut self, replicas: i32) {
        each_kind!(change(self, one => one.set_replicas(replicas)));
    }

    pub(crate) fn command_fields(&mut self) -> Vec<(&'static str, CommandField<'_>)> {
        each_kind!(change(self, one => one.command_fields()))
    }

    pub(crate) fn set_defaults(&mut self) {
        each_kind!(change(self, one => one.set_defaults()));
    }

    pub(crate) fn prepare_create(&mut self) {
        each_kind!(change(self, one => one.prepare_create()));
    }

    pub(crate) fn canonicalize(&mut self) {
        each_kind!(change(self, one => one.canonicalize()));
    }

    pub(crate) fn generated_texts(&mut self) -> Vec<&mut String> {
        each_kind!(change(self, one => one.generated_texts()))
    }

    pub(crate) fn allocate(&mut self) -> Causes {
        each_kind!(change(self, one => one.allocate(None)))
    }
}

/// Methods of [`Strategy`] that take another version of the object, which is of the same kind.
impl Object {
    pub fn difference(&self, old: &Object) -> Difference {
        each_kind!(compare(self, old, new, old => match Arc::ptr_eq(new, old) {
            true => Difference::None,
            false => new.difference(old),
        }))
    }

    pub(crate) fn is_other_generation(&self, old: &Object) -> bool {
        each_kind!(compare(self, old, new, old => new.is_other_generation(old)))
    }

    pub(crate) fn validate_update(&self, old: &Object, causes: &mut Causes) {
        each_kind!(compare(self, old, new, old => new.validate_update(old, causes)));
    }

    pub(crate) fn refuse_update(&self, old: &Object) -> Result<(), Refused> {
        each_kind!(compare(self, old, new, old => new.refuse_update(old)))
    }

    pub(crate) fn keep_status(&mut self, old: &Object) {
        each_kind!(change_by(self, old, new, old => new.keep_status(old)));
    }

    pub(crate) fn prepare_update(&mut self, old: &Object) {
        each_kind!(change_by(self, old, new, old => new.prepare_update(old)));
    }

    pub(crate) fn allocate_again(&mut self, old: &Object) -> Causes {
        each_kind!(change_by(self, old, new, old => new.allocate(Some(old))))
    }

    pub(crate) fn prepare_status_update(&mut self, old: &Object) {
        each_kind!(change_by(self, old, new, old => new.prepare_status_update(old)));
    }

    pub(crate) fn carry_over(&mut self, old: &Object) {
        each_kind!(change_by(self, old, new, old => new.carry_over(old)));
    }
}
