//! `hostPath`: something of the host itself, checked by its `type` as the kubelet does.

use super::Error;
use cronlet_host::paths::{self, Leaf};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::path::Path;

/// Opens the path, made if `kind` lets us, and checks that it is what `kind` says. The empty kind
/// checks nothing, and a path that is not there becomes a folder, as containerd does it.
pub fn open(path: &Path, kind: &str) -> Result<OwnedFd, Error> {
    let leaf = match kind {
        "" | "DirectoryOrCreate" => Some(Leaf::Folder),
        "FileOrCreate" => Some(Leaf::File),
        _ => None,
    };
    let found = match (paths::open(path), leaf) {
        (Err(Errno::NOENT), Some(leaf)) => {
            let made = paths::make_trusted(path, leaf);
            Some(made.map_err(|e| Error::io("making", path)(e.into()))?)
        }
        (Err(Errno::NOENT), None) => None,
        (found, _) => Some(found.map_err(|e| Error::io("looking at", path)(e.into()))?),
    };
    let (wanted, right) = match kind {
        "" => ("there", None),
        "Directory" | "DirectoryOrCreate" => ("a directory", Some(FileType::Directory)),
        "File" | "FileOrCreate" => ("a file", Some(FileType::RegularFile)),
        "Socket" => ("a socket file", Some(FileType::Socket)),
        "CharDevice" => ("a character device", Some(FileType::CharacterDevice)),
        "BlockDevice" => ("a block device", Some(FileType::BlockDevice)),
        // Admission lets no other type in.
        _ => ("of a known type", Some(FileType::Unknown)),
    };
    let wrong = || Error::HostPathType { path: path.into(), wanted };
    let found = found.ok_or_else(wrong)?;
    let stat = rustix::fs::fstat(&found).map_err(|e| Error::io("looking at", path)(e.into()))?;
    let is = FileType::from_raw_mode(stat.st_mode);
    if right.is_none_or(|right| is == right) { Ok(found) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn types_are_checked_and_made() {
        let folder = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").expect("write");
        std::os::unix::net::UnixListener::bind(at("socket")).expect("bind");
        std::os::unix::fs::symlink("/no/such/target", at("dangling")).expect("symlink");
        let check = |path: &Path, kind: &str, want: Option<&str>| {
            let got = open(path, kind).err().map(|e| e.to_string());
            let want = want.map(|wanted| {
                format!("hostPath type check failed: {} is not {wanted}", path.display())
            });
            assert_eq!(got, want, "{} {kind}", path.display());
        };
        check(folder.path(), "Directory", None);
        check(&at("file"), "Directory", Some("a directory"));
        check(&at("no"), "Directory", Some("a directory"));
        check(&at("file"), "File", None);
        check(&at("no"), "File", Some("a file"));
        check(&at("socket"), "Socket", None);
        check(&at("file"), "Socket", Some("a socket file"));
        check(Path::new("/dev/null"), "CharDevice", None);
        check(Path::new("/dev/null"), "BlockDevice", Some("a block device"));
        check(&at("a/b"), "DirectoryOrCreate", None);
        check(&at("made"), "FileOrCreate", None);
        check(&at("c"), "", None);
        check(&at("file"), "DirectoryOrCreate", Some("a directory"));
        assert!(at("a/b").is_dir() && at("made").is_file() && at("c").is_dir());
        assert!(open(&at("dangling"), "FileOrCreate").is_err());
    }
}
