//! `persistentVolumeClaim`: a folder that outlives the pods which mount it.
//!
//! Its size is limited where the file system has project quotas that are enforced, which its
//! administrator turns on; elsewhere it is not.

use super::{Error, empty_dir};
use cronlet_api::persistent_volume_claim::usage::ClaimUsage;
use cronlet_host::quota;
use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// `<state>/claims`: one folder for each claim that was ever mounted, by the name of its volume.
pub fn all(state_dir: &Path) -> PathBuf {
    state_dir.join("claims")
}

/// What claims that are gone held.
fn released(state_dir: &Path) -> PathBuf {
    all(state_dir).join("released")
}

pub fn folder(state_dir: &Path, volume: &str) -> PathBuf {
    all(state_dir).join(volume)
}

/// Whether the sizes of claims are held to.
pub fn is_limited(state_dir: &Path) -> bool {
    quota::is_enforced(state_dir)
}

/// Makes the folder, or leaves it as it is, as an `emptyDir`'s; its limit may be another one now.
pub fn make(folder: &Path, fs_group: Option<u32>, bytes_max: Option<u64>) -> Result<(), Error> {
    empty_dir::make(folder, fs_group)?;
    match bytes_max.filter(|_| quota::is_enforced(folder)) {
        Some(bytes) => quota::limit(folder, bytes).map_err(Error::io("limiting", folder)),
        None => Ok(()),
    }
}

/// What the folder holds; `None` while it was not made.
pub fn usage(folder: &Path) -> Option<ClaimUsage> {
    if !folder.is_dir() {
        return None;
    }
    let (limit, used) = match quota::used(folder) {
        Some((limit, used)) => (Some(limit), used),
        None => (None, taken(folder)),
    };
    Some(ClaimUsage { used_bytes: used, limit_bytes: limit })
}

/// What the files below take on disk, each once.
fn taken(folder: &Path) -> u64 {
    let (mut bytes, mut seen, mut left) = (0, HashSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // A file may go while one looks.
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                left.push(entry.path());
            }
            if found.nlink() < 2 || seen.insert((found.dev(), found.ino())) {
                bytes += found.blocks() * 512;
            }
        }
    }
    bytes
}

/// The claim is gone: puts its folder aside under a name, or removes it with all that it holds.
pub fn reclaim(state_dir: &Path, volume: &str, kept_as: Option<&str>) -> Result<(), Error> {
    let folder = folder(state_dir, volume);
    let Some(name) = kept_as else { return remove(&folder) };
    let aside = released(state_dir);
    fs::create_dir_all(&aside).map_err(Error::io("making", &aside))?;
    match fs::rename(&folder, aside.join(name)) {
        // It was never mounted, or was put aside already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("putting aside", &folder)),
    }
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("removing", folder)),
    }
}

/// Folders of claims that are not there, as after a crash: `volumes` are those of the others.
pub fn strangers(state_dir: &Path, volumes: &BTreeSet<String>) -> Vec<String> {
    let all = fs::read_dir(all(state_dir)).into_iter().flatten().flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("pvc-") && !volumes.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_takes_is_counted_once() {
        let state = tempfile::tempdir().expect("a folder");
        let folder = folder(state.path(), "pvc-1");
        assert_eq!(usage(&folder), None);
        make(&folder, None, Some(1 << 20)).expect("it is made");
        fs::create_dir(folder.join("sub")).expect("a folder");
        let before = usage(&folder).expect("it is there").used_bytes;
        fs::write(folder.join("sub/file"), vec![1; 100_000]).expect("a file");
        fs::hard_link(folder.join("sub/file"), folder.join("same")).expect("a link");
        let more = usage(&folder).expect("it is there").used_bytes - before;
        assert!((100_000..150_000).contains(&more), "{more}");
    }

    #[test]
    fn a_claim_that_goes_is_put_aside_or_removed() {
        let check = |kept_as: Option<&str>, want: &[&str]| {
            let state = tempfile::tempdir().expect("a folder");
            for volume in ["pvc-1", "pvc-2"] {
                make(&folder(state.path(), volume), None, None).expect("it is made");
            }
            fs::write(folder(state.path(), "pvc-1").join("file"), "data").expect("a file");
            // Twice, as after a crash; and one that was never mounted.
            for volume in ["pvc-1", "pvc-1", "pvc-3"] {
                reclaim(state.path(), volume, kept_as).expect("it goes");
            }
            let paths = ["pvc-1/file", "pvc-2", "released/d.c.pvc-1/file"];
            let there = paths.into_iter().filter(|path| all(state.path()).join(path).exists());
            assert_eq!(there.collect::<Vec<_>>(), want);
        };
        check(Some("d.c.pvc-1"), &["pvc-2", "released/d.c.pvc-1/file"]);
        check(None, &["pvc-2"]);
    }

    #[test]
    fn strangers_have_no_claim() {
        let state = tempfile::tempdir().expect("a folder");
        assert_eq!(strangers(state.path(), &BTreeSet::new()), Vec::<String>::new());
        for volume in ["pvc-1", "pvc-2", "theirs"] {
            make(&folder(state.path(), volume), None, None).expect("it is made");
        }
        reclaim(state.path(), "pvc-3", Some("kept")).expect("nothing to do");
        let known = BTreeSet::from(["pvc-2".to_owned()]);
        assert_eq!(strangers(state.path(), &known), ["pvc-1"]);
    }
}
