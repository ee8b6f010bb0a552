//! Finds the process that listens on a port. Listening sockets come from the kernel by
//! `sock_diag`(7); a process holds a socket if one of its descriptors leads to the socket's inode.

use super::process;
use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::Pid;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// `SOCK_DIAG_BY_FAMILY`, and the messages that end an answer.
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const DUMP: u16 = 0x301;
/// The bit of `TCP_LISTEN`.
const LISTENING: u32 = 1 << 10;
/// `struct nlmsghdr`; `struct inet_diag_msg` and where its address and inode are.
const HEADER_BYTES: usize = 16;
const SOURCE_AT: usize = HEADER_BYTES + 8;
const INODE_AT: usize = HEADER_BYTES + 68;

/// Room for an answer of the kernel, which fills at most 32 KiB at once.
const ANSWER_BYTES: usize = 32 << 10;

/// At most this many answers are read for one question: a host has fewer listeners on one port.
const ANSWERS_MAX: usize = 64;

/// The inodes of the TCP sockets that take connections to `at`, in order: those that listen on just
/// that address, or else those that listen on every one.
pub fn listening(at: SocketAddr) -> Result<Vec<u32>, Errno> {
    let (mut own, mut every) = (Vec::new(), Vec::new());
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        for (address, inode) in on_port(family, at.port())? {
            let address = address.to_canonical();
            if address == at.ip().to_canonical() {
                own.push(inode);
            } else if address.is_unspecified() && (address.is_ipv6() || at.is_ipv4()) {
                every.push(inode);
            }
        }
    }
    let mut found = if own.is_empty() { every } else { own };
    found.sort_unstable();
    Ok(found)
}

/// Addresses and inodes of a family's sockets that listen on a port.
fn on_port(family: AddressFamily, port: u16) -> Result<Vec<(IpAddr, u32)>, Errno> {
    let flags = SocketFlags::CLOEXEC;
    let (netlink, diag) = (AddressFamily::NETLINK, Some(SOCK_DIAG));
    let socket = rustix::net::socket_with(netlink, SocketType::DGRAM, flags, diag)?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &question(family, port), SendFlags::empty(), &kernel)?;
    answers(&socket, family, port)
}

fn question(family: AddressFamily, port: u16) -> [u8; 72] {
    let mut question = [0; 72];
    question[0..4].copy_from_slice(&72_u32.to_ne_bytes());
    question[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    question[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    let body = &mut question[HEADER_BYTES..];
    body[0] = family.as_raw() as u8;
    body[1] = 6; // IPPROTO_TCP
    body[4..8].copy_from_slice(&LISTENING.to_ne_bytes());
    body[8..10].copy_from_slice(&port.to_be_bytes());
    question
}

fn answers(
    socket: &OwnedFd,
    family: AddressFamily,
    port: u16,
) -> Result<Vec<(IpAddr, u32)>, Errno> {
    let (mut found, mut buffer) = (Vec::new(), vec![0; ANSWER_BYTES]);
    for _ in 0..ANSWERS_MAX {
        let (length, _) = rustix::io::retry_on_intr(|| {
            rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty())
        })?;
        let mut rest = &buffer[..length];
        while rest.len() >= HEADER_BYTES {
            let size = number(rest, 0) as usize;
            let kind = u16::from_ne_bytes([rest[4], rest[5]]);
            match kind {
                DONE => return Ok(found),
                ERROR => {
                    let code = number(rest.get(HEADER_BYTES..).unwrap_or(&[0; 4]), 0);
                    return Err(Errno::from_raw_os_error(-code.cast_signed()));
                }
                _ => {}
            }
            let message = rest.get(..size).filter(|message| message.len() >= INODE_AT + 4);
            let message = message.ok_or(Errno::BADMSG)?;
            found.extend(listener(message, family, port));
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
        }
    }
    Err(Errno::NOBUFS)
}

/// Four bytes in the host's order.
fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_ne_bytes)
}

fn listener(message: &[u8], family: AddressFamily, port: u16) -> Option<(IpAddr, u32)> {
    let source = &message[SOURCE_AT..SOURCE_AT + 16];
    let of_port = message[SOURCE_AT - 4..SOURCE_AT - 2] == port.to_be_bytes();
    let address = match family {
        AddressFamily::INET => IpAddr::from([source[0], source[1], source[2], source[3]]),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(source).ok()?)),
    };
    of_port.then(|| (address, number(message, INODE_AT)))
}

/// Whether a process of the pod that `member` is the leader of a container of holds one of these
/// sockets: one below the same parent, the pod's shim. `None` if that cannot be found out, because
/// the member is gone, or another user's processes keep their descriptors to themselves.
pub fn pod_holds(member: Pid, sockets: &[u32]) -> Option<bool> {
    let shim = process::parent(member)?;
    if process::descendants(shim).into_iter().any(|pid| holds(pid, sockets) == Some(true)) {
        return Some(true);
    }
    let mut is_known = true;
    for pid in process::descendants_of_threads(shim) {
        match holds(pid, sockets) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => is_known &= !process::is_alive(pid),
        }
    }
    is_known.then_some(false)
}

fn holds(pid: Pid, sockets: &[u32]) -> Option<bool> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_pid())).ok()?;
    let socket = |path: std::path::PathBuf| {
        let link = std::fs::read_link(path).ok()?;
        let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
        sockets.contains(&inode).then_some(())
    };
    Some(entries.flatten().any(|entry| socket(entry.path()).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    fn inode(listener: &TcpListener) -> u32 {
        let path = format!("/proc/self/fd/{}", listener.as_raw_fd());
        let link = std::fs::read_link(path).expect("a link");
        let text = link.to_str().expect("plain text");
        text["socket:[".len()..text.len() - 1].parse().expect("a number")
    }

    #[test]
    fn the_closest_listener_takes_the_connection() {
        let on = |address: &str| TcpListener::bind(address).expect("it listens");
        let own = on("127.9.8.7:0");
        let port = own.local_addr().expect("an address").port();
        let ask = |ip: &str| listening(SocketAddr::new(ip.parse().expect("an address"), port));
        assert_eq!(ask("127.9.8.7"), Ok(vec![inode(&own)]));
        assert_eq!(ask("127.9.8.8"), Ok(vec![]));
        drop(own);
        let every = on(&format!("0.0.0.0:{port}"));
        assert_eq!(ask("127.9.8.8"), Ok(vec![inode(&every)]));
        assert_eq!(ask("::1"), Ok(vec![]));
        drop(every);
        let both = on(&format!("[::]:{port}"));
        assert_eq!(ask("127.9.8.7"), Ok(vec![inode(&both)]));
    }

    #[test]
    fn a_socket_is_held_by_whoever_has_a_descriptor() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it listens");
        let own = rustix::process::getpid();
        assert_eq!(holds(own, &[inode(&listener)]), Some(true));
        assert_eq!(holds(own, &[]), Some(false));
        assert_eq!(pod_holds(own, &[inode(&listener)]), Some(true));
    }
}
