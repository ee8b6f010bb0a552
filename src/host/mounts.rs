//! Mount namespaces and mounts: a private view of files for one container.
//!
//! Needs Linux 5.12 (`mount_setattr`) for read-only mounts, 5.6 (`openat2`) for the rest.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use std::ffi::CString;
use std::io;
use std::path::Path;

/// A mount namespace of its own. Mounts of the host still appear in it; its own do not leave it.
pub fn unshare() -> Result<(), Errno> {
    // SAFETY: a mount namespace has nothing to do with descriptor tables; the caller has one
    // thread.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
    rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
}

/// The same for an ordinary user: a user namespace too, in which this user is itself and may mount.
pub fn unshare_as_user() -> io::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    // SAFETY: as above; user namespaces leave descriptor tables alone.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)? };
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags)?;
    Ok(())
}

/// Enters the mount namespace of another process, if it has another one.
pub fn join(pid: Pid) -> Result<(), Errno> {
    let path = format!("/proc/{}/ns/mnt", pid.as_raw_pid());
    let namespace = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let theirs = rustix::fs::fstat(&namespace)?;
    let ours = rustix::fs::stat("/proc/self/ns/mnt")?;
    if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino) {
        return Ok(());
    }
    let kind = Some(LinkNameSpaceType::Mount);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
}

/// Makes a tmpfs that is attached nowhere yet; `options` such as `("mode", "0755")`.
pub fn new_tmpfs(options: &[(&str, String)]) -> Result<OwnedFd, Errno> {
    let made = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(made.as_fd(), *key, value.as_str())?;
    }
    rustix::mount::fsconfig_create(made.as_fd())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    rustix::mount::fsmount(made.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

/// A copy of what `source` shows, with the mounts below it, attached nowhere yet.
pub fn copy_tree(source: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(source, "", flags)
}

/// Attaches a copied tree over what `target` (opened as a path) is.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, "", target, "", flags)
}

/// The argument of `mount_setattr`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

const MOUNT_ATTR_RDONLY: u64 = 1;

/// Makes a tree of mounts read-only; `below`: the mounts under it too.
pub fn set_read_only(tree: BorrowedFd<'_>, below: bool) -> io::Result<()> {
    let attributes =
        MountAttributes { set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, user_namespace: 0 };
    let flags = libc::AT_EMPTY_PATH | if below { libc::AT_RECURSIVE } else { 0 };
    let (fd, size) = (tree.as_raw_fd(), size_of::<MountAttributes>());
    // SAFETY: the path is an empty C string, and the struct lives through the call with its size
    // passed.
    let returned = unsafe {
        let (path, attributes) = (c"".as_ptr(), &raw const attributes);
        libc::syscall(libc::SYS_mount_setattr, fd, path, flags, attributes, size)
    };
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves the mount at `at` out where a folder above it is copied.
pub fn set_unbindable(at: &Path) -> Result<(), Errno> {
    rustix::mount::mount_change(at, MountPropagationFlags::UNBINDABLE)
}

/// Mounts a tmpfs; `options` such as `mode=0755,size=1000`.
pub fn tmpfs(at: &Path, options: &str) -> Result<(), Errno> {
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    rustix::mount::mount("tmpfs", at, "tmpfs", flags, options.as_c_str())
}

/// Detaches what is mounted at `at`, at once for who looks and for good when no one uses it.
pub fn detach(at: &Path) -> Result<(), Errno> {
    rustix::mount::unmount(at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
}

/// Makes `root` this namespace's root, and lets go of the old one.
pub fn pivot(root: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    // The old root is stacked on the new one and taken off it: no folder is needed to put it.
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE)
}
