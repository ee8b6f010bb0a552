//! A container's view of files: the host's, with its mounts in their places. All in the child, in
//! its own namespace.
//!
//! Where all mount points exist on the host, mounts go over them and that is all. A mount point
//! that the host lacks must not be made on the host, so a root is built of a tmpfs in which each of
//! the host's top folders is bound; a missing `/etc/app` has `/etc` opened the same way: a tmpfs
//! with all that the host has in it bound, and one folder more. What a container then makes
//! directly in such a folder is its own and goes with it; what it makes deeper is the host's. An
//! overlay would hide the container's writes from the host altogether, also where it shall write.

use super::spawn::{Refusal, words};
use crate::host::mounts;
use crate::volumes::sub_path;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// Something to show at a place.
pub struct Show {
    at: PathBuf,
    source: OwnedFd,
    /// The source is a copied tree already.
    is_tree: bool,
    is_folder: bool,
    read_only: bool,
}

impl Show {
    /// `source` is opened as a path.
    pub fn new(at: &Path, source: OwnedFd, read_only: bool) -> Result<Show, Refusal> {
        let stat = rustix::fs::fstat(&source)
            .map_err(|e| Refusal::config(format!("mount {}: {}", at.display(), words(e))))?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let plain = |c: &Component<'_>| matches!(c, Component::Normal(_));
        let clean: PathBuf = at.components().filter(plain).collect();
        let at = Path::new("/").join(clean);
        Ok(Show { at, source, is_tree: false, is_folder, read_only })
    }

    /// As [`Show::new`], of a tree that was copied before, and that is not read-only.
    pub fn of_tree(at: &Path, tree: OwnedFd) -> Result<Show, Refusal> {
        let show = Show::new(at, tree, false)?;
        Ok(Show { is_tree: true, ..show })
    }

    fn failed(&self, doing: &str) -> impl Fn(io::Error) -> Refusal {
        let at = self.at.display().to_string();
        let doing = doing.to_owned();
        move |error| Refusal::config(format!("mount {at}: {doing}: {}", words(error)))
    }

    /// The host has something to mount it over.
    fn has_place(&self) -> bool {
        fs::metadata(&self.at).is_ok_and(|found| found.is_dir() == self.is_folder)
    }
}

/// Shows all, in a namespace that is this process's own. `scratch` is a folder that nothing else
/// uses.
pub fn make(mut shows: Vec<Show>, read_only_root: bool, scratch: &Path) -> Result<(), Refusal> {
    shows.sort_by_key(|show| show.at.components().count());
    let mut trees = Vec::new();
    for show in &shows {
        trees.push(copy(show).map_err(show.failed("copying"))?);
    }
    // A mount point below another mount is that one's matter, made when it is there.
    let first: Vec<&Show> = shows.iter().filter(|s| above(&shows, s).is_none()).collect();
    if read_only_root || first.iter().any(|show| !show.has_place()) {
        build(&first, read_only_root, scratch)?;
    }
    for (show, tree) in shows.iter().zip(trees) {
        let target = match above(&shows, show) {
            None => open(&show.at).map_err(show.failed("opening the mount point"))?,
            Some(upper) => place_in(upper, show)?,
        };
        mounts::attach(tree.as_fd(), target.as_fd())
            .map_err(|e| show.failed("attaching")(e.into()))?;
    }
    Ok(())
}

fn copy(show: &Show) -> io::Result<OwnedFd> {
    if show.is_tree {
        return Ok(rustix::io::fcntl_dupfd_cloexec(&show.source, 3)?);
    }
    let tree = mounts::copy_tree(show.source.as_fd())?;
    if show.read_only {
        mounts::set_read_only(tree.as_fd(), true)?;
    }
    Ok(tree)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

/// The nearest mount that this one lies in.
fn above<'a>(shows: &'a [Show], below: &Show) -> Option<&'a Show> {
    let holds = |s: &&Show| s.at != below.at && below.at.starts_with(&s.at);
    shows.iter().rev().find(holds)
}

/// A mount point in another volume: made there if it is missing, without following a symlink out of
/// it.
fn place_in(upper: &Show, show: &Show) -> Result<OwnedFd, Refusal> {
    let part = show.at.strip_prefix(&upper.at).expect("lies in it");
    let part = part.to_str().ok_or_else(|| Refusal::config("a mount path that is not UTF-8"))?;
    let found = match show.is_folder {
        true => sub_path::open(&upper.at, Some(part)),
        false => sub_path::open_file(&upper.at, part),
    };
    found.map_err(|e| Refusal::config(format!("mount {}: {e}", show.at.display())))
}

