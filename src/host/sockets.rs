//! Unix sockets between daemon, zygote and shims: pairs, descriptors passed along, paths longer
//! than an address.

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::path::Path;

/// Could no program listen there now, because another one does, or does on every address?
pub fn is_taken(address: SocketAddrV4, kind: SocketType) -> bool {
    let flags = SocketFlags::CLOEXEC;
    let Ok(socket) = rustix::net::socket_with(AddressFamily::INET, kind, flags, None) else {
        return false;
    };
    // As servers do: connections that linger are in nobody's way. For datagrams it would let two
    // sockets have one port, so that nothing is ever taken.
    if kind == SocketType::STREAM {
        let _ = rustix::net::sockopt::set_socket_reuseaddr(&socket, true);
    }
    rustix::net::bind(&socket, &address) == Err(Errno::ADDRINUSE)
}

/// Two connected ends; `kind` is STREAM or SEQPACKET.
pub fn pair(kind: SocketType, flags: SocketFlags) -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::net::socketpair(AddressFamily::UNIX, kind, flags | SocketFlags::CLOEXEC, None)
}

/// Listens on `name` in the working directory, so that the folder's own path may be of any length.
pub fn listen_here(name: &str) -> Result<OwnedFd, Errno> {
    let _ = rustix::fs::unlink(name);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(name)?)?;
    rustix::net::listen(&socket, 4)?;
    Ok(socket)
}

/// Connects to the socket `name` in `folder`, without waiting.
pub fn connect_in(folder: &Path, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Sends one message and a descriptor with it.
pub fn send_with_fd(
    socket: BorrowedFd<'_>,
    message: &[u8],
    passed: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [passed];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)), "space for one descriptor");
    let flags = SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(socket, &[IoSlice::new(message)], &mut control, flags)
    })?;
    Ok(())
}

/// Receives one message and the descriptor that came with it. Length 0: the other end is closed.
pub fn receive_with_fd(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        let mut slices = [IoSliceMut::new(buffer)];
        rustix::net::recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut passed = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            passed = fds.last();
        }
    }
    Ok((received.bytes, passed))
}
