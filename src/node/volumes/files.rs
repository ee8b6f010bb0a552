//! ConfigMap, Secret, downwardAPI and projected volumes: files with content, written all at once.
//!
//! As the kubelet lays them out: the files lie in a hidden folder, `..data` is a symlink to it, and
//! each name is a symlink through `..data`. A reader sees either all old or all new files.

use super::{Error, set_access};
use cronlet_api::time::Timestamp;
use cronlet_plan::order::File;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path};

const DATA: &str = "..data";
const DATA_NEXT: &str = "..data_tmp";
/// With an fsGroup its members may read, whatever the mode says.
const GROUP_READ: u32 = 0o440;

/// Makes the volume in `folder`, or brings it up to date.
pub fn write(folder: &Path, files: &[File], fs_group: Option<u32>) -> Result<(), Error> {
    for file in files {
        let plain = |c: Component<'_>| matches!(c, Component::Normal(_));
        let path = Path::new(&file.path);
        let hidden = path.starts_with(DATA) || path.starts_with(DATA_NEXT);
        if file.path.is_empty() || hidden || !path.components().all(plain) {
            return Err(Error::Path(file.path.clone().into()));
        }
    }
    fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
    set_access(folder, 0o755, fs_group)?;
    if is_current(folder, files, fs_group) {
        return Ok(());
    }
    let name = fresh_name(folder);
    fill(&folder.join(&name), files, fs_group)?;
    let (data, next) = (folder.join(DATA), folder.join(DATA_NEXT));
    let _ = fs::remove_file(&next);
    symlink(&name, &next).map_err(Error::io("linking", &next))?;
    fs::rename(&next, &data).map_err(Error::io("linking", &data))?;
    link_names(folder, files)?;
    remove_old(folder, &name);
    Ok(())
}

/// Returns a name that the volume never had: programs compare where `..data` leads to.
fn fresh_name(folder: &Path) -> String {
    loop {
        let name = Timestamp::now().strftime("..%Y_%m_%d_%H_%M_%S.%9f").to_string();
        if fs::symlink_metadata(folder.join(&name)).is_err() {
            return name;
        }
    }
}

/// Removes hidden folders but this one, a crash's among them. What stays takes room and no more.
fn remove_old(folder: &Path, current: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_hidden = name.to_str().is_some_and(|name| name.starts_with(".."));
        if is_hidden && name != current && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn mode_of(file: &File, fs_group: Option<u32>) -> u32 {
    file.mode | if fs_group.is_some() { GROUP_READ } else { 0 }
}

fn is_current(folder: &Path, files: &[File], fs_group: Option<u32>) -> bool {
    let data = folder.join(DATA);
    let same = |file: &File| {
        let path = data.join(&file.path);
        let mode = fs::metadata(&path).map(|m| m.permissions().mode() & 0o7777);
        mode.is_ok_and(|mode| mode == mode_of(file, fs_group))
            && fs::read(&path).is_ok_and(|content| content == file.content)
    };
    data.is_dir() && count(&data) == files.len() && files.iter().all(same)
}

/// Files in the folder, at any depth: as deep as their paths, which the API server bounds.
fn count(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |path: &Path| if path.is_dir() { count(path) } else { 1 };
    entries.flatten().map(|entry| of(&entry.path())).sum()
}

fn fill(data: &Path, files: &[File], fs_group: Option<u32>) -> Result<(), Error> {
    fs::create_dir(data).map_err(Error::io("making", data))?;
    set_access(data, 0o755, fs_group)?;
    for file in files {
        let path = data.join(&file.path);
        let parent = path.parent().expect("a file below the volume");
        fs::create_dir_all(parent).map_err(Error::io("making", parent))?;
        for folder in parent.ancestors().take_while(|folder| *folder != data) {
            set_access(folder, 0o755, fs_group)?;
        }
        fs::write(&path, &file.content).map_err(Error::io("writing", &path))?;
        set_access(&path, mode_of(file, fs_group), fs_group)?;
    }
    Ok(())
}

/// A symlink for each first part of a path, and none for names that are gone.
fn link_names(folder: &Path, files: &[File]) -> Result<(), Error> {
    let first = |file: &File| Path::new(&file.path).iter().next().map(ToOwned::to_owned);
    let wanted: std::collections::BTreeSet<_> = files.iter().filter_map(first).collect();
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))?.flatten() {
        let name = entry.file_name();
        let hidden = name.to_str().is_some_and(|name| name.starts_with(".."));
        if !hidden && !wanted.contains(&name) {
            fs::remove_file(entry.path()).map_err(Error::io("removing", &entry.path()))?;
        }
    }
    for name in wanted {
        let link = folder.join(&name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(&name), &link).map_err(Error::io("linking", &link))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str, mode: u32) -> File {
        File { path: path.into(), content: content.into(), mode }
    }

    #[test]
    fn files_are_replaced_all_at_once() {
        let base = tempfile::tempdir().expect("tempdir");
        let folder = base.path().join("volume");
        let read = |path: &str| fs::read_to_string(folder.join(path)).ok();
        let first = [file("a", "1", 0o644), file("deep/b", "2", 0o400)];
        write(&folder, &first, None).expect("write");
        assert_eq!((read("a"), read("deep/b")), (Some("1".into()), Some("2".into())));
        let mode = fs::metadata(folder.join("deep/b")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
        let data = fs::read_link(folder.join(DATA)).expect("a link");
        write(&folder, &first, None).expect("write");
        assert_eq!(fs::read_link(folder.join(DATA)).expect("a link"), data, "left alone");
        write(&folder, &[file("a", "3", 0o644)], None).expect("write");
        assert_eq!((read("a"), read("deep/b")), (Some("3".into()), None));
        assert!(!folder.join(&data).exists(), "the old ones are gone");
        let name = data.to_str().expect("UTF-8");
        assert!(name.starts_with("..2") && name.len() == "..2026_01_02_03_04_05.".len() + 9);
        // What a crash left goes with the next change.
        fs::create_dir_all(folder.join("..left/deep")).expect("a folder");
        write(&folder, &[file("a", "4", 0o644)], None).expect("write");
        assert!(!folder.join("..left").exists() && read("a") == Some("4".into()));
        for bad in ["", "../x", "/x", "a/../b", "..data/x"] {
            assert!(write(&folder, &[file(bad, "", 0o644)], None).is_err(), "{bad:?}");
        }
    }
}
