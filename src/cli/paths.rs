//! Where things are unless the command line says otherwise.

use std::path::{Path, PathBuf};

/// Of the service and root: `/run/cronlet/cronlet.sock`; of a user:
/// `$XDG_RUNTIME_DIR/cronlet/cronlet.sock`, or in the state folder.
pub(crate) fn socket() -> PathBuf {
    if is_root() {
        return PathBuf::from("/run/cronlet/cronlet.sock");
    }
    match folder_of("XDG_RUNTIME_DIR") {
        Some(folder) => folder.join("cronlet/cronlet.sock"),
        None => state().join("cronlet.sock"),
    }
}

/// Of the service and root: `/var/lib/cronlet`; of a user: `$XDG_STATE_HOME/cronlet` or
/// `~/.local/state/cronlet`.
pub(crate) fn state() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/lib/cronlet");
    }
    let home = || folder_of("HOME").unwrap_or_else(std::env::temp_dir).join(".local/state");
    folder_of("XDG_STATE_HOME").unwrap_or_else(home).join("cronlet")
}

/// Of the service and root: `/etc/cronlet`; of a user: `$XDG_CONFIG_HOME/cronlet` or
/// `~/.config/cronlet`.
pub(crate) fn configuration() -> PathBuf {
    if is_root() {
        return PathBuf::from("/etc/cronlet");
    }
    let home = || folder_of("HOME").unwrap_or_else(std::env::temp_dir).join(".config");
    folder_of("XDG_CONFIG_HOME").unwrap_or_else(home).join("cronlet")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn folder_of(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(variable)?);
    Path::is_absolute(&path).then_some(path)
}
