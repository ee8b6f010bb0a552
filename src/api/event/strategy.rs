//! The strategy of Events.

use super::{check, columns};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::names::{Faults, path_segment};
use crate::strategy::Strategy;
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Event;
use std::borrow::Cow;

impl Strategy for Event {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const SELECTABLE_FIELDS: &'static [&'static str] = &[
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.resourceVersion",
        "involvedObject.uid",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ];
    const NAME: fn(&str) -> Faults = path_segment;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn selectable_field(&self, path: &str) -> Cow<'_, str> {
        let about = &self.involved_object;
        let source = || self.source.as_ref().and_then(|source| source.component.as_ref());
        let value = match path {
            "involvedObject.apiVersion" => about.api_version.as_ref(),
            "involvedObject.fieldPath" => about.field_path.as_ref(),
            "involvedObject.kind" => about.kind.as_ref(),
            "involvedObject.name" => about.name.as_ref(),
            "involvedObject.namespace" => about.namespace.as_ref(),
            "involvedObject.resourceVersion" => about.resource_version.as_ref(),
            "involvedObject.uid" => about.uid.as_ref(),
            "reason" => self.reason.as_ref(),
            "reportingComponent" => self.reporting_component.as_ref(),
            "source" => source().or(self.reporting_component.as_ref()),
            "type" => self.type_.as_ref(),
            _ => None,
        };
        Cow::from(value.map(String::as_str).unwrap_or_default())
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }
}
