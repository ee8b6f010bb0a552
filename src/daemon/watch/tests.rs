//! Tests of the watcher on real folders: changes that wake it, and changes that do not.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// A folder to change, and a watch on `jobs` in it.
struct Scene {
    folder: tempfile::TempDir,
    watch: Watch,
    _asker: Asker,
}

impl Scene {
    fn new(prepare: impl FnOnce(&Path)) -> Scene {
        let folder = tempfile::tempdir().expect("a temporary folder");
        prepare(folder.path());
        let (watch, asker) = Watch::new().expect("inotify");
        let mut scene = Scene { folder, watch, _asker: asker };
        scene.look();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Watches the folder as a listing does.
    fn look(&mut self) {
        let jobs = self.path("jobs");
        self.watch.begin();
        self.watch.way_to(&jobs);
        self.watch.folder(&jobs);
        for entry in fs::read_dir(&jobs).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                self.watch.way_to(&entry.path());
            }
        }
        self.watch.finish();
    }

    /// Says whether the change counts. The events of it are there when it has returned.
    fn counts(&mut self, change: impl FnOnce(&Path)) -> bool {
        change(self.folder.path());
        let counts = self.watch.drain();
        self.look();
        self.watch.drain();
        counts
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a file is written");
}

fn make(folder: &Path, name: &str) {
    fs::create_dir(folder.join(name)).expect("a folder is made");
}

fn rename(folder: &Path, from: &str, to: &str) {
    fs::rename(folder.join(from), folder.join(to)).expect("it is renamed");
}

fn link(folder: &Path, target: &str, name: &str) {
    symlink(target, folder.join("new")).expect("a link is made");
    rename(folder, "new", name);
}

#[test]
fn changes_in_the_folder_count_and_those_beside_it_do_not() {
    let mut scene = Scene::new(|at| make(at, "jobs"));
    assert!(scene.counts(|at| write(at, "jobs/a.yaml", "a")));
    assert!(scene.counts(|at| rename(at, "jobs/a.yaml", "jobs/b.yaml")));
    assert!(scene.counts(|at| fs::remove_file(at.join("jobs/b.yaml")).expect("removed")));
    assert!(scene.counts(|at| make(at, "jobs/more")));
    // Beside it, above it, and what is no manifest.
    assert!(!scene.counts(|at| write(at, "other.yaml", "a")));
    assert!(!scene.counts(|at| make(at, "folder")));
    scene.counts(|at| write(at, "jobs/output.log", "a"));
    assert!(!scene.counts(|at| write(at, "jobs/output.log", "b")));
}

#[test]
fn the_folder_itself_may_be_replaced_moved_and_made_later() {
    let mut scene = Scene::new(|at| {
        ["one", "two"].iter().for_each(|name| make(at, name));
        link(at, "one", "jobs");
    });
    assert!(scene.counts(|at| link(at, "two", "jobs")), "the link flips");
    assert!(scene.counts(|at| write(at, "two/a.yaml", "a")));
    assert!(!scene.counts(|at| write(at, "one/a.yaml", "a")), "no longer watched");
    assert!(scene.counts(|at| rename(at, "two", "away")), "the target goes");
    assert!(!scene.counts(|at| make(at, "three")));
    assert!(scene.counts(|at| make(at, "two")), "the target comes");
    assert!(scene.counts(|at| write(at, "two/a.yaml", "a")));
    assert!(scene.counts(|at| fs::remove_file(at.join("jobs")).expect("removed")));
    assert!(scene.counts(|at| make(at, "jobs")), "made later");
    assert!(scene.counts(|at| write(at, "jobs/a.yaml", "a")));

    let mut scene = Scene::new(|at| {
        fs::create_dir_all(at.join("a/b/c")).expect("folders are made");
        link(at, "a/b/c", "jobs");
    });
    assert!(scene.counts(|at| rename(at, "a", "old")), "a folder in the middle of the way");
    assert!(scene.counts(|at| make(at, "a")));
    assert!(scene.counts(|at| make(at, "a/b")));
    assert!(scene.counts(|at| make(at, "a/b/c")));
    assert!(scene.counts(|at| write(at, "a/b/c/x.yaml", "a")));
}

#[test]
fn files_behind_links_are_watched_where_they_are() {
    let mut scene = Scene::new(|at| {
        ["jobs", "v1", "v2", "stow"].iter().for_each(|name| make(at, name));
        ["v1/m.yaml", "v2/m.yaml", "stow/s.yaml"].iter().for_each(|name| write(at, name, "a"));
        link(at, "v1", "data");
        link(at, "../data/m.yaml", "jobs/m.yaml");
        link(at, "../stow/s.yaml", "jobs/s.yaml");
    });
    assert!(scene.counts(|at| link(at, "v2", "data")), "a link on the way flips");
    assert!(scene.counts(|at| write(at, "v2/m.yaml", "b")), "written in place");
    assert!(scene.counts(|at| {
        write(at, "stow/.s", "b");
        rename(at, "stow/.s", "stow/s.yaml");
    }));
    assert!(scene.counts(|at| write(at, "stow/s.yaml", "c")), "the new file is watched");
    assert!(!scene.counts(|at| write(at, "stow/other.yaml", "c")));
}
