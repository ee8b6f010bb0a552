//! Where a pod's things lie: `<state>/pods/<uid>/`, closed to other users, and in the journal.
//!
//! The folder is made with the first file in it, and there are few files: making them is what costs
//! most in a short run, which may need none. A container's name has no dots, so nothing can clash.

use crate::volumes::claim;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How many log files an attempt keeps: the one being written, and `.1` (newest) to `.4`.
pub(super) const LOG_FILES_MAX: u32 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub uid: String,
    /// Logs and volumes; may not exist.
    pub folder: PathBuf,
    /// The folder of the journal, which all pods share.
    pub journal: PathBuf,
}

impl Place {
    pub(super) fn new(state_dir: &Path, pod_uid: &str) -> Place {
        assert!(is_plain(pod_uid), "a uid is a plain file name");
        let (folder, journal) = (pods(state_dir).join(pod_uid), journal(state_dir));
        Place { uid: pod_uid.to_owned(), folder, journal }
    }

    /// The folder of a PersistentVolumeClaim, beside those of the pods.
    pub(super) fn claim(&self, volume: &str) -> PathBuf {
        let pods = self.folder.parent().expect("a pod's folder lies in one for all");
        let state = pods.parent().expect("which lies in the state folder");
        claim::folder(state, volume)
    }

    /// The shim's socket, in the journal's folder.
    pub(super) fn socket(&self) -> String {
        format!("{}.sock", self.uid)
    }

    pub(super) fn log(&self, container: &str, attempt: u32) -> PathBuf {
        self.folder.join(format!("{container}.{attempt}.log"))
    }

    /// What the program writes to its `terminationMessagePath`.
    pub(super) fn message(&self, container: &str, attempt: u32) -> PathBuf {
        self.folder.join(format!("{container}.{attempt}.message"))
    }
}

pub(super) fn pods(state_dir: &Path) -> PathBuf {
    state_dir.join("pods")
}

pub(super) fn journal(state_dir: &Path) -> PathBuf {
    state_dir.join("journal")
}

/// The log file of one attempt of a container, in the CRI log format. Older pieces end in `.1` to
/// `.4`; see [`log_files`].
pub fn log_path(state_dir: &Path, pod_uid: &str, container: &str, attempt: u32) -> PathBuf {
    Place::new(state_dir, pod_uid).log(container, attempt)
}

/// The existing log files of one attempt, oldest first. A file may be rotated while one reads: an
/// open file stays whole, so open all, newest first, before reading.
pub fn log_files(state_dir: &Path, pod_uid: &str, container: &str, attempt: u32) -> Vec<PathBuf> {
    let newest = log_path(state_dir, pod_uid, container, attempt);
    let older = (1..LOG_FILES_MAX).rev().map(|n| rotated(&newest, n));
    older.chain([newest.clone()]).filter(|path| path.exists()).collect()
}

pub(super) fn rotated(log: &Path, number: u32) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(format!(".{number}"));
    PathBuf::from(path)
}

/// Makes a folder and its parents, for its owner alone.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// One component of a path that names nothing else, and one word.
pub(super) fn is_plain(name: &str) -> bool {
    let breaks = |c: char| c == '/' || c == '\0' || c.is_ascii_whitespace();
    !name.is_empty() && name != "." && name != ".." && !name.contains(breaks)
}
