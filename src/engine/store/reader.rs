//! What other threads see: committed objects, and a way to wait for the next ones.

use super::change::{Change, Changes};
use super::disk::DiskError;
use super::index::Index;
use super::tables::{self, Handle, Loading};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::run::Run;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// The committed state, shared by the one writer and all readers.
pub(super) struct Published {
    index: RwLock<Index>,
    handle: Handle,
    version: watch::Sender<u64>,
}

impl Published {
    pub(super) fn new(loading: Loading, handle: Handle) -> Published {
        let index = Index::load(loading.objects, loading.version);
        let version = watch::Sender::new(index.version());
        Published { index: RwLock::new(index), handle, version }
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().expect("no panic while it was held")
    }

    /// The object, which stays ready to use from here on.
    pub(super) fn get(&self, key: &Key) -> Option<Object> {
        let live = self.index().live(key);
        live.or_else(|| self.warm(key))
    }

    fn warm(&self, key: &Key) -> Option<Object> {
        let is_there = self.index().has(key);
        is_there.then(|| self.index_mut().warm(key)).flatten()
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().expect("no panic while it was held")
    }

    pub(super) fn publish(&self, changes: Changes) {
        let version = changes.version;
        self.index_mut().apply(changes);
        self.version.send_replace(version);
    }

    pub(super) fn rest(&self) {
        self.index_mut().pack_but(0);
    }

    pub(super) fn replace(&self, loading: Loading) {
        let index = Index::load(loading.objects, loading.version);
        let version = index.version();
        *self.index_mut() = index;
        self.version.send_replace(version);
    }
}

/// The version asked for is no longer remembered: list again (HTTP 410).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Reads what is committed. Cheap to clone, safe on any thread.
#[derive(Clone)]
pub struct Reader {
    published: Arc<Published>,
}

impl Reader {
    pub(super) fn new(published: Arc<Published>) -> Reader {
        Reader { published }
    }

    pub fn get(&self, key: &Key) -> Option<Object> {
        self.published.index().get(key)
    }

    /// Objects in the order of their keys, and the resourceVersion of the whole list.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> (Vec<Object>, u64) {
        let index = self.published.index();
        (index.list(kind, namespace), index.version())
    }

    pub fn version(&self) -> u64 {
        self.published.index().version()
    }

    /// What happened to a kind after `version`, and the version that this answer reaches.
    pub fn changes_since(
        &self,
        version: u64,
        kind: Kind,
        namespace: Option<&str>,
    ) -> Result<(Vec<Change>, u64), Gone> {
        let index = self.published.index();
        let changes = index.changes_since(version, kind, namespace).ok_or(Gone)?;
        Ok((changes, index.version()))
    }

    /// Resolves when the version is greater than `after`, or the store is gone.
    pub async fn changed(&self, after: u64) {
        let mut version = self.published.version.subscribe();
        let _ = version.wait_for(|now| *now > after).await;
    }

    /// The run history, oldest first, of all CronJobs or of some.
    pub fn runs(&self, namespace: Option<&str>, cron_job: Option<&str>) -> Vec<Run> {
        self.try_runs(namespace, cron_job).unwrap_or_else(|error| {
            tracing::error!(%error, "the run history cannot be read");
            Vec::new()
        })
    }

    /// Reads runs as [`Reader::runs`] does, and returns the error of a failing disk.
    pub fn try_runs(
        &self,
        namespace: Option<&str>,
        cron_job: Option<&str>,
    ) -> Result<Vec<Run>, DiskError> {
        self.published.handle.with(|database| tables::runs(database, namespace, cron_job))
    }
}
