//! The host's name as a namespace sees it.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// A namespace of names.
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Opens the namespace that this process is in.
    pub fn own() -> Result<Namespace, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open("/proc/self/ns/uts", flags, Mode::empty()).map(Namespace)
    }

    /// Moves this process into it.
    pub fn enter(&self) -> Result<(), Errno> {
        let kind = Some(LinkNameSpaceType::HostNameAndNISDomainName);
        rustix::thread::move_into_link_name_space(self.0.as_fd(), kind)
    }
}

/// Moves this process into a new namespace, which has the old one's names.
pub fn unshare() -> Result<(), Errno> {
    // SAFETY: a namespace of names has nothing to do with descriptor tables.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUTS) }
}

/// Names the host, in this process's namespace.
pub fn set_host_name(name: &str) -> Result<(), Errno> {
    rustix::system::sethostname(name.as_bytes())
}
