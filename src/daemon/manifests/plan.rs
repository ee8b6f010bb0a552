//! Orders to the engine, and the record of each file: a function of the records of before and of
//! the files that are there now.
//!
//! An object that leaves a file stays in the file's record until another file's record has it, or
//! its absence counts: a restart in between forgets nothing.

use super::claims::Records;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_engine::store::{ManifestHashes, SourceRecord};
use cronlet_engine::{FileChange, FileObject};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A file whose content is another than before.
pub(super) struct Fresh {
    pub file: String,
    /// Records of its objects, in their order; none is left out yet.
    pub record: SourceRecord,
    pub objects: Vec<Object>,
}

/// Consequences of a look at the folder.
#[derive(Default)]
pub(super) struct Plan {
    /// Removals first, then the files in order. Of objects with their place in the fresh file.
    pub changes: Vec<FileChange>,
    pub places: Vec<Vec<usize>>,
    /// True if an object moved to another file: its old record can forget it after this turn.
    pub moves: bool,
}

/// Plans the turn. `expired` has the objects whose absence counts.
pub(super) fn plan(
    before: &Records,
    gone: &BTreeSet<String>,
    fresh: Vec<Fresh>,
    expired: &BTreeSet<Key>,
) -> Plan {
    let mut plan = Plan::default();
    let names: HashSet<String> = fresh.iter().map(|one| one.file.clone()).collect();
    let settled = before.iter().filter(|(file, _)| !gone.contains(*file) && !names.contains(*file));
    let holders: HashMap<&Key, &String> =
        settled.flat_map(|(file, record)| record.keys.iter().map(move |key| (key, file))).collect();
    // An object that moved is in two records for a turn: the one that has it goes before.
    let mut said: HashMap<&Key, (ManifestHashes, &String)> = HashMap::new();
    for (file, record) in before {
        said.extend(record.leaving.iter().map(|(key, said)| (key, (*said, file))));
    }
    for (file, record) in before {
        said.extend(record.all().take(record.keys.len()).map(|(key, said)| (key, (said, file))));
    }
    let stays = |file: &String, key: &Key| {
        !expired.contains(key) && holders.get(key).is_none_or(|holder| *holder == file)
    };
    let dropped = |record: &SourceRecord| -> Vec<Key> {
        record.all().map(|(key, _)| key).filter(|key| expired.contains(*key)).cloned().collect()
    };
    for (file, old) in before.iter().filter(|(file, _)| !names.contains(*file)) {
        let left = kept(old, |key| stays(file, key));
        let is_forgotten = gone.contains(file) && left.all().next().is_none();
        if left != *old || is_forgotten {
            let (file, dropped) = (file.clone(), dropped(old));
            let record = (!is_forgotten).then_some(left);
            plan.push(FileChange { file, record, objects: Vec::new(), dropped }, Vec::new());
        }
    }
    for Fresh { file, mut record, objects } in fresh {
        let old = before.get(&file).cloned().unwrap_or_default();
        let own: HashSet<&Key> = record.keys.iter().collect();
        let leaving = old.all().filter(|(key, _)| !own.contains(key) && stays(&file, key));
        let leaving = leaving.map(|(key, said)| (key.clone(), said)).collect();
        // The first versions noted only the stamp.
        let is_adopted = old.said.is_empty() && old.content == 0 && old.stamp == record.stamp;
        plan.moves |= record.keys.iter().any(|key| said.get(key).is_some_and(|has| *has.1 != file));
        record.leaving = leaving;
        let mut news = (Vec::new(), Vec::new());
        for (place, object) in objects.into_iter().enumerate() {
            let now = record.said[place];
            let before = said.get(&record.keys[place]).map(|(said, _)| *said);
            if before == Some(now) || is_adopted && before.is_some() {
                continue;
            }
            let is_made = object.kind() != Kind::Job || before.is_none_or(|b| b.spec != now.spec);
            news.0.push(FileObject { object, is_made });
            news.1.push(place);
        }
        let dropped = dropped(&old);
        let change = FileChange { file, record: Some(record), objects: news.0, dropped };
        plan.push(change, news.1);
    }
    plan
}

impl Plan {
    fn push(&mut self, change: FileChange, places: Vec<usize>) {
        self.changes.push(change);
        self.places.push(places);
    }
}

