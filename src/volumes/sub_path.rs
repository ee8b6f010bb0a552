//! `subPath`: a part of a volume, found without ever leaving it whatever symlinks the volume holds.

use super::Error;
use crate::host::paths::{self, Leaf};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::path::{Component, Path, PathBuf};

/// Opens the part of a volume that `root` is, and `volume` is called. A part that is missing is
/// made a folder, as the kubelet does.
pub fn open(root: BorrowedFd<'_>, volume: &Path, sub_path: Option<&str>) -> Result<OwnedFd, Error> {
    open_as(root, volume, Path::new(sub_path.unwrap_or_default()), Leaf::Folder)
}

/// As [`open`]; a part that is missing is made what `leaf` says.
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
            Err(Errno::NOENT) => paths::make_name(folder.as_fd(), name, made),
            found => found,
        }
        .map_err(about(&volume.join(&at)))?;
    }
    Ok(folder)
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
