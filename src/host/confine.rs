//! Rights that a process gives up before it becomes a container's program.

use super::seccomp;

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io;

pub use super::seccomp::runtime_default;
pub use seccompiler::BpfProgram;

/// Beyond every capability that a kernel may know.
const CAPABILITIES_MAX: u32 = 64;

/// Leaves the next program these capabilities at most, if it runs as root; another user's has none.
/// Its own this process keeps until then, since it has to become that user. Returns true if set-
/// user-id programs are bound by it too, which takes a right that an ordinary user has not.
pub fn keep_capabilities(keep: u64) -> Result<bool, Errno> {
    let mut is_bound = true;
    for number in 0..CAPABILITIES_MAX {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if keep & one.bits() != 0 {
            continue;
        }
        match rustix::thread::capability_is_in_bounding_set(one) {
            Ok(true) => {}
            Ok(false) => continue,
            // The kernel knows no more.
            Err(_) => break,
        }
        match rustix::thread::remove_capability_from_bounding_set(one) {
            Err(Errno::PERM) => is_bound = false,
            other => other?,
        }
    }
    inherit_none()?;
    Ok(is_bound)
}

/// Clears the inherited sets: the bounding set alone decides what passes an exec.
fn inherit_none() -> Result<(), Errno> {
    match rustix::thread::clear_ambient_capability_set() {
        // Before Linux 4.3 there are none.
        Err(Errno::INVAL) => {}
        other => other?,
    }
    let own = rustix::thread::capabilities(None)?;
    let inheritable = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable, ..own })
}

/// From now on no program gives this process more than it has.
pub fn gain_no_privileges() -> Result<(), Errno> {
    rustix::thread::set_no_new_privs(true)
}

/// Installs the filter; who may not otherwise gives up gaining privileges for it.
pub fn install(programs: &[BpfProgram]) -> io::Result<()> {
    match seccomp::install(programs) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            gain_no_privileges()?;
            seccomp::install(programs)
        }
        done => done,
    }
}
