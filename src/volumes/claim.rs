//! `persistentVolumeClaim`: a folder that outlives the pods which mount it.
//!
//! Its size is not limited: that takes project quotas, which few file systems have, and which only
//! their administrator turns on.

use super::{Error, empty_dir};
use std::path::Path;

/// Makes the folder, or leaves it as it is, as an `emptyDir`'s.
pub fn make(folder: &Path, fs_group: Option<u32>) -> Result<(), Error> {
    empty_dir::make(folder, fs_group)
}
