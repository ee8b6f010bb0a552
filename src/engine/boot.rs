//! When the daemon's first start in a boot had read its manifests: what was there by then is due
//! for `@reboot`.

use super::Engine;
use crate::store::{DiskError, Store};
use cronlet_api::time::Timestamp;

const FACT: &str = "boot-loaded";

/// A boot by its slot, and when the first start in it was through with the manifests.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Loaded {
    booted_at: Timestamp,
    loaded_at: Timestamp,
}

/// Reads when this boot's manifests were first read; `None` if they were not so far.
pub(super) fn loaded_at(
    store: &Store,
    booted_at: Option<Timestamp>,
) -> Result<Option<Timestamp>, DiskError> {
    let known: Option<Loaded> = super::read_fact(store, FACT)?;
    Ok(known.filter(|known| Some(known.booted_at) == booted_at).map(|known| known.loaded_at))
}

impl Engine {
    /// Records that the manifests were read, once for each boot.
    pub(super) fn note_loaded(&mut self) {
        let Some(booted_at) = self.settings.booted_at else { return };
        let loaded_at = *self.settings.loaded_at.get_or_insert(self.turn.now);
        let json = serde_json::to_vec(&Loaded { booted_at, loaded_at });
        self.store.put_fact(FACT, json.expect("plain data always serializes"));
    }
}
