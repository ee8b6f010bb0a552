//! Finding and making files where other users may rename and link at the same time.
//!
//! A path is resolved once, to a descriptor; what is made is made below a descriptor, name by name,
//! and no name is followed that turns out to be a symlink.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Kind of file that is made where a path is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    Folder,
    File,
}

/// How a found path counts.
const FOUND: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// Opens the root of this process's view of files, as a path.
pub fn root() -> Result<OwnedFd, Errno> {
    open("/".as_ref())
}

/// Opens what the path is, wherever symlinks lead.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, FOUND, Mode::empty())
}

/// Opens what `path` is with `root` as its root: symlinks are followed and never lead out of it.
pub fn open_in(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    resolve(root, path, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

/// Opens what `path` is below `root`, if no part of it is a symlink.
pub fn open_plain(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    resolve(root, path, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
}

fn resolve(root: BorrowedFd<'_>, path: &Path, how: ResolveFlags) -> Result<OwnedFd, Errno> {
    let below = path.strip_prefix("/").unwrap_or(path);
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    rustix::fs::openat2(root, below, FOUND, Mode::empty(), how)
}

/// Opens one name of a folder, and the symlink itself where it is one.
pub fn open_name(folder: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, name, FOUND | OFlags::NOFOLLOW, Mode::empty())
}

pub fn is_folder(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(kind(file)? == FileType::Directory)
}

fn kind(file: BorrowedFd<'_>) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

/// Returns where an open file is now, without symlinks.
pub fn place_of(file: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let place = rustix::fs::readlink(link, Vec::new())?;
    let place = PathBuf::from(OsString::from_vec(place.into_bytes()));
    if place.is_absolute() { Ok(place) } else { Err(Errno::NOENT) }
}

/// Splits a path into the deepest folder of it that exists in `root`, opened, and the rest. The
/// rest is empty where all of it exists.
pub fn split(root: BorrowedFd<'_>, path: &Path) -> Result<(OwnedFd, PathBuf), Errno> {
    for ancestor in path.ancestors() {
        match open_in(root, ancestor) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error),
            Ok(found) => {
                let rest = path.strip_prefix(ancestor).expect("its ancestor").to_owned();
                if rest.as_os_str().is_empty() || is_folder(found.as_fd())? {
                    return Ok((found, rest));
                }
            }
        }
    }
    Err(Errno::NOENT)
}

/// Opens `path` below `folder`, making what is missing of it. A symlink on the way is an error.
pub fn make(folder: BorrowedFd<'_>, path: &Path, leaf: Leaf) -> Result<OwnedFd, Errno> {
    let mut at = rustix::io::fcntl_dupfd_cloexec(folder, 3)?;
    let mut names = path.iter().peekable();
    while let Some(name) = names.next() {
        let made = if names.peek().is_some() { Leaf::Folder } else { leaf };
        at = make_name(at.as_fd(), name, made)?;
    }
    Ok(at)
}

/// Opens one name of a folder, made if it is missing.
pub fn make_name(folder: BorrowedFd<'_>, name: &OsStr, leaf: Leaf) -> Result<OwnedFd, Errno> {
    let file = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = match leaf {
        Leaf::Folder => rustix::fs::mkdirat(folder, name, FOLDER_MODE),
        Leaf::File => rustix::fs::openat(folder, name, file, FILE_MODE).map(drop),
    };
    if let Err(error) = made
        && error != Errno::EXIST
    {
        return Err(error);
    }
    let found = open_name(folder, name)?;
    match (leaf, kind(found.as_fd())?) {
        (_, FileType::Symlink) => Err(Errno::LOOP),
        (Leaf::Folder, FileType::Directory) => Ok(found),
        (Leaf::Folder, _) => Err(Errno::NOTDIR),
        (Leaf::File, FileType::Directory) => Err(Errno::ISDIR),
        (Leaf::File, _) => Ok(found),
    }
}

/// At most this many symlinks are followed for one path, as the kernel does.
const LINKS_MAX: u32 = 40;

/// Opens an absolute path, making what is missing of it. A symlink on the way is followed only
/// where neither it nor its folder belongs to another user: else that user could choose where this
/// process makes something.
pub fn make_trusted(path: &Path, leaf: Leaf) -> Result<OwnedFd, Errno> {
    let (mut at, mut links) = (vec![root()?], 0);
    // Names still to come, the next one last: those of `path`, then those of a symlink.
    let mut ahead = names(path);
    let mut own = ahead.len();
    while let Some(name) = ahead.pop() {
        let is_own = ahead.len() < own;
        own = own.min(ahead.len());
        let folder = at.last().expect("the root stays").as_fd();
        if name == ".." {
            at.truncate(at.len().saturating_sub(1).max(1));
            continue;
        }
        let found = match open_name(folder, &name) {
            // A symlink that leads nowhere stays so.
            Err(Errno::NOENT) if is_own => {
                let made = if ahead.is_empty() { leaf } else { Leaf::Folder };
                make_name(folder, &name, made)?
            }
            found => found?,
        };
        if kind(found.as_fd())? != FileType::Symlink {
            at.push(found);
            continue;
        }
        links += 1;
        if links > LINKS_MAX || !is_trusted(folder)? || !is_trusted(found.as_fd())? {
            return Err(Errno::LOOP);
        }
        let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            at.truncate(1);
        }
        ahead.extend(names(&target));
    }
    Ok(at.pop().expect("the root stays"))
}

