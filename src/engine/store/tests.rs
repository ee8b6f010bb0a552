//! The store's promises: durable before visible, equal writes cost nothing, a failed disk changes
//! nothing.

use super::*;
use cronlet_api::run::Outcome;
use cronlet_api::seed::Seed;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

pub(super) fn config_map(name: &str, owner: Option<&str>) -> Object {
    let owner_references = owner.map(|uid| {
        vec![OwnerReference { uid: uid.into(), controller: Some(true), ..Default::default() }]
    });
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some("default".into()),
        owner_references,
        ..Default::default()
    };
    ConfigMap { metadata, ..Default::default() }.into()
}

fn gone(store: &mut Store, name: &str) {
    store.remove(&config_map(name, None).key());
}

fn names(objects: &[Object]) -> Vec<&str> {
    objects.iter().map(Object::name).collect()
}

#[test]
fn committed_objects_survive_and_staged_ones_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let mut store = Store::open(FileDisk::new(&path)).expect("opens");
    store.put(config_map("a", None));
    assert!(store.commit().expect("commits"));
    store.put(config_map("b", None));
    assert_eq!(store.keys(Kind::ConfigMap).len(), 2);
    drop(store);
    let store = Store::open(FileDisk::new(&path)).expect("opens");
    let (objects, version) = store.reader().list(Kind::ConfigMap, Some("default"));
    assert_eq!((names(&objects), version), (vec!["a"], 1));
    assert_eq!(objects[0].meta().resource_version.as_deref(), Some("1"));
}

#[test]
fn an_equal_write_is_no_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(FileDisk::new(&folder.path().join("s"))).expect("opens");
    store.put(config_map("a", None));
    store.commit().expect("commits");
    let same = store.get(&config_map("a", None).key()).expect("is there");
    store.put(same);
    assert!(!store.commit().expect("commits"));
    assert_eq!(store.reader().version(), 1);
}

#[test]
fn owners_and_watch_follow_every_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(FileDisk::new(&folder.path().join("s"))).expect("opens");
    store.put(config_map("a", Some("u1")));
    store.put(config_map("b", Some("u1")));
    assert_eq!(names(&store.owned("u1")), ["a", "b"]);
    store.commit().expect("commits");
    store.remove(&config_map("a", None).key());
    store.put(config_map("b", Some("u2")));
    assert_eq!(names(&store.owned("u1")), [""; 0]);
    assert_eq!(names(&store.owned("u2")), ["b"]);
    store.commit().expect("commits");
    assert_eq!(names(&store.owned("u2")), ["b"]);
    let (changes, version) = store.reader().changes_since(0, Kind::ConfigMap, None).expect("known");
    let verbs: Vec<_> = changes.iter().map(|c| (c.object().name().to_owned(), c.verb())).collect();
    use ChangeVerb::{Added, Deleted, Modified};
    let verbs: Vec<_> = verbs.iter().map(|(name, verb)| (name.as_str(), *verb)).collect();
    assert_eq!(verbs, [("a", Added), ("b", Added), ("a", Deleted), ("b", Modified)]);
    assert_eq!(version, 4);
    assert_eq!(store.reader().changes_since(9, Kind::ConfigMap, None).err(), Some(Gone));
}

#[test]
fn a_version_is_never_used_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let check = |change: fn(&mut Store), want: u64| {
        let mut store = Store::open(FileDisk::new(&path)).expect("opens");
        change(&mut store);
        store.commit().expect("commits");
        drop(store);
        let store = Store::open(FileDisk::new(&path)).expect("opens again");
        assert_eq!(store.reader().version(), want);
    };
    check(|store| store.put(config_map("a", None)), 1);
    check(|store| store.put(config_map("b", None)), 2);
    check(|store| gone(store, "b"), 3);
    check(|store| gone(store, "a"), 4);
    check(|store| ["a", "b"].into_iter().for_each(|name| store.put(config_map(name, None))), 6);
    check(
        |store| {
            store.put(config_map("c", None));
            gone(store, "b");
        },
        8,
    );
}

#[test]
fn what_is_packed_reads_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(FileDisk::new(&folder.path().join("s"))).expect("opens");
    for n in 0..2000 {
        store.put(config_map(&format!("n{n:04}"), None));
    }
    store.commit().expect("commits");
    let (objects, _) = store.reader().list(Kind::ConfigMap, None);
    assert_eq!(objects.len(), 2000);
    assert_eq!(objects[7].name(), "n0007");
    assert_eq!(objects[7].meta().resource_version.as_deref(), Some("8"));
}

