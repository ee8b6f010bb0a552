//! `tcpSocket`: does anything take a connection?

use super::Answer;
use cronlet_host::sockets;
use cronlet_plan::order::Address;
use rustix::io::Errno;
use rustix::net::SocketType;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;
use std::{fmt, io};
use tokio::net::TcpStream;

/// Connects, and hangs up.
pub async fn probe(address: &Address, timeout: Duration) -> Answer {
    match tokio::time::timeout(timeout, connect(address)).await {
        Ok(Ok(_)) => Answer::Passed,
        Ok(Err(error)) => error.answer(""),
        Err(_) => Answer::Failed(format!("dial tcp {}: i/o timeout", Shown(address))),
    }
}

/// A connection that did not come to be.
#[derive(Debug, thiserror::Error)]
#[error("dial tcp {address}: connect: {}", words(.source))]
pub struct DialError {
    address: String,
    source: io::Error,
}

impl DialError {
    /// What it says of the container, after `before`: nothing, where this process is short of
    /// descriptors or ports.
    pub fn answer(&self, before: &str) -> Answer {
        let own = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
        let errno = Errno::from_io_error(&self.source);
        let message = format!("{before}{self}");
        if errno.is_some_and(|errno| own.contains(&errno)) {
            return Answer::Errored(message);
        }
        Answer::Failed(message + &self.hint())
    }

    /// A program that listens on localhost alone is not found at its pod's address, here as in
    /// Kubernetes; here there is more that its user can do.
    fn hint(&self) -> String {
        let Ok(SocketAddr::V4(address)) = self.address.parse() else { return String::new() };
        let localhost = SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port());
        let refused = self.source.kind() == io::ErrorKind::ConnectionRefused;
        let elsewhere = address.ip().is_loopback() && address != localhost;
        if refused && elsewhere && sockets::is_taken(localhost, SocketType::STREAM) {
            return format!(
                " (something listens on {localhost}: let it listen on $(POD_IP), from fieldRef \
                 status.podIP, or on 0.0.0.0; or let the probe ask there by host: 127.0.0.1)"
            );
        }
        String::new()
    }
}

pub async fn connect(address: &Address) -> Result<TcpStream, DialError> {
    let connected = TcpStream::connect((bare(&address.host), address.port)).await;
    connected.map_err(|source| DialError { address: Shown(address).to_string(), source })
}

/// Without the brackets of an IPv6 address.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// `host:port`, an IPv6 address in brackets.
pub struct Shown<'a>(pub &'a Address);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self.0;
        let host = bare(host);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// An error in the system's words alone: `connection refused`.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
