//! `subPath`: a part of a volume, found without ever leaving it whatever symlinks the volume holds.

use super::Error;
use cronlet_host::paths::{self, Leaf};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Opens the part of a volume that `root` is, and `volume` is called. A part that is missing is
/// made a folder, as the kubelet does.
pub fn open(root: BorrowedFd<'_>, volume: &Path, sub_path: Option<&str>) -> Result<OwnedFd, Error> {
    open_as(root, volume, Path::new(sub_path.unwrap_or_default()), Leaf::Folder)
}

/// Opens as [`open`] does; a part that is missing is made what `leaf` says.
pub fn open_as(
    root: BorrowedFd<'_>,
    volume: &Path,
    part: &Path,
    leaf: Leaf,
) -> Result<OwnedFd, Error> {
    let mut at = PathBuf::new();
    let whole = rustix::io::fcntl_dupfd_cloexec(root, 3);
    let mut folder = whole.map_err(about(volume))?;
    let mut names = part.components().filter(|c| *c != Component::CurDir).peekable();
    while let Some(name) = names.next() {
        let Component::Normal(name) = name else { return Err(Error::Path(part.into())) };
        at.push(name);
        let made = if names.peek().is_some() { Leaf::Folder } else { leaf };
        folder = match paths::open_in(root, &at) {
            // A dangling symlink is there, and leads nowhere: that is an error.
            Err(Errno::NOENT) => make_as(root, folder.as_fd(), name, made),
            found => found,
        }
        .map_err(about(&volume.join(&at)))?;
    }
    Ok(folder)
}

/// Makes a name in a folder of the volume. A folder has the volume root's mode and owner, so that
/// whoever may write to the volume may write to the part.
fn make_as(
    root: BorrowedFd<'_>,
    folder: BorrowedFd<'_>,
    name: &OsStr,
    leaf: Leaf,
) -> Result<OwnedFd, Errno> {
    let Leaf::Folder = leaf else { return paths::make_name(folder, name, leaf) };
    match rustix::fs::mkdirat(folder, name, Mode::RWXU) {
        Err(Errno::EXIST) => return paths::make_name(folder, name, leaf),
        made => made?,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let (wanted, found) = (rustix::fs::fstat(root)?, rustix::fs::fstat(&made)?);
    // Another one that was put in its place since keeps what it has.
    let own = rustix::process::geteuid().as_raw();
    let is_empty = Dir::read_from(&made)?
        .all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b"..")));
    if is_empty && found.st_uid == own && found.st_mode & 0o5777 == 0o700 {
        let owner = (Uid::from_raw(wanted.st_uid), Gid::from_raw(wanted.st_gid));
        // An ordinary user's volumes are its own.
        if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid) {
            let given = rustix::fs::fchown(&made, Some(owner.0), Some(owner.1));
            given.or_else(|error| if own == 0 { Err(error) } else { Ok(()) })?;
        }
        rustix::fs::fchmod(&made, Mode::from_raw_mode(wanted.st_mode & 0o7777))?;
    }
    paths::open_in(folder, Path::new(name))
}

fn about(path: &Path) -> impl FnOnce(Errno) -> Error {
    let path = path.to_owned();
    move |error| Error::io("opening", &path)(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsRawFd;
    use std::fs;

    #[test]
    fn a_missing_part_is_as_open_as_the_volume() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let base = tempfile::tempdir().expect("tempdir");
        let volume = base.path().canonicalize().expect("canonical");
        let is_root = rustix::process::geteuid().is_root();
        let (uid, gid) = if is_root { (1234, 2345) } else { (owner(&volume).0, owner(&volume).1) };
        std::os::unix::fs::chown(&volume, Some(uid), Some(gid)).expect("chown");
        for mode in [0o777, 0o2770, 0o1777, 0o750] {
            fs::set_permissions(&volume, fs::Permissions::from_mode(mode)).expect("chmod");
            let part = format!("a{mode:o}/b");
            let root = paths::open(&volume).expect("a volume");
            open(root.as_fd(), &volume, Some(&part)).expect("it is made");
            for made in [part.as_str(), part.split('/').next().expect("a part")] {
                let found = fs::metadata(volume.join(made)).expect("it is there");
                assert_eq!((found.uid(), found.gid()), (uid, gid), "{made}");
                assert_eq!(found.mode() & 0o7777, mode, "{made}");
            }
        }
    }

    fn owner(path: &Path) -> (u32, u32) {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(path).expect("it is there");
        (found.uid(), found.gid())
    }

    #[test]
    fn no_symlink_leads_out() {
        let base = tempfile::tempdir().expect("tempdir");
        let base = base.path().canonicalize().expect("canonical");
        let volume = base.join("volume");
        fs::create_dir_all(volume.join("in")).expect("mkdir");
        fs::create_dir(base.join("secret")).expect("mkdir");
        for (name, target) in [
            ("up", "../secret"),
            ("absolute", base.join("secret").to_str().expect("utf-8")),
            ("fine", "in"),
        ] {
            std::os::unix::fs::symlink(target, volume.join(name)).expect("symlink");
        }
        let check = |part: &str, want: Option<&str>| {
            let root = paths::open(&volume).expect("a volume");
            let found = open(root.as_fd(), &volume, Some(part)).ok().map(|fd| {
                fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("a path")
            });
            assert_eq!(found, want.map(|want| volume.join(want)), "{part}");
        };
        check("in", Some("in"));
        check("fine", Some("in"));
        check("new/deep", Some("new/deep"));
        check("fine/more", Some("in/more"));
        check("up", None);
        check("absolute", None);
        check("../secret", None);
        check("up/x", None);
        assert!(fs::read_dir(base.join("secret")).expect("readable").next().is_none());
    }
}
