//! Manifest files: what a file says comes true as a whole, or not at all.

use super::Engine;
use super::requests::Applied;
use crate::store::SourceRecord;
use cronlet_api::difference::difference;
use cronlet_api::job::conditions;
use cronlet_api::kind::{Key, Object};
use cronlet_api::refused::Refused;
use cronlet_api::settings::RunningJobs;
use cronlet_plan::controllers::job::record;
use std::sync::Arc;

/// A manifest file that says something else than before, or is gone.
#[derive(Debug, Clone)]
pub struct FileChange {
    pub file: String,
    /// Record of the file from now on; `None` if it is forgotten.
    pub record: Option<SourceRecord>,
    /// Objects of which it says something new.
    pub objects: Vec<FileObject>,
    /// Objects that no file has any more.
    pub dropped: Vec<Key>,
}

/// An object of a file: named, without defaults.
#[derive(Debug, Clone)]
pub struct FileObject {
    pub object: Object,
    /// True if it is made where it is missing: a Job of which only labels changed ran already, and
    /// may have been deleted by its `ttlSecondsAfterFinished`.
    pub is_made: bool,
}

/// Outcome of a file's change.
#[derive(Debug, Default)]
pub struct FileOutcome {
    /// By their place in the change; where there is one, nothing of the file came true.
    pub refused: Vec<(usize, Refused)>,
    /// Refused Jobs whose spec changed while they run: they can be made again once they have ended.
    pub awaited: Vec<(usize, Key)>,
    pub warnings: Vec<(usize, String)>,
    /// Changes that came into force, object by object.
    pub effects: Vec<(Key, FileEffect)>,
}

/// Effect of a file's change on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEffect {
    Added,
    /// The fields that changed.
    Changed(Vec<String>),
    /// A finished Job was deleted and made again.
    Replaced(Vec<String>),
    /// Deleted; these Jobs run on to their end.
    Removed(Vec<Key>),
}

/// Fate of an object of a file.
enum Admitted {
    /// A Job whose spec was known stays deleted.
    Nothing,
    Applied(Applied),
    /// The spec of a finished Job is immutable: another takes its place.
    Replaced(Applied),
}

/// Reason why an object of a file is not admitted.
struct NotAdmitted {
    refused: Refused,
    /// True if it can be made again once the running Job of its name has ended.
    until_ended: bool,
}

/// How long a Job is kept after its end that no CronJob and no file has any more, unless it says so
/// itself: its log may still be wanted, but nobody else would ever delete it.
const LET_GO_KEPT_SECONDS: i32 = 3600;

impl Engine {
    pub(super) fn take_in(&mut self, change: FileChange) -> FileOutcome {
        let FileChange { file, record, objects, dropped } = change;
        let mut outcome = FileOutcome::default();
        let admitted = self.admit_all(objects, &mut outcome);
        if !outcome.refused.is_empty() {
            self.await_jobs(&outcome);
            return outcome;
        }
        for key in dropped {
            // What was deleted by hand since is no longer there.
            if let Some(object) = self.store.get(&key) {
                let ran_on = self.drop_object(&object);
                outcome.effects.push((key, FileEffect::Removed(ran_on)));
            }
        }
        outcome.effects.extend(admitted.into_iter().filter_map(|one| self.put_admitted(one)));
        self.store.put_source(&file, record);
        outcome
    }

    fn admit_all(&mut self, objects: Vec<FileObject>, outcome: &mut FileOutcome) -> Vec<Admitted> {
        let mut admitted = Vec::with_capacity(objects.len());
        for (at, FileObject { object, is_made }) in objects.into_iter().enumerate() {
            if !is_made && self.store.get(&object.key()).is_none() {
                admitted.push(Admitted::Nothing);
                continue;
            }
            let key = object.key();
            match self.admit_of_file(object) {
                Ok((one, warnings)) => {
                    admitted.push(one);
                    outcome.warnings.extend(warnings.into_iter().map(|warning| (at, warning)));
                }
                Err(NotAdmitted { refused, until_ended }) => {
                    outcome.awaited.extend(until_ended.then_some((at, key)));
                    outcome.refused.push((at, refused));
                }
            }
        }
        admitted
    }

