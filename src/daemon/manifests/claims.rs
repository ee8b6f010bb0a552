//! Which file has which object: each has one, or it would flip between them.

use super::News;
use cronlet_api::kind::Key;
use cronlet_engine::store::SourceRecord;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub(super) type Records = BTreeMap<String, SourceRecord>;

/// The objects that the files have once `news` is read. A file that wants what another has is
/// refused, and keeps what it had. A file that is gone has nothing: others may take its objects.
pub(super) fn settle(before: &Records, gone: &BTreeSet<String>, news: &mut [News]) -> HashSet<Key> {
    let keys: Vec<Vec<Key>> = news.iter().map(News::keys).collect();
    let fresh = news.iter().filter(|one| one.read.is_ok()).map(|one| &one.file);
    let moving: HashSet<&String> = fresh.chain(gone).collect();
    let mut claims: HashMap<&Key, String> = HashMap::new();
    for (file, record) in before.iter().filter(|(file, _)| !moving.contains(file)) {
        claims.extend(record.keys.iter().map(|key| (key, file.clone())));
    }
    for (one, keys) in news.iter_mut().zip(&keys).filter(|(one, _)| one.read.is_ok()) {
        let file = &one.file;
        let mut twice = Vec::new();
        let mut own = HashSet::new();
        for key in keys {
            let other = claims.get(key).or_else(|| (!own.insert(key)).then_some(file));
            if let Some(other) = other {
                twice.push(format!("{file}: {key} is already defined in {other}"));
            }
        }
        let had = before.get(file).map_or(&[][..], |record| &record.keys);
        for key in if twice.is_empty() { keys } else { had } {
            claims.entry(key).or_insert_with(|| file.clone());
        }
        if !twice.is_empty() {
            one.refuse(twice);
        }
    }
    claims.into_keys().cloned().collect()
}
