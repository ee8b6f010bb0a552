//! `hostPath`: something of the host itself, checked by its `type` as the kubelet does.

use super::Error;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Makes what `kind` lets us make, and checks that the path is what it says. The empty kind checks
/// nothing, and a path that is not there becomes a folder, as containerd does it.
pub fn check(path: &Path, kind: &str) -> Result<(), Error> {
    let missing = match fs::metadata(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(Error::io("looking at", path)(error)),
    };
    if missing {
        match kind {
            "" | "DirectoryOrCreate" => make_folder(path)?,
            "FileOrCreate" => make_file(path)?,
            _ => {}
        }
    }
    let found = fs::metadata(path).map(|m| m.file_type());
    let is = |test: fn(&fs::FileType) -> bool| found.as_ref().is_ok_and(test);
    let (right, wanted) = match kind {
        "" => (true, ""),
        "Directory" | "DirectoryOrCreate" => (is(fs::FileType::is_dir), "a directory"),
        "File" | "FileOrCreate" => (is(fs::FileType::is_file), "a file"),
        "Socket" => (is(FileTypeExt::is_socket), "a socket file"),
        "CharDevice" => (is(FileTypeExt::is_char_device), "a character device"),
        "BlockDevice" => (is(FileTypeExt::is_block_device), "a block device"),
        // Admission lets no other type in.
        _ => (false, "of a known type"),
    };
    if right { Ok(()) } else { Err(Error::HostPathType { path: path.into(), wanted }) }
}

fn make_folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755).create(path).map_err(Error::io("making", path))
}

fn make_file(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create(true).truncate(false).mode(0o644).open(path);
    made.map(drop).map_err(Error::io("making", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_checked_and_made() {
        let folder = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").expect("write");
        std::os::unix::net::UnixListener::bind(at("socket")).expect("bind");
        std::os::unix::fs::symlink("/no/such/target", at("dangling")).expect("symlink");
        let check = |path: &Path, kind: &str, want: Option<&str>| {
            let got = super::check(path, kind).err().map(|e| e.to_string());
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
        assert!(super::check(&at("dangling"), "FileOrCreate").is_err());
    }
}
