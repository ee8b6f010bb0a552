//! `/etc/hosts` and `/etc/hostname` of a container: a program that looks its own name up finds the
//! pod's address, as in Kubernetes.
//!
//! The files lie in memory, as the termination message does, and lose their names once mounted.

use super::message::memory_file;
use super::spawn::Refusal;
use super::view::Show;
use cronlet_host::mounts;
use cronlet_plan::order::Launch;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use std::path::{Path, PathBuf};

#[derive(Default)]
pub(super) struct Hosts {
    files: Vec<File>,
}

struct File {
    at: &'static str,
    file: OwnedFd,
    name: PathBuf,
}

const HOSTS: &str = "/etc/hosts";
const HOSTNAME: &str = "/etc/hostname";

impl Hosts {
    /// Makes the files that the host has too, and that the container mounts nothing over. Where
    /// memory has no room the container has the host's.
    pub(super) fn make(launch: &Launch) -> Hosts {
        let mut hosts = Hosts::default();
        if launch.host_name.is_empty() || launch.hosts_line.is_empty() {
            return hosts;
        }
        let own = [(HOSTS, &launch.hosts_line), (HOSTNAME, &launch.host_name)];
        for (at, text) in own.into_iter().filter(|(at, _)| !is_covered(launch, at)) {
            let Ok(before) = std::fs::read_to_string(at) else { continue };
            let text = match at {
                HOSTS => format!("{}\n{text}\n", before.trim_end()),
                _ => format!("{text}\n"),
            };
            hosts.files.extend(File::make(launch, at, &text).ok());
        }
        hosts
    }

    /// Mounts of the files, attached nowhere yet: while they are in a mount of this namespace.
    pub(super) fn copies(&self) -> Vec<(&'static str, OwnedFd)> {
        let copy = |file: &File| Some((file.at, mounts::copy_tree(file.file.as_fd()).ok()?));
        self.files.iter().filter_map(copy).collect()
    }

    /// The child has them mounted or never will.
    pub(super) fn drop_names(&self) {
        for file in &self.files {
            let _ = rustix::fs::unlink(&file.name);
        }
    }
}

/// Shows a copy in its place.
pub(super) fn show((at, tree): (&'static str, OwnedFd)) -> Result<Show, Refusal> {
    Show::of_tree(Path::new(at), tree)
}

fn is_covered(launch: &Launch, at: &str) -> bool {
    launch.mounts.iter().any(|mount| Path::new(at).starts_with(&mount.at))
}

impl File {
    fn make(launch: &Launch, at: &'static str, text: &str) -> Result<File, Errno> {
        let (file, name) = memory_file(launch, &at.replace('/', "."))?;
        let written = rustix::io::write(&file, text.as_bytes());
        let made = written.and_then(|length| match length == text.len() {
            true => rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644)),
            false => Err(Errno::NOSPC),
        });
        if made.is_err() {
            let _ = rustix::fs::unlink(&name);
        }
        made.map(|()| File { at, file, name })
    }
}
