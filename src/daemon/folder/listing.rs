//! Which files are in the jobs folder now.

use super::Stamp;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Deeper folders are not looked into.
const DEPTH_MAX: usize = 8;

/// More files than this are refused: a folder named by mistake should not be read for hours.
const FILES_MAX: usize = 200_000;

#[derive(Default)]
pub struct Listing {
    pub files: BTreeMap<String, Stamp>,
    pub folders: Vec<PathBuf>,
    /// Folders that could not be listed: files under them are taken to be as they were.
    pub unreadable: Vec<PathBuf>,
    /// What is wrong with a path.
    pub faults: BTreeMap<PathBuf, String>,
}

impl Listing {
    pub fn of(root: &Path) -> Listing {
        let mut listing = Listing::default();
        listing.visit(root, 0, &mut BTreeSet::new());
        listing
    }

    /// Is the file under a folder that could not be listed?
    pub fn hides(&self, file: &str) -> bool {
        self.unreadable.iter().any(|folder| Path::new(file).starts_with(folder))
    }

    fn visit(&mut self, folder: &Path, depth: usize, seen: &mut BTreeSet<(u64, u64)>) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.give_up(folder, &error),
        };
        if let Ok(meta) = folder.metadata()
            && !seen.insert((meta.dev(), meta.ino()))
        {
            return;
        }
        self.folders.push(folder.to_owned());
        for entry in entries {
            match entry {
                Ok(entry) => self.look_at(&entry.path(), depth, seen),
                Err(error) => return self.give_up(folder, &error),
            }
        }
    }

    fn look_at(&mut self, path: &Path, depth: usize, seen: &mut BTreeSet<(u64, u64)>) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
        if name.starts_with('.') || self.files.len() >= FILES_MAX {
            return;
        }
        let manifest =
            matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "json"));
        match path.metadata() {
            Ok(meta) if meta.is_dir() && depth < DEPTH_MAX => self.visit(path, depth + 1, seen),
            Ok(meta) if meta.is_file() && manifest => {
                let modified = meta.mtime().wrapping_mul(1_000_000_000) + meta.mtime_nsec();
                self.files.insert(path.to_string_lossy().into_owned(), (meta.size(), modified));
            }
            Ok(meta) if manifest && !meta.is_dir() => {
                self.faults.insert(path.to_owned(), "is not a regular file".to_owned());
            }
            Ok(_) => {}
            Err(error) if manifest => {
                self.faults.insert(path.to_owned(), error.to_string());
            }
            Err(_) => {}
        }
    }

    fn give_up(&mut self, folder: &Path, error: &std::io::Error) {
        self.faults.insert(folder.to_owned(), error.to_string());
        self.unreadable.push(folder.to_owned());
    }
}
