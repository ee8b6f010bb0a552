//! `fsGroup` of a volume that holds something already: all in it gets the group and its rights, as
//! the kubelet does it.
//!
//! Users of the volume may rename and link while this goes on. So each name is opened once, below
//! the descriptor of its folder, and a symlink is never followed.

use super::Error;
use cronlet_host::paths;
use cronlet_plan::order::GroupChange;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// At most this many folders in folders: each is open until all in it is changed.
const DEPTH_MAX: usize = 128;

/// Rights of the group: to read and write, and in folders to enter and to pass the group on.
const OF_FILE: u32 = 0o660;
const OF_FOLDER: u32 = 0o2770;

/// Gives all in the folder to the group. The folder itself is last: that it is right says that all
/// in it was.
pub fn apply(folder: &Path, group: u32, change: GroupChange) -> Result<(), Error> {
    let failed = |errno: Errno| Error::io("giving its group", folder)(errno.into());
    let top = paths::open(folder).map_err(failed)?;
    let found = rustix::fs::fstat(&top).map_err(failed)?;
    let is_right = found.st_gid == group && found.st_mode & OF_FOLDER == OF_FOLDER;
    if change == GroupChange::OnRootMismatch && is_right {
        return Ok(());
    }
    walk(top.as_fd(), group).map_err(failed)?;
    give(&top, group).map_err(failed)?;
    Ok(())
}

/// Changes all below the folder, and no more memory than its depth takes.
fn walk(top: BorrowedFd<'_>, group: u32) -> Result<(), Errno> {
    let mut open = vec![entries(top)?];
    while let Some(folder) = open.last_mut() {
        let Some(entry) = folder.next() else {
            open.pop();
            continue;
        };
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let file = match paths::open_name(folder.fd()?, name) {
            // Deleted since it was listed.
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        if give(&file, group)? == FileType::Directory {
            if open.len() == DEPTH_MAX {
                return Err(Errno::LOOP);
            }
            open.push(entries(file.as_fd())?);
        }
    }
    Ok(())
}

fn entries(folder: BorrowedFd<'_>) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Dir::new(rustix::fs::openat(folder, ".", flags, Mode::empty())?)
}

/// Gives one file its group and rights; devices stay as they are.
fn give(file: &OwnedFd, group: u32) -> Result<FileType, Errno> {
    let found = rustix::fs::fstat(file)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if matches!(kind, FileType::BlockDevice | FileType::CharacterDevice) {
        return Ok(kind);
    }
    if found.st_gid != group {
        let group = Some(Gid::from_raw(group));
        rustix::fs::chownat(file, "", None, group, AtFlags::EMPTY_PATH)?;
    }
    let rights = if kind == FileType::Directory { OF_FOLDER } else { OF_FILE };
    if kind != FileType::Symlink && (found.st_gid != group || found.st_mode & rights != rights) {
        let mode = Mode::from_raw_mode(found.st_mode & 0o7777 | rights);
        // A descriptor of a path takes no other way.
        rustix::fs::chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), mode)?;
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    /// The group that this test gives: its own, so that an ordinary user may.
    fn group() -> u32 {
        rustix::process::getegid().as_raw()
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it is there").mode() & 0o7777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn all_gets_the_group_and_no_link_is_followed() {
        let outside = tempfile::tempdir().expect("a folder");
        let volume = tempfile::tempdir().expect("a folder");
        let at = |name: &str| volume.path().join(name);
        fs::write(outside.path().join("secret"), "").expect("a file");
        chmod(&outside.path().join("secret"), 0o600);
        fs::create_dir_all(at("a/b")).expect("folders");
        fs::write(at("a/b/data"), "").expect("a file");
        fs::write(at("run"), "").expect("a file");
        for (name, bits) in [("a", 0o700), ("a/b", 0o750), ("a/b/data", 0o600), ("run", 0o755)] {
            chmod(&at(name), bits);
        }
        chmod(volume.path(), 0o700);
        chmod(outside.path(), 0o700);
        symlink(outside.path(), at("a/out")).expect("a link");
        symlink(outside.path().join("secret"), at("link")).expect("a link");
        apply(volume.path(), group(), GroupChange::Always).expect("it is ours");
        let found = ["", "a", "a/b", "a/b/data", "run"].map(|name| mode(&at(name)));
        assert_eq!(found, [0o2770, 0o2770, 0o2770, 0o660, 0o775]);
        assert_eq!(mode(&outside.path().join("secret")), 0o600);
        assert_eq!(mode(outside.path()), 0o700, "the target of a link");
    }

    #[test]
    fn a_folder_that_is_right_is_left_alone_where_the_policy_says_so() {
        let volume = tempfile::tempdir().expect("a folder");
        let file = volume.path().join("file");
        fs::write(&file, "").expect("a file");
        let check = |top: u32, change: GroupChange, want: u32| {
            chmod(&file, 0o600);
            chmod(volume.path(), top);
            apply(volume.path(), group(), change).expect("it is ours");
            assert_eq!(mode(&file), want, "{top:o} {change:?}");
            assert_eq!(mode(volume.path()) & OF_FOLDER, OF_FOLDER);
        };
        check(0o2775, GroupChange::OnRootMismatch, 0o600);
        check(0o2775, GroupChange::Always, 0o660);
        check(0o775, GroupChange::OnRootMismatch, 0o660);
        check(0o2755, GroupChange::OnRootMismatch, 0o660);
    }
}