/// Builds a root in `scratch` that has all mount points, and makes it this process's.
fn build(shows: &[&Show], read_only: bool, scratch: &Path) -> Result<(), Refusal> {
    let failed = |error: io::Error| {
        Refusal::config(format!("building the container's root: {}", words(error)))
    };
    skeleton(scratch).map_err(failed)?;
    let missing: Vec<(&Show, PathBuf, PathBuf)> = shows
        .iter()
        .filter(|show| !show.has_place())
        .map(|show| {
            let (deepest, rest) = split_existing(&show.at);
            (*show, deepest, rest)
        })
        .collect();
    // Ordered by depth, or an opened folder would hide one that was opened in it before.
    let mut opened: Vec<PathBuf> = missing.iter().map(|(_, deepest, _)| deepest.clone()).collect();
    opened.sort_by_key(|path| path.components().count());
    let mut done = BTreeSet::from([PathBuf::from("/")]);
    for folder in opened {
        if done.insert(folder.clone()) {
            open_folder(&folder, &inside(scratch, &folder)).map_err(failed)?;
        }
    }
    for (show, deepest, rest) in &missing {
        let place = inside(scratch, deepest).join(rest);
        make_place(&place, show.is_folder).map_err(show.failed("making the mount point"))?;
    }
    if read_only {
        close_for_writing(scratch).map_err(failed)?;
    }
    mounts::pivot(scratch).map_err(|e| failed(e.into()))
}

fn inside(scratch: &Path, path: &Path) -> PathBuf {
    scratch.join(path.strip_prefix("/").expect("an absolute path"))
}

/// The deepest folder of the path that the host has, symlinks resolved, and what is missing below
/// it.
fn split_existing(path: &Path) -> (PathBuf, PathBuf) {
    for ancestor in path.ancestors().skip(1) {
        if let Ok(real) = ancestor.canonicalize()
            && real.is_dir()
        {
            let rest = path.strip_prefix(ancestor).expect("its ancestor");
            return (real, rest.to_owned());
        }
    }
    ("/".into(), path.strip_prefix("/").expect("an absolute path").to_owned())
}

fn skeleton(scratch: &Path) -> io::Result<()> {
    match fs::create_dir(scratch) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    mounts::unbindable_tmpfs(scratch, "mode=0755")?;
    mirror(Path::new("/"), scratch)
}

/// A folder that was bound whole becomes a tmpfs with each entry bound, so that entries can be
/// added.
fn open_folder(host: &Path, at: &Path) -> io::Result<()> {
    let mode = fs::metadata(host)?.permissions().mode() & 0o7777;
    mounts::tmpfs(at, &format!("mode={mode:o}"))?;
    mirror(host, at)
}

/// A bind for each: beyond this the container would take noticeably long to start.
const ENTRIES_MAX: usize = 10_000;

fn mirror(host: &Path, at: &Path) -> io::Result<()> {
    for (count, entry) in fs::read_dir(host)?.enumerate() {
        if count == ENTRIES_MAX {
            return Err(io::Error::other(format!("{} holds too much", host.display())));
        }
        let entry = entry?;
        let place = at.join(entry.file_name());
        match mirror_entry(&entry, &place) {
            // Gone meanwhile, or not to be seen by this user: then it is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
    }
    Ok(())
}

fn mirror_entry(entry: &fs::DirEntry, place: &Path) -> io::Result<()> {
    let (kind, path) = (entry.file_type()?, entry.path());
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(&path)?, place);
    }
    make_place(place, kind.is_dir())?;
    Ok(mounts::bind(&path, place)?)
}

/// Something to mount over.
fn make_place(place: &Path, is_folder: bool) -> io::Result<()> {
    if is_folder {
        return fs::create_dir_all(place);
    }
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(place).map(drop)
}

/// `readOnlyRootFilesystem`: all but devices and the kernel's own file systems.
fn close_for_writing(scratch: &Path) -> io::Result<()> {
    for entry in fs::read_dir(scratch)?.flatten() {
        let kept = ["dev", "proc", "sys"].iter().any(|name| entry.file_name() == *name);
        if kept || entry.file_type()?.is_symlink() {
            continue;
        }
        match mounts::set_read_only(open(&entry.path())?.as_fd(), true) {
            // A folder of the root itself, made to mount over.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {}
            other => other?,
        }
    }
    mounts::set_read_only(open(scratch)?.as_fd(), false)
}
