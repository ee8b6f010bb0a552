//! Manifest files: what a file says comes true as a whole, or not at all.

use super::Engine;
use super::requests::Applied;
use crate::kinds::refused::Refused;
use crate::kinds::{Key, Object};
use crate::store::SourceRecord;

/// A manifest file that changed, or is gone.
#[derive(Debug, Clone)]
pub struct FileChange {
    pub file: String,
    /// What it says now; `None`: the file is gone and forgotten.
    pub manifest: Option<Manifest>,
    /// What it made, and no file makes any more.
    pub dropped: Vec<Key>,
}

/// A file's size and modification time in nanoseconds, and its objects: named, without defaults.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub stamp: (u64, i64),
    pub objects: Vec<Object>,
}

/// What became of a file's change. Objects are told by their place in the file.
#[derive(Debug, Default)]
pub struct FileOutcome {
    /// Where there is one, nothing of the file came true.
    pub refused: Vec<(usize, Refused)>,
    pub warnings: Vec<(usize, String)>,
}

impl Engine {
    pub(super) fn take_in(&mut self, change: FileChange) -> FileOutcome {
        let FileChange { file, manifest, dropped } = change;
        let mut outcome = FileOutcome::default();
        let mut record = None;
        let mut applied = Vec::new();
        if let Some(Manifest { stamp, objects }) = manifest {
            let keys = objects.iter().map(Object::key).collect();
            record = Some(SourceRecord { stamp, keys });
            applied = self.admit_all(objects, &mut outcome);
        }
        if !outcome.refused.is_empty() {
            return outcome;
        }
        // What was deleted by hand since is no longer there.
        dropped.iter().for_each(|key| self.delete(key, None));
        applied.into_iter().for_each(|one| drop(self.put_applied(one)));
        self.store.put_source(&file, record);
        outcome
    }

    fn admit_all(&mut self, objects: Vec<Object>, outcome: &mut FileOutcome) -> Vec<Applied> {
        let mut admitted = Vec::with_capacity(objects.len());
        for (at, object) in objects.into_iter().enumerate() {
            match self.admit_applied(object) {
                Ok((applied, warnings)) => {
                    admitted.push(applied);
                    outcome.warnings.extend(warnings.into_iter().map(|warning| (at, warning)));
                }
                Err(refused) => outcome.refused.push((at, refused)),
            }
        }
        admitted
    }
}
