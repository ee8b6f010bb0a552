//! `emptyDir`: a folder that lives as long as the pod, on disk or, mounted by the runtime, in
//! memory.

use super::{Error, set_access};
use std::path::Path;

/// Open to all users, as the kubelet makes it; with an fsGroup what is made in it has that group.
const MODE: u32 = 0o777;
const SET_GROUP: u32 = 0o2000;

/// Makes the folder, or leaves it as it is. `sizeLimit` is not enforced on disk.
pub fn make(folder: &Path, fs_group: Option<u32>) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
    own(folder, fs_group)
}

/// Gives the volume's top its mode and group.
pub fn own(folder: &Path, fs_group: Option<u32>) -> Result<(), Error> {
    let mode = MODE | if fs_group.is_some() { SET_GROUP } else { 0 };
    set_access(folder, mode, fs_group)
}

/// The options of a tmpfs for `medium: Memory`.
pub fn memory_options(size_bytes_max: Option<u64>) -> String {
    let size = size_bytes_max.map_or(String::new(), |bytes| format!(",size={bytes}"));
    format!("mode={MODE:o}{size}")
}