#[test]
fn the_state_is_for_its_user_alone() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("state.redb");
    let mode = || std::fs::metadata(&path).expect("it is there").mode() & 0o777;
    drop(Store::open(FileDisk::new(&path)).expect("it opens"));
    assert_eq!(mode(), 0o600);
    // One that an older version made.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&path, open).expect("its mode is set");
    drop(Store::open(FileDisk::new(&path)).expect("it opens"));
    assert_eq!(mode(), 0o600);
}

#[test]
fn another_object_of_the_name_is_a_deletion_and_an_addition() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let mut store = Store::open(FileDisk::new(&path)).expect("opens");
    let with_uid = |uid: &str| {
        let mut object = config_map("a", Some("u1"));
        object.meta_mut().uid = Some(uid.into());
        object
    };
    store.put(with_uid("one"));
    store.commit().expect("commits");
    store.remove(&with_uid("one").key());
    store.put(with_uid("two"));
    store.commit().expect("commits");
    let (changes, reached) =
        store.reader().changes_since(1, Kind::ConfigMap, None).expect("remembered");
    let seen: Vec<(ChangeVerb, String, u64)> =
        changes.iter().map(|c| (c.verb(), c.object().uid().to_owned(), c.version())).collect();
    let one_by_one =
        [(ChangeVerb::Deleted, "one".to_owned(), 2), (ChangeVerb::Added, "two".to_owned(), 3)];
    assert_eq!(seen, one_by_one);
    assert_eq!((reached, names(&store.owned("u1"))), (3, vec!["a"]));
    drop(store);
    let store = Store::open(FileDisk::new(&path)).expect("opens");
    assert_eq!(store.get(&with_uid("two").key()).expect("is there").uid(), "two");
}

/// A file whose journal is folded when it is so long.
struct Folding(FileDisk, usize);

impl Disk for Folding {
    fn open(&self) -> Result<redb::Database, redb::DatabaseError> {
        self.0.open()
    }

    fn journal_bytes_max(&self) -> usize {
        self.1
    }
}

fn pod(name: &str, seed: &mut Seed) -> Object {
    let owner = ["u1", "u2"][seed.below(2) as usize];
    let metadata = config_map(name, Some(owner)).meta().clone();
    let spec = PodSpec { node_name: Some(format!("n{}", seed.below(2))), ..PodSpec::default() };
    let phase = seed.below(3);
    let status = PodStatus { phase: Some(format!("p{phase}")), ..PodStatus::default() };
    Pod { metadata, spec: Some(spec), status: (phase > 0).then_some(status) }.into()
}

pub(super) fn run(slot: i64, message: &str) -> Run {
    Run {
        namespace: "default".into(),
        cron_job: "c".into(),
        scheduled: Timestamp::from_second(slot).expect("in range"),
        job: String::new(),
        outcome: Outcome::Running,
        started: None,
        ended: None,
        exit_code: None,
        attempts: 0,
        message: message.into(),
        manual: false,
    }
}

/// All that a store holds, as those who read it see it.
fn contents(store: &Store) -> (Vec<Object>, u64, Vec<Object>, Vec<Run>) {
    let (pods, version) = store.reader().list(Kind::Pod, None);
    (pods, version, store.owned("u1"), store.reader().runs(None, Some("c")))
}

#[test]
fn what_is_read_again_does_not_depend_on_how_much_was_folded() {
    let live = |journal_bytes_max: usize| {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || {
            let disk = FileDisk::new(&folder.path().join("s"));
            Store::open(Folding(disk, journal_bytes_max)).expect("opens")
        };
        let (mut store, mut seed, mut seen) = (open(), Seed::new(7), Vec::new());
        for step in 0..300 {
            let (name, slot) = (format!("n{}", seed.below(5)), seed.below(5) as i64);
            match seed.below(6) {
                0 => gone(&mut store, &name),
                1 => store.remove(&pod(&name, &mut seed).key()),
                2 => drop(store.record_run(run(slot, &name)).expect("reads")),
                3 => {
                    let of = ("default".to_owned(), "c".to_owned());
                    let oldest = store.oldest_runs(&of, 1).expect("reads");
                    store.forget_runs(&of, &oldest);
                    let left = store.oldest_runs(&of, usize::MAX).expect("reads").len();
                    assert_eq!(store.count_runs(&of).expect("reads"), left);
                }
                _ => store.put(pod(&name, &mut seed)),
            }
            store.commit().expect("commits");
            match seed.below(12) {
                0 => store.rest().expect("folds"),
                1 => {
                    let before = contents(&store);
                    drop(store);
                    store = open();
                    assert_eq!(contents(&store), before, "step {step}, {journal_bytes_max}");
                }
                _ => {}
            }
            seen.push(contents(&store));
        }
        seen
    };
    let never = live(usize::MAX);
    assert!([0, 200, 2000].iter().all(|bytes| live(*bytes) == never));
    assert!(never.iter().any(|(pods, _, owned, runs)| pods.len() * owned.len() * runs.len() > 8));
}