fn names(path: &Path) -> Vec<OsString> {
    let told = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(told).collect()
}

/// True if the file belongs to root or to this process's user.
fn is_trusted(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    let owner = rustix::fs::fstat(file)?.st_uid;
    Ok(owner == 0 || owner == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_is_made_through_a_symlink() {
        let base = tempfile::tempdir().expect("tempdir");
        let base = base.path().canonicalize().expect("canonical");
        fs::create_dir_all(base.join("root/there")).expect("mkdir");
        fs::create_dir(base.join("outside")).expect("mkdir");
        symlink(base.join("outside"), base.join("root/out")).expect("symlink");
        symlink("there", base.join("root/in")).expect("symlink");
        let root = open(&base.join("root")).expect("open");
        let check = |path: &str, leaf: Leaf, want: Result<&str, Errno>| {
            let found = make(root.as_fd(), path.as_ref(), leaf);
            let found = found.map(|fd| place_of(fd.as_fd()).expect("a place"));
            assert_eq!(found, want.map(|want| base.join("root").join(want)), "{path}");
        };
        check("there/a/b", Leaf::Folder, Ok("there/a/b"));
        check("there/file", Leaf::File, Ok("there/file"));
        check("there/file", Leaf::File, Ok("there/file"));
        check("there/file/x", Leaf::File, Err(Errno::NOTDIR));
        check("there", Leaf::File, Err(Errno::ISDIR));
        check("out", Leaf::Folder, Err(Errno::LOOP));
        check("out/new", Leaf::Folder, Err(Errno::LOOP));
        check("in/new", Leaf::File, Err(Errno::LOOP));
        assert_eq!(fs::read_dir(base.join("outside")).expect("readable").count(), 0);
        assert!(open_in(root.as_fd(), "/in/a".as_ref()).is_ok());
        assert_eq!(open_in(root.as_fd(), "out".as_ref()).err(), Some(Errno::NOENT));
        assert_eq!(open_plain(root.as_fd(), "in/a".as_ref()).err(), Some(Errno::LOOP));
        assert!(open_plain(root.as_fd(), "/there/a".as_ref()).is_ok());
    }

    #[test]
    fn only_trusted_symlinks_choose_where_something_is_made() {
        let base = tempfile::tempdir().expect("tempdir");
        let base = base.path().canonicalize().expect("canonical");
        let at = |path: &str| base.join(path);
        fs::create_dir_all(at("real/deep")).expect("mkdir");
        fs::create_dir_all(at("theirs")).expect("mkdir");
        symlink("real/deep", at("link")).expect("symlink");
        symlink(at("real"), at("theirs/link")).expect("symlink");
        symlink("loop", at("loop")).expect("symlink");
        let check = |path: &str, want: Result<&str, Errno>| {
            let found = make_trusted(&at(path), Leaf::Folder);
            let found = found.map(|fd| place_of(fd.as_fd()).expect("a place"));
            assert_eq!(found, want.map(at), "{path}");
        };
        check("link/new/folder", Ok("real/deep/new/folder"));
        check("link/../up", Ok("real/up"));
        check("loop/x", Err(Errno::LOOP));
        symlink("nowhere", at("dangling")).expect("symlink");
        check("dangling", Err(Errno::NOENT));
        check("theirs/link/mine", Ok("real/mine"));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(at("theirs"), Some(1234), Some(1234)).expect("chown");
            check("theirs/link/evil", Err(Errno::LOOP));
            check("theirs/new", Ok("theirs/new"));
            std::os::unix::fs::lchown(at("link"), Some(1234), None).expect("lchown");
            check("link/evil", Err(Errno::LOOP));
        }
        assert!(!at("real/evil").exists() && !at("real/deep/evil").exists());
    }
}