/// The record with those objects that stay. One that lost some is read anew when its file is back.
fn kept(record: &SourceRecord, stays: impl Fn(&Key) -> bool) -> SourceRecord {
    let mut left = record.clone();
    let each = record.all().take(record.keys.len()).filter(|(key, _)| stays(key));
    (left.keys, left.said) = each.map(|(key, said)| (key.clone(), said)).unzip();
    left.leaving.retain(|(key, _)| stays(key));
    if left.keys.len() < record.keys.len() {
        left.content = 0;
    } else {
        left.said.clone_from(&record.said);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: Kind, name: &str) -> Key {
        Key::new(kind, "default", name)
    }

    fn object(word: &str) -> (Object, ManifestHashes) {
        let (name, said) = word.split_at(1);
        let kind = if name == "j" { Kind::Job } else { Kind::ConfigMap };
        let meta = serde_json::json!({"metadata": {"name": name, "namespace": "default"}});
        let object = kind.deserialize(meta).expect("an object");
        // Digits are the hashes: of the whole, then of the spec.
        let mut digits = said.bytes().map(u64::from).chain(std::iter::repeat(0));
        let said =
            ManifestHashes { whole: digits.next().unwrap_or(0), spec: digits.next().unwrap_or(0) };
        (object, said)
    }

    fn record(words: &str, leaving: &str) -> SourceRecord {
        let each = |words: &str| -> Vec<(Key, ManifestHashes)> {
            let objects = words.split_whitespace().map(object);
            objects.map(|(object, said)| (object.key(), said)).collect()
        };
        let (keys, said) = each(words).into_iter().unzip();
        SourceRecord { content: 1, keys, said, leaving: each(leaving), ..Default::default() }
    }

    /// `file: objects [> leaving]`, one a line. `!`: the file is gone.
    fn records(lines: &[&str]) -> (Records, BTreeSet<String>) {
        let (mut records, mut gone) = (Records::new(), BTreeSet::new());
        for line in lines {
            let (file, words) = line.split_once(':').expect("a file");
            let (words, leaving) = words.split_once('>').unwrap_or((words, ""));
            let name = file.trim_start_matches('!').to_owned();
            gone.extend(file.starts_with('!').then(|| name.clone()));
            records.insert(name, record(words, leaving));
        }
        (records, gone)
    }

    fn shown(FileChange { file, record, objects, dropped }: &FileChange) -> String {
        let names = |keys: Vec<&Key>| keys.iter().map(|key| &*key.name).collect::<String>();
        let record = match record {
            None => "forgotten".to_owned(),
            Some(SourceRecord { keys, leaving, .. }) => {
                let leaving: Vec<&Key> = leaving.iter().map(|(key, _)| key).collect();
                format!("has {}>{}", names(keys.iter().collect()), names(leaving))
            }
        };
        let made = |one: &FileObject| if one.is_made { "" } else { "?" };
        let applied = objects.iter().map(|one| format!("{}{}", one.object.name(), made(one)));
        let applied: String = applied.collect();
        format!("{file} {record} applies {applied} drops {}", names(dropped.iter().collect()))
    }

    fn check(before: &[&str], fresh: &[&str], expired: &str, want: &[&str], moves: bool) {
        let (before, gone) = records(before);
        let fresh = fresh.iter().map(|line| {
            let (file, words) = line.split_once(':').expect("a file");
            let objects = words.split_whitespace().map(|word| object(word).0).collect();
            Fresh { file: file.to_owned(), record: record(words, ""), objects }
        });
        let expired = expired.chars().map(|name| key(Kind::ConfigMap, &name.to_string()));
        let plan = plan(&before, &gone, fresh.collect(), &expired.collect());
        let found: Vec<String> = plan.changes.iter().map(shown).collect();
        assert_eq!((found, plan.moves), (want.iter().map(|w| (*w).to_owned()).collect(), moves));
    }

    #[test]
    fn what_is_new_is_applied_and_what_left_is_remembered() {
        check(&[], &["f: a1 b1"], "", &["f has ab> applies ab drops "], false);
        check(&["f: a1 b1"], &["f: b2 a1"], "", &["f has ba> applies b drops "], false);
        check(&["f: a1 b1"], &["f: a1 b1"], "", &["f has ab> applies  drops "], false);
        // An object leaves, is back unchanged, or is given up.
        check(&["f: a1 b1"], &["f: a1"], "", &["f has a>b applies  drops "], false);
        check(&["f: a1 > b1"], &["f: a1 b1"], "", &["f has ab> applies  drops "], false);
        check(&["f: a1 > b1"], &[], "b", &["f has a> applies  drops b"], false);
        check(&["f: a1 > b1"], &["f: a2"], "b", &["f has a> applies a drops b"], false);
        // A file is gone.
        check(&["!f: a1 b1", "g: c1"], &[], "", &[], false);
        check(&["!f: a1 b1"], &[], "a", &["f has b> applies  drops a"], false);
        check(&["!f: a1 > b1"], &[], "ab", &["f forgotten applies  drops ab"], false);
        check(&["!f:"], &[], "", &["f forgotten applies  drops "], false);
    }

    #[test]
    fn what_moves_is_not_applied_again_and_is_in_a_record_at_every_moment() {
        check(&["!f: a1"], &["g: a1"], "", &["g has a> applies  drops "], true);
        check(&["!f: a1", "g: a1"], &[], "", &["f forgotten applies  drops "], false);
        check(&["!f: a1 b1", "g: a1"], &[], "", &["f has b> applies  drops "], false);
        let swapped = ["f has b>a applies  drops ", "g has a>b applies  drops "];
        check(&["f: a1", "g: b1"], &["f: b1", "g: a1"], "", &swapped, true);
        let done = ["f has b> applies  drops ", "g has a> applies  drops "];
        check(&["f: b1 > a1", "g: a1 > b1"], &[], "", &done, false);
        check(&["f: a1", "g: b1"], &["g: b1 c1"], "", &["g has bc> applies c drops "], false);
    }

    #[test]
    fn a_job_runs_again_for_another_spec_alone() {
        check(&["f: j11"], &["f: j21"], "", &["f has j> applies j? drops "], false);
        check(&["f: j11"], &["f: j22"], "", &["f has j> applies j drops "], false);
        check(&["f: > j11"], &["f: j21"], "", &["f has j> applies j? drops "], false);
        check(&["f: a1"], &["f: a1 j11"], "", &["f has aj> applies j drops "], false);
    }

    #[test]
    fn records_of_the_first_versions_are_taken_over() {
        let mut old = record("a1 b1", "");
        old.said.clear();
        old.content = 0;
        let fresh = |stamp| Fresh {
            file: "f".to_owned(),
            record: SourceRecord { stamp, ..record("a2 c1", "") },
            objects: vec![object("a2").0, object("c1").0],
        };
        let before = Records::from([("f".to_owned(), old)]);
        for (stamp, want) in [((0, 0), "c"), ((1, 0), "ac")] {
            let plan = plan(&before, &BTreeSet::new(), vec![fresh(stamp)], &BTreeSet::new());
            assert_eq!(shown(&plan.changes[0]), format!("f has ac>b applies {want} drops "));
        }
    }
}
