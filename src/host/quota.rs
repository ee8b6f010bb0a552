//! Project quotas: how many bytes a folder and all below it may take, on a file system that counts
//! them (ext4 and XFS mounted with `prjquota`).
//!
//! Needs Linux 5.14 (`quotactl_fd`).

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::path::Path;

/// `PRJQUOTA` of linux/quota.h.
const PROJECT: libc::c_uint = 2;
/// Commands of linux/quota.h and linux/dqblk_xfs.h.
const GET: libc::c_uint = 0x80_0007;
const SET: libc::c_uint = 0x80_0008;
const STATE: libc::c_uint = 0x5808;
/// In the flags of [`State`]: projects are held to their limits.
const ENFORCED: u16 = 1 << 5;
/// Of a [`Usage`], the limits on bytes count.
const LIMITS: u32 = 1;
/// Limits are told in blocks of so many bytes.
const BLOCK_BYTES: u64 = 1024;
/// What is made below belongs to the same project (`FS_XFLAG_PROJINHERIT`).
const INHERITED: u32 = 0x200;

const GET_ATTRIBUTES: libc::c_ulong = 0x801c_581f;
const SET_ATTRIBUTES: libc::c_ulong = 0x401c_5820;

/// `struct fsxattr`
#[repr(C)]
#[derive(Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    rest: [u8; 8],
}

/// `struct if_dqblk`
#[repr(C)]
#[derive(Default)]
struct Usage {
    hard_blocks: u64,
    soft_blocks: u64,
    bytes: u64,
    hard_inodes: u64,
    soft_inodes: u64,
    inodes: u64,
    blocks_until: u64,
    inodes_until: u64,
    valid: u32,
}

/// `struct fs_quota_statv`, as far as it is read here.
#[repr(C, align(8))]
struct State {
    version: i8,
    pad: u8,
    flags: u16,
    rest: [u32; 63],
}

/// Whether the file system of a folder holds projects to limits.
pub fn is_enforced(folder: &Path) -> bool {
    let mut state = State { version: 1, pad: 0, flags: 0, rest: [0; 63] };
    let found = open(folder).and_then(|folder| control(&folder, STATE, 0, &raw mut state));
    found.is_ok() && state.flags & ENFORCED != 0
}

/// Limits what an empty folder will hold; another limit replaces the one that it has.
pub fn limit(folder: &Path, bytes_max: u64) -> io::Result<()> {
    let folder = open(folder)?;
    let mut attributes = Attributes::default();
    attribute(&folder, GET_ATTRIBUTES, &mut attributes)?;
    let project = project(&folder)?;
    if attributes.project != project || attributes.flags & INHERITED == 0 {
        attributes.project = project;
        attributes.flags |= INHERITED;
        attribute(&folder, SET_ATTRIBUTES, &mut attributes)?;
    }
    let hard_blocks = bytes_max.div_ceil(BLOCK_BYTES);
    let mut limit = Usage { hard_blocks, valid: LIMITS, ..Usage::default() };
    control(&folder, SET, project, &raw mut limit)
}

/// The limit in force, if any, and the bytes taken of it.
pub fn used(folder: &Path) -> Option<(u64, u64)> {
    let folder = open(folder).ok()?;
    let mut usage = Usage::default();
    control(&folder, GET, project(&folder).ok()?, &raw mut usage).ok()?;
    (usage.hard_blocks > 0).then_some((usage.hard_blocks * BLOCK_BYTES, usage.bytes))
}

fn open(folder: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The folder's own inode, which no other has while it exists. Administrators count theirs from 1:
/// the top bit keeps off those.
fn project(folder: &OwnedFd) -> io::Result<u32> {
    let inode = rustix::fs::fstat(folder)?.st_ino;
    Ok((inode & 0x7fff_ffff) as u32 | 1 << 31)
}

fn attribute(folder: &OwnedFd, what: libc::c_ulong, it: &mut Attributes) -> io::Result<()> {
    // SAFETY: both requests take a `struct fsxattr`, which `it` is.
    let done = unsafe { libc::ioctl(folder.as_raw_fd(), what as _, std::ptr::from_mut(it)) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `data`: what the command reads or writes, of its size at least.
fn control<T>(
    folder: &OwnedFd,
    command: libc::c_uint,
    project: u32,
    data: *mut T,
) -> io::Result<()> {
    let command = command << 8 | PROJECT;
    let folder = folder.as_raw_fd();
    // SAFETY: the callers above give each command the structure that it takes.
    let done = unsafe { libc::syscall(libc::SYS_quotactl_fd, folder, command, project, data) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
