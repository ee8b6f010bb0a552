//! Which files are in the jobs folder now.
//!
//! Each folder is watched before it is read: a file that is made in between is noticed.

use super::super::watch::Watch;
use super::Stamp;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Deeper folders are not looked into.
const DEPTH_MAX: usize = 8;

/// More files than this are refused: a folder named by mistake should not be read for hours.
const FILES_MAX: usize = 200_000;

#[derive(Default)]
pub(super) struct Listing {
    pub files: BTreeMap<String, Stamp>,
    /// Device and inode of the folder itself; `None` if it could not be listed.
    pub identity: Option<(u64, u64)>,
    /// Paths that could not be listed or followed: files at or under them are taken to be as
    /// before.
    pub unreadable: Vec<PathBuf>,
    /// What is wrong with a path.
    pub faults: BTreeMap<PathBuf, String>,
}

impl Listing {
    pub(super) fn of(root: &Path, watch: &mut Watch) -> Listing {
        let mut listing = Listing::default();
        watch.begin();
        watch.way_to(root);
        listing.visit(root, 0, &mut BTreeSet::new(), watch);
        watch.finish();
        if listing.files.len() >= FILES_MAX {
            let what = format!("holds more than {FILES_MAX} manifests: some of them are not read");
            listing.faults.insert(root.to_owned(), what);
            listing.unreadable.push(root.to_owned());
        }
        listing
    }

    /// True if the file is under a folder that could not be listed, or is a link that leads
    /// nowhere.
    pub(super) fn hides(&self, file: &str) -> bool {
        self.unreadable.iter().any(|path| Path::new(file).starts_with(path))
    }

    fn visit(
        &mut self,
        folder: &Path,
        depth: usize,
        seen: &mut BTreeSet<(u64, u64)>,
        watch: &mut Watch,
    ) {
        watch.folder(folder);
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.give_up(folder, &error),
        };
        if let Ok(meta) = folder.metadata() {
            let identity = (meta.dev(), meta.ino());
            if !seen.insert(identity) {
                return;
            }
            if depth == 0 {
                self.identity = Some(identity);
            }
        }
        for entry in entries {
            match entry {
                Ok(entry) => self.look_at(&entry, depth, seen, watch),
                Err(error) => return self.give_up(folder, &error),
            }
        }
    }

    fn look_at(
        &mut self,
        entry: &std::fs::DirEntry,
        depth: usize,
        seen: &mut BTreeSet<(u64, u64)>,
        watch: &mut Watch,
    ) {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
        if name.starts_with('.') || self.files.len() >= FILES_MAX {
            return;
        }
        let manifest = is_manifest(&path);
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            watch.way_to(&path);
        }
        match path.metadata() {
            Ok(meta) if meta.is_dir() && depth < DEPTH_MAX => {
                self.visit(&path, depth + 1, seen, watch);
            }
            Ok(meta) if meta.is_file() && manifest => {
                self.files.insert(path.to_string_lossy().into_owned(), Stamp::of(&meta));
            }
            Ok(meta) if manifest && !meta.is_dir() => {
                self.faults.insert(path, "is not a regular file".to_owned());
            }
            Ok(_) => {}
            Err(error) => {
                // A name that was listed and is gone is no fault; a link that leads nowhere is.
                if path.symlink_metadata().is_ok() {
                    if manifest {
                        self.faults.insert(path.clone(), error.to_string());
                    }
                    self.unreadable.push(path);
                }
            }
        }
    }

    fn give_up(&mut self, folder: &Path, error: &std::io::Error) {
        let what = match error.kind() {
            std::io::ErrorKind::NotFound => {
                let path = folder.display();
                format!(
                    "does not exist: make it (`mkdir -p {path}`), and what is put into it is run; \
                     or start with another: `cronlet run DIR`"
                )
            }
            std::io::ErrorKind::NotADirectory => {
                "is not a folder: `cronlet run DIR` takes a folder of manifests".to_owned()
            }
            _ => error.to_string(),
        };
        self.faults.insert(folder.to_owned(), what);
        self.unreadable.push(folder.to_owned());
    }
}

/// True if the name ends as that of a manifest.
pub(crate) fn is_manifest(path: &Path) -> bool {
    matches!(path.extension().and_then(|end| end.to_str()), Some("yaml" | "yml" | "json"))
}
