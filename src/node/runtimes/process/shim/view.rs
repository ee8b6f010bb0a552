//! A container's view of files: the host's, with its mounts in their places. All in the child, in
//! its own namespace.
//!
//! Where all mount points exist on the host, mounts go over them and that is all. A mount point
//! that the host lacks must not be made on the host, so a root is built of a tmpfs in which each of
//! the host's top folders is bound; a missing `/etc/app` has `/etc` opened the same way: a tmpfs
//! with all that the host has in it bound, and one folder more. What a container then makes
//! directly in such a folder is its own and goes with it; what it makes deeper is the host's. An
//! overlay would hide the container's writes from the host altogether, also where it shall write.
//!
//! Folders of the host may belong to users who rename and link while this goes on. So each path is
//! resolved once, to a place without symlinks, and from then on no symlink is followed; what is
//! made is made below a descriptor of this namespace's own tmpfs or of a volume, never of the host.

use super::spawn::{Refusal, words};
use crate::volumes::sub_path;
use cronlet_host::mounts;
use cronlet_host::paths::{self, Leaf};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

/// Something to show at a place.
pub(super) struct Show {
    at: PathBuf,
    source: OwnedFd,
    /// The source is a copied tree already.
    is_tree: bool,
    is_folder: bool,
    read_only: bool,
    /// How many names of `at`, from the last, the host lacks.
    missing: usize,
}

impl Show {
    /// `source` is opened as a path.
    pub(super) fn new(at: &Path, source: OwnedFd, read_only: bool) -> Result<Show, Refusal> {
        let is_folder = paths::is_folder(source.as_fd())
            .map_err(|e| Refusal::config(format!("mount {}: {}", at.display(), words(e))))?;
        let plain = |c: &Component<'_>| matches!(c, Component::Normal(_));
        let clean: PathBuf = at.components().filter(plain).collect();
        let at = Path::new("/").join(clean);
        Ok(Show { at, source, is_tree: false, is_folder, read_only, missing: 0 })
    }

    /// As [`Show::new`], of a tree that was copied before, and that is not read-only.
    pub(super) fn of_tree(at: &Path, tree: OwnedFd) -> Result<Show, Refusal> {
        let show = Show::new(at, tree, false)?;
        Ok(Show { is_tree: true, ..show })
    }

    fn failed(&self, doing: &str) -> impl Fn(io::Error) -> Refusal {
        let at = self.at.display().to_string();
        let doing = doing.to_owned();
        move |error| Refusal::config(format!("mount {at}: {doing}: {}", words(error)))
    }

    /// Resolves the symlinks of its path, and sees how much of it the host has.
    fn locate(&mut self, host: BorrowedFd<'_>) -> io::Result<()> {
        let (deepest, rest) = paths::split(host, &self.at)?;
        self.missing = rest.iter().count();
        self.at = paths::place_of(deepest.as_fd())?.join(rest);
        Ok(())
    }

    fn leaf(&self) -> Leaf {
        if self.is_folder { Leaf::Folder } else { Leaf::File }
    }

    /// The deepest folder above it that the host has, and what is missing below.
    fn split(&self) -> (&Path, &Path) {
        let above = self.at.ancestors().nth(self.missing).expect("part of its path");
        (above, self.at.strip_prefix(above).expect("above it"))
    }
}

