//! Where the daemon answers unless the command line says otherwise; as `daemon::config` chooses it.

use std::path::PathBuf;

/// Of root: `/run/cronlet/cronlet.sock`; of a user: in `$XDG_RUNTIME_DIR/cronlet`, or in the state
/// folder.
pub fn socket() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/run/cronlet/cronlet.sock");
    }
    let folder = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let folder = folder("XDG_RUNTIME_DIR")
        .or_else(|| folder("XDG_STATE_HOME"))
        .unwrap_or_else(|| folder("HOME").unwrap_or_else(|| "/".into()).join(".local/state"));
    folder.join("cronlet/cronlet.sock")
}
