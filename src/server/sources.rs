//! Which manifest file has an object: a command that changes one is warned.

use super::route::Subresource;
use cronlet_api::kind::{Key, Kind};
use cronlet_engine::store::SourceRecord;
use hyper::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Records of the files of the jobs folder; written by the thread that reads them.
#[derive(Clone, Default)]
pub struct Sources(Arc<RwLock<BTreeMap<String, SourceRecord>>>);

impl Sources {
    pub fn new(known: BTreeMap<String, SourceRecord>) -> Sources {
        Sources(Arc::new(RwLock::new(known)))
    }

    pub fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, SourceRecord>> {
        self.0.read().expect("no panic while it was held")
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, SourceRecord>> {
        self.0.write().expect("no panic while it was held")
    }

    /// The objects of files that `is_meant` selects, each with its file.
    fn objects(&self, is_meant: impl Fn(&Key) -> bool) -> Vec<(Key, String)> {
        let known = self.read();
        let each =
            known.iter().flat_map(|(file, record)| record.keys.iter().map(move |k| (k, file)));
        let meant = each.filter(|(key, _)| is_meant(key));
        meant.map(|(key, file)| (key.clone(), file.clone())).collect()
    }
}

/// At most this many objects of a deleted collection or namespace are named; the rest is counted.
const NAMED_MAX: usize = 10;

/// Returns the warnings for a client that changed or deleted an object of a file, or the namespace
/// of some.
pub(crate) fn warnings(
    sources: &Sources,
    method: &Method,
    key: &Key,
    part: Subresource,
) -> Vec<String> {
    match (method, part) {
        (&Method::DELETE, Subresource::Whole) if key.kind == Kind::Namespace => {
            let is_in = |one: &Key| one == key || one.namespace == key.name;
            deleted(&sources.objects(is_in))
        }
        (&Method::DELETE, Subresource::Whole) => deleted(&sources.objects(|one| one == key)),
        (&Method::PUT | &Method::PATCH, Subresource::Whole | Subresource::Scale) => {
            let then =
                "edit it there, or this change holds until the file says something new of it";
            let objects = sources.objects(|one| one == key);
            objects.iter().map(|(key, file)| made_from(key, file, then)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the warnings for a client that deleted these objects.
pub(crate) fn of_deleted(sources: &Sources, keys: &BTreeSet<Key>) -> Vec<String> {
    deleted(&sources.objects(|key| keys.contains(key)))
}

fn deleted(objects: &[(Key, String)]) -> Vec<String> {
    let then = "remove it there, or it comes back when the file says something new of it";
    let named = objects.iter().take(NAMED_MAX);
    let mut warnings: Vec<String> = named.map(|(key, file)| made_from(key, file, then)).collect();
    let more = objects.len() - warnings.len();
    if more > 0 {
        warnings.push(format!("{more} more of the deleted objects are made from files"));
    }
    warnings
}

fn made_from(key: &Key, file: &str, then: &str) -> String {
    format!("{key} is made from {file}: {then}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_changes_an_object_of_a_file_is_warned() {
        let key = |name: &str| Key::new(Kind::CronJob, "default", name);
        let record = SourceRecord { keys: vec![key("a")], ..SourceRecord::default() };
        let sources = Sources::new(BTreeMap::from([("/x/a.yaml".to_owned(), record)]));
        let check = |method: Method, name: &str, part: Subresource, want: bool| {
            let warnings = warnings(&sources, &method, &key(name), part);
            let found = warnings.iter().filter(|text| text.contains("/x/a.yaml")).count();
            assert_eq!(found, usize::from(want), "{method}");
        };
        check(Method::DELETE, "a", Subresource::Whole, true);
        check(Method::PATCH, "a", Subresource::Whole, true);
        check(Method::PUT, "a", Subresource::Scale, true);
        check(Method::GET, "a", Subresource::Whole, false);
        check(Method::PUT, "a", Subresource::Status, false);
        check(Method::DELETE, "b", Subresource::Whole, false);
    }

    #[test]
    fn a_collection_and_a_namespace_name_their_objects_of_files() {
        let key = |name: &str| Key::new(Kind::CronJob, "team", name);
        let keys = |count: usize| (0..count).map(|at| key(&format!("c{at:02}"))).collect();
        let record = SourceRecord { keys: keys(12), ..SourceRecord::default() };
        let sources = Sources::new(BTreeMap::from([("/x/a.yaml".to_owned(), record)]));
        let check = |warnings: Vec<String>, named: usize, more: Option<&str>| {
            let found = warnings.iter().filter(|text| text.contains("/x/a.yaml: remove it there"));
            assert_eq!(found.count(), named, "{warnings:?}");
            assert_eq!(warnings.get(named).map(String::as_str), more);
        };
        let some = BTreeSet::from([key("c01"), key("c02"), key("other")]);
        check(of_deleted(&sources, &some), 2, None);
        let rest = Some("2 more of the deleted objects are made from files");
        let namespace = |name: &str| Key::new(Kind::Namespace, "", name);
        let delete = |key| warnings(&sources, &Method::DELETE, &key, Subresource::Whole);
        check(delete(namespace("team")), 10, rest);
        check(delete(namespace("other")), 0, None);
    }
}
