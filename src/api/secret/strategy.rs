//! The strategy of Secrets.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::strategy::Strategy;
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use std::borrow::Cow;

impl Strategy for Secret {
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const SELECTABLE_FIELDS: &'static [&'static str] = &["type"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn selectable_field(&self, _path: &str) -> Cow<'_, str> {
        Cow::from(self.type_.as_deref().unwrap_or_default())
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }
}