#[test]
fn a_journal_is_folded_when_it_is_long_or_there_is_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = FileDisk::new(&folder.path().join("s"));
    let mut store = Store::open(Folding(disk, 8000)).expect("opens");
    let put = |store: &mut Store, name: &str| {
        store.put(config_map(name, None));
        store.commit().expect("commits");
        store.tables.unfolded_bytes()
    };
    let one = put(&mut store, "a0");
    assert!(one > 150 && one < 250);
    store.rest().expect("is not worth it");
    assert_eq!(store.tables.unfolded_bytes(), one);
    assert!(put(&mut store, "a1") > one && put(&mut store, "a2") > 500);
    store.rest().expect("folds");
    assert_eq!(store.tables.unfolded_bytes(), 0);
    let sizes: Vec<usize> = (0..60).map(|n| put(&mut store, &format!("b{n:02}"))).collect();
    assert!(sizes.contains(&0) && sizes.iter().all(|size| *size <= 8000), "{sizes:?}");
    // What is much at once is written to its places.
    (0..99).for_each(|n| store.put(config_map(&format!("c{n}"), None)));
    store.commit().expect("commits");
    assert_eq!(store.tables.unfolded_bytes(), 0);
}

#[test]
fn a_file_without_a_journal_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let database = FileDisk::new(&path).open().expect("opens");
    let transaction = database.begin_write().expect("begins");
    let objects: redb::TableDefinition<&str, (u64, &str, &[u8])> =
        redb::TableDefinition::new("objects");
    let mut old = config_map("a", Some("u1"));
    old.meta_mut().resource_version = Some("7".into());
    let json = old.to_json();
    let mut table = transaction.open_table(objects).expect("is made");
    table.insert("ConfigMap/default/a", (7, "u1", &json[..])).expect("is written");
    drop(table);
    transaction.commit().expect("commits");
    drop(database);
    let mut store = Store::open(FileDisk::new(&path)).expect("opens");
    assert_eq!((names(&store.owned("u1")), store.reader().version()), (vec!["a"], 7));
    gone(&mut store, "a");
    store.commit().expect("commits");
    drop(store);
    let store = Store::open(FileDisk::new(&path)).expect("opens again");
    assert_eq!((store.keys(Kind::ConfigMap), store.reader().version()), (vec![], 8));
}

#[test]
fn a_file_that_grew_once_becomes_small_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let size = || std::fs::metadata(&path).expect("it is there").len();
    let mut store = Store::open(FileDisk::new(&path)).expect("opens");
    let map = |number: usize, text: &str| {
        let Object::ConfigMap(mut map) = config_map(&format!("a{number:04}"), None) else {
            unreachable!("it is a ConfigMap")
        };
        Arc::make_mut(&mut map).data = Some([("text".to_owned(), text.to_owned())].into());
        Object::ConfigMap(map)
    };
    let long = "x".repeat(4096);
    for _ in 0..2 {
        (0..2000).for_each(|number| store.put(map(number, &long)));
        store.commit().expect("commits");
        (10..2000).for_each(|number| store.remove(&map(number, &long).key()));
        store.commit().expect("commits");
        assert!(size() > 8 << 20, "{}", size());
        store.rest().expect("shrinks");
        assert!(size() < 2 << 20, "{}", size());
    }
    let before = store.reader().list(Kind::ConfigMap, None);
    assert_eq!(before.0.len(), 10);
    drop(store);
    let store = Store::open(FileDisk::new(&path)).expect("opens again");
    assert_eq!(store.reader().list(Kind::ConfigMap, None), before);
}