    fn admit_of_file(&mut self, object: Object) -> Result<(Admitted, Vec<String>), NotAdmitted> {
        let refused = match self.admit_applied(object.clone()) {
            Ok((applied, warnings)) => return Ok((Admitted::Applied(applied), warnings)),
            Err(refused) => refused,
        };
        let has_ended = match self.store.get(&object.key()) {
            Some(Object::Job(job)) => conditions::end(&job).is_some(),
            _ => return Err(NotAdmitted { refused, until_ended: false }),
        };
        let old = self.store.get(&object.key());
        match self.admit_again(object) {
            Ok((new, warnings)) if has_ended => {
                Ok((Admitted::Replaced(Applied { old, new }), warnings))
            }
            Ok(_) => Err(NotAdmitted { refused, until_ended: true }),
            // The same words in which an update is refused.
            Err(_) => Err(NotAdmitted { refused, until_ended: false }),
        }
    }

    /// Remembers the running Jobs that a file waits for, and stops them if the configuration says
    /// so. A file that is refused for another reason, too, stops nothing.
    fn await_jobs(&mut self, outcome: &FileOutcome) {
        let is_all = outcome.refused.len() == outcome.awaited.len();
        let stops = self.settings.folder.running_jobs == RunningJobs::Stop && is_all;
        for (_, key) in &outcome.awaited {
            self.awaited.insert(key.clone());
            if stops && self.store.get(key).is_some_and(|job| !job.is_going()) {
                self.delete_with(key, "Foreground", None);
                self.collect_if_gone(key);
            }
        }
    }

    /// Forgets the awaited Jobs that have ended or are deleted. True if there was one.
    pub(super) fn forget_ended_jobs(&mut self) -> bool {
        let before = self.awaited.len();
        let store = &self.store;
        self.awaited.retain(|key| match store.get(key) {
            Some(Object::Job(job)) => conditions::end(&job).is_none(),
            _ => false,
        });
        self.awaited.len() < before
    }

    /// Stages what was admitted; `None` if that changes nothing.
    fn put_admitted(&mut self, admitted: Admitted) -> Option<(Key, FileEffect)> {
        let (applied, is_replaced) = match admitted {
            Admitted::Nothing => return None,
            Admitted::Applied(applied) => (applied, false),
            Admitted::Replaced(applied) => (applied, true),
        };
        let key = applied.new.key();
        let changed = applied.old.as_ref().map(|old| difference(old, &applied.new));
        let effect = match changed {
            None => FileEffect::Added,
            Some(fields) if is_replaced => FileEffect::Replaced(fields),
            Some(fields) => FileEffect::Changed(fields),
        };
        if is_replaced {
            self.delete(&key, None);
            self.put_applied(Applied { old: None, new: applied.new });
        } else {
            self.put_applied(applied);
        }
        (effect != FileEffect::Changed(Vec::new())).then_some((key, effect))
    }

    /// Deletes what no file has any more. A Job that runs ends by itself, unless the configuration
    /// says otherwise: the Jobs that do are returned.
    fn drop_object(&mut self, object: &Object) -> Vec<Key> {
        let mut let_go = Vec::new();
        if self.settings.folder.running_jobs == RunningJobs::Finish {
            let owned = match object {
                Object::CronJob(_) => self.store.owned(object.uid()),
                Object::Job(_) => vec![object.clone()],
                _ => Vec::new(),
            };
            for job in owned.into_iter().filter(runs) {
                let_go.push(job.key());
                self.let_job_go(job, object);
            }
        }
        if let_go.first() != Some(&object.key()) {
            self.delete(&object.key(), None);
        }
        let_go
    }

    /// Takes a running Job from what it belonged to.
    fn let_job_go(&mut self, mut job: Object, owner: &Object) {
        record::remember_cron_job(&mut job, owner);
        job.disown(owner.uid());
        if let Object::Job(job) = &mut job
            && let Some(spec) = &mut Arc::make_mut(job).spec
        {
            spec.ttl_seconds_after_finished.get_or_insert(LET_GO_KEPT_SECONDS);
        }
        self.put(job);
    }
}

/// True if the object is a Job that is on its way to an end.
fn runs(object: &Object) -> bool {
    let Object::Job(job) = object else { return false };
    let is_suspended = job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true));
    conditions::end(job).is_none() && !is_suspended && !object.is_going()
}