/// Shows all, in a namespace that is this process's own. `scratch` is a folder that nothing else
/// uses.
pub(super) fn make(
    mut shows: Vec<Show>,
    read_only_root: bool,
    scratch: &Path,
) -> Result<(), Refusal> {
    let host = paths::root().map_err(|e| building(e.into()))?;
    for show in &mut shows {
        show.locate(host.as_fd()).map_err(show.failed("finding the mount point"))?;
    }
    shows.sort_by_key(|show| show.at.components().count());
    let trees: Result<Vec<OwnedFd>, Refusal> =
        shows.iter().map(|show| copy(show).map_err(show.failed("copying"))).collect();
    let trees = trees?;
    // A mount point below another mount is that one's matter, made when it is there.
    let first: Vec<&Show> = shows.iter().filter(|s| above(&shows, s).is_none()).collect();
    let builds = read_only_root || first.iter().any(|show| show.missing > 0);
    let root = builds.then(|| build(&host, &first, read_only_root, scratch)).transpose()?;
    let top = root.as_ref().unwrap_or(&host).as_fd();
    for (show, tree) in shows.iter().zip(&trees) {
        let target = match above(&shows, show) {
            None => place_of(top, show).map_err(show.failed("opening the mount point"))?,
            Some(upper) => place_in(&shows[upper], &trees[upper], show)?,
        };
        mounts::attach(tree.as_fd(), target.as_fd())
            .map_err(|e| show.failed("attaching")(e.into()))?;
    }
    match root {
        Some(root) => mounts::pivot(root.as_fd()).map_err(|e| building(e.into())),
        None => Ok(()),
    }
}

