//! Bytes of a manifest: from a file, within a size, as UTF-8.

use super::error::{ManifestError, Source};
use super::tree::Mark;
use super::{Document, read};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A manifest may be so large: room for tens of thousands of objects in one file.
pub const BYTES_MAX: usize = 32 << 20;

/// Reads every document of the file.
pub fn read_file(path: &Path) -> Vec<Result<Document, ManifestError>> {
    match load(path) {
        Ok(bytes) => read(&bytes, &path.display().to_string()),
        Err(error) => vec![Err(error)],
    }
}

/// The bytes of the file; one larger than [`BYTES_MAX`] is refused unread.
pub fn load(path: &Path) -> Result<Vec<u8>, ManifestError> {
    let fail = |message: String| ManifestError::of_file(&path.display().to_string(), message);
    // A pipe or device would block or never end, so its kind is looked at before it is opened.
    let meta = std::fs::metadata(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    if !meta.is_file() {
        return Err(fail("is not a regular file".into()));
    }
    if meta.len() > BYTES_MAX as u64 {
        return Err(fail(too_large(meta.len())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
    let file = File::open(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    // It may grow meanwhile.
    let read = file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| fail(format!("cannot be read: {error}")))?;
    Ok(bytes)
}

/// Folders in folders, and files in all of them, that [`files`] looks at.
const FOLDER_DEPTH_MAX: usize = 16;
const FILES_MAX: usize = 100_000;

/// The manifests at `path`: itself if it is a file, else those in the folder and its folders, by
/// name. Hidden files are passed over, and folders behind links, which may lead round in circles.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    let mut found = Vec::new();
    if path.is_dir() {
        collect(path, 0, &mut found)?
    } else {
        found.push(path.to_owned())
    }
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), ManifestError> {
    let fail = |why: String| ManifestError::of_file(&folder.display().to_string(), why);
    let entries =
        std::fs::read_dir(folder).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let mut entries = entries
        .take(FILES_MAX + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(format!("cannot be read: {error}")))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_hidden {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth == FOLDER_DEPTH_MAX {
                return Err(fail(format!("holds folders more than {FOLDER_DEPTH_MAX} deep")));
            }
            collect(&path, depth + 1, found)?;
        } else if is_manifest(&path) && !path.is_dir() {
            found.push(path);
        }
        if found.len() > FILES_MAX {
            return Err(fail(format!("holds more than {FILES_MAX} manifests")));
        }
    }
    Ok(())
}

/// By the end of its name: `.yaml`, `.yml` or `.json`.
fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
}

/// The text of a manifest, without a byte order mark.
pub(super) fn text<'b>(bytes: &'b [u8], source: &str) -> Result<&'b str, ManifestError> {
    if bytes.len() > BYTES_MAX {
        return Err(ManifestError::of_file(source, too_large(bytes.len() as u64)));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("checked to here");
        let line = good.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = good.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let mark = Mark { line: narrow(line), column: narrow(column) };
        let message = format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()]);
        let text = Source { name: source, text: good, byte_columns: false };
        let problem = text.problem(mark, "", message, true);
        ManifestError { problems: vec![problem], ..ManifestError::of_file(source, "") }
    })
}

fn too_large(bytes: u64) -> String {
    format!("is too large for a manifest: {bytes} bytes, at most {BYTES_MAX} are read")
}
