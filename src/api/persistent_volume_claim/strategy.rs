//! The strategy of PersistentVolumeClaims.

use super::{check, columns, defaults};
use crate::check::Causes;
use crate::columns::{Cell, Column};
use crate::refused::Refused;
use crate::strategy::{Difference, Strategy, spec_and_status};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

impl Strategy for PersistentVolumeClaim {
    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        columns::cells(self, now)
    }

    fn set_defaults(&mut self) {
        defaults::set(self);
    }

    fn prepare_create(&mut self) {
        defaults::prepare_create(self);
    }

    fn validate(&self, causes: &mut Causes) {
        check::create(self, causes);
    }

    fn prepare_update(&mut self, old: &Self) {
        defaults::prepare_update(old, self);
    }

    fn validate_update(&self, old: &Self, causes: &mut Causes) {
        check::update(old, self, causes);
    }

    fn refuse_update(&self, old: &Self) -> Result<(), Refused> {
        let Some(why) = check::refuses_size(old, self) else { return Ok(()) };
        let name = self.metadata.name.as_deref().unwrap_or_default();
        Err(Refused::Forbidden(format!("persistentvolumeclaims {name:?} is forbidden: {why}")))
    }

    fn carry_over(&mut self, old: &Self) {
        let (Some(had), Some(spec)) = (&old.spec, &mut self.spec) else { return };
        spec.volume_name = spec.volume_name.take().or_else(|| had.volume_name.clone());
    }

    spec_and_status!();
}