fn building(error: io::Error) -> Refusal {
    Refusal::config(format!("building the container's root: {}", words(error)))
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

/// The nearest mount that this one lies in.
fn above(shows: &[Show], below: &Show) -> Option<usize> {
    let holds = |s: &Show| s.at != below.at && below.at.starts_with(&s.at);
    shows.iter().rposition(holds)
}

/// Opens the file or folder to mount it over.
fn place_of(top: BorrowedFd<'_>, show: &Show) -> io::Result<OwnedFd> {
    let found = paths::open_plain(top, &show.at)?;
    match (show.is_folder, paths::is_folder(found.as_fd())?) {
        (true, false) => Err(Errno::NOTDIR.into()),
        (false, true) => Err(Errno::ISDIR.into()),
        _ => Ok(found),
    }
}

/// A mount point in another volume: made there if it is missing, without following a symlink out of
/// it.
fn place_in(upper: &Show, tree: &OwnedFd, show: &Show) -> Result<OwnedFd, Refusal> {
    let part = show.at.strip_prefix(&upper.at).expect("lies in it");
    let found = sub_path::open_as(tree.as_fd(), &upper.at, part, show.leaf());
    found.map_err(|e| Refusal::config(format!("mount {}: {e}", show.at.display())))
}

/// Builds a root in `scratch` that has a place for each of the `shows`.
fn build(
    host: &OwnedFd,
    shows: &[&Show],
    read_only: bool,
    scratch: &Path,
) -> Result<OwnedFd, Refusal> {
    let mut root = Root::new(host.as_fd(), read_only, scratch).map_err(building)?;
    // Ordered by depth, or an opened folder would hide one that was opened in it before.
    let mut missing: Vec<&&Show> = shows.iter().filter(|show| show.missing > 0).collect();
    missing.sort_by_key(|show| show.split().0.components().count());
    for show in missing {
        root.make_place(show).map_err(show.failed("making the mount point"))?;
    }
    root.finish().map_err(building)
}

/// A root that is being built.
struct Root {
    top: OwnedFd,
    /// Mounts made for it, itself among them: each a tmpfs, and whether it stays writable.
    opened: Vec<(OwnedFd, bool)>,
    read_only: bool,
}

/// Devices and the kernel's own file systems: writable under `readOnlyRootFilesystem` too.
const KEPT: [&str; 3] = ["dev", "proc", "sys"];

impl Root {
    /// A tmpfs with each of the host's top folders in it.
    fn new(host: BorrowedFd<'_>, read_only: bool, scratch: &Path) -> io::Result<Root> {
        match fs::create_dir(scratch) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let top = mounts::new_tmpfs(&[("mode", "0755".into())])?;
        mounts::attach(top.as_fd(), paths::open(scratch)?.as_fd())?;
        mounts::set_unbindable(scratch)?;
        let closed = |name: &OsStr| read_only && !KEPT.iter().any(|kept| name == *kept);
        mirror(host, top.as_fd(), closed)?;
        let opened = vec![(rustix::io::fcntl_dupfd_cloexec(&top, 3)?, false)];
        Ok(Root { top, opened, read_only })
    }

    fn make_place(&mut self, show: &Show) -> io::Result<()> {
        let (deepest, rest) = show.split();
        let folder = paths::open_plain(self.top.as_fd(), deepest)?;
        let folder = if self.is_own(&folder)? { folder } else { self.open_folder(&folder)? };
        paths::make(folder.as_fd(), rest, show.leaf())?;
        Ok(())
    }

    /// True if nothing in the folder is the host's.
    fn is_own(&self, folder: &OwnedFd) -> io::Result<bool> {
        let device = rustix::fs::fstat(folder)?.st_dev;
        for (own, _) in &self.opened {
            if rustix::fs::fstat(own)?.st_dev == device {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts a tmpfs over a folder of the host, with each entry of the folder in it, so that entries
    /// can be added.
    fn open_folder(&mut self, folder: &OwnedFd) -> io::Result<OwnedFd> {
        let found = rustix::fs::fstat(folder)?;
        let mut options = vec![("mode", format!("{:o}", found.st_mode & 0o7777))];
        // A user namespace knows one user, who owns all that it makes.
        if rustix::process::geteuid().is_root() {
            options.extend([("uid", found.st_uid.to_string()), ("gid", found.st_gid.to_string())]);
        }
        let made = mounts::new_tmpfs(&options)?;
        mounts::attach(made.as_fd(), folder.as_fd())?;
        mirror(folder.as_fd(), made.as_fd(), |_| false)?;
        let is_closed = rustix::fs::fstatvfs(folder)?.f_flag.contains(StatVfsMountFlags::RDONLY);
        self.opened.push((rustix::io::fcntl_dupfd_cloexec(&made, 3)?, !is_closed));
        Ok(made)
    }

    /// Everything has its place: closes for writing what shall be closed.
    fn finish(self) -> io::Result<OwnedFd> {
        for (mount, _) in self.opened.iter().filter(|(_, writable)| self.read_only && !writable) {
            mounts::set_read_only(mount.as_fd(), false)?;
        }
        Ok(self.top)
    }
}

/// A bind for each: beyond this the container would take noticeably long to start.
const ENTRIES_MAX: usize = 10_000;

/// Shows each entry of the folder `from` in `into` too, read-only where `closed` says so.
fn mirror(
    from: BorrowedFd<'_>,
    into: BorrowedFd<'_>,
    closed: impl Fn(&OsStr) -> bool,
) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listing = Dir::new(rustix::fs::openat(from, ".", flags, Mode::empty())?)?;
    let named = |entry: &rustix::io::Result<rustix::fs::DirEntry>| {
        entry.as_ref().map_or(true, |e| ![c".", c".."].contains(&e.file_name()))
    };
    for (count, entry) in listing.filter(named).enumerate() {
        if count == ENTRIES_MAX {
            let place = paths::place_of(from)?;
            return Err(io::Error::other(format!("{} holds too much", place.display())));
        }
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        match mirror_entry(from, into, name, closed(name)) {
            // Deleted since, or not to be seen by this user: then it is not there.
            Err(Errno::NOENT | Errno::ACCESS | Errno::PERM) => {}
            other => other?,
        }
    }
    Ok(())
}

fn mirror_entry(
    from: BorrowedFd<'_>,
    into: BorrowedFd<'_>,
    name: &OsStr,
    closed: bool,
) -> Result<(), Errno> {
    let source = paths::open_name(from, name)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&source)?.st_mode);
    if kind == FileType::Symlink {
        let target = rustix::fs::readlinkat(&source, "", Vec::new())?;
        return rustix::fs::symlinkat(target, into, name);
    }
    let leaf = if kind == FileType::Directory { Leaf::Folder } else { Leaf::File };
    let place = paths::make_name(into, name, leaf)?;
    let tree = mounts::copy_tree(source.as_fd())?;
    if closed {
        mounts::set_read_only(tree.as_fd(), true)
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::INVAL))?;
    }
    mounts::attach(tree.as_fd(), place.as_fd())
}
