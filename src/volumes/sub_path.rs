//! `subPath`: a part of a volume, found without ever leaving it whatever symlinks the volume holds.

use super::Error;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::path::{Component, Path};

/// Opens the volume, or the part of it. A part that is missing is made a folder, as the kubelet
/// does.
pub fn open(volume: &Path, sub_path: Option<&str>) -> Result<OwnedFd, Error> {
    let error = |e: Errno| Error::io("opening", volume)(e.into());
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, volume, flags, Mode::empty()).map_err(error)?;
    let Some(sub_path) = sub_path.filter(|part| !part.is_empty()) else { return Ok(root) };
    let mut at = std::path::PathBuf::new();
    for component in Path::new(sub_path).components() {
        match component {
            Component::Normal(name) => at.push(name),
            Component::CurDir => continue,
            _ => return Err(Error::Path(sub_path.into())),
        }
        let full = volume.join(&at);
        let error = |e: Errno| Error::io("opening", &full)(e.into());
        match inside(&root, &at) {
            Err(Errno::NOENT) => {
                let parent = at.parent().filter(|parent| *parent != Path::new(""));
                let parent = match parent {
                    Some(parent) => inside(&root, parent).map_err(error)?,
                    None => rustix::io::dup(&root).map_err(error)?,
                };
                let made = rustix::fs::mkdirat(&parent, component.as_os_str(), MODE);
                // A dangling symlink is there, and leads nowhere: the open below says so.
                made.or_else(|e| if e == Errno::EXIST { Ok(()) } else { Err(e) }).map_err(error)?;
            }
            other => drop(other.map_err(error)?),
        }
    }
    inside(&root, &at).map_err(|e| Error::io("opening", &volume.join(&at))(e.into()))
}

/// Opens a file in the volume as [`open`] does a folder; one that is missing is made, empty.
pub fn open_file(volume: &Path, path: &str) -> Result<OwnedFd, Error> {
    let (parent, name) = match path.rsplit_once('/') {
        Some((parent, name)) => (Some(parent), name),
        None => (None, path),
    };
    if name.is_empty() || name == ".." {
        return Err(Error::Path(path.into()));
    }
    let folder = open(volume, parent)?;
    let error = |e: Errno| Error::io("opening", &volume.join(path))(e.into());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(_) | Err(Errno::EXIST) => {}
        Err(e) => return Err(error(e)),
    }
    let root = open(volume, None)?;
    inside(&root, Path::new(path)).map_err(error)
}

const MODE: Mode = Mode::from_raw_mode(0o755);

fn inside(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
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
            let found = open(&volume, Some(part)).ok().map(|fd| {
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
