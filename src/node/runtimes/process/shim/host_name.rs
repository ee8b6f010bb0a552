//! The name of the host that a pod's programs see: one namespace for the pod, which the shim is in
//! itself, so that hooks and probes are in it too. A shim that gets another pod renames it.

use super::spawn::{Refusal, words};
use cronlet_host::uts::{self, Namespace};
use rustix::io::Errno;

#[derive(Default)]
pub(super) struct HostName {
    /// The host's namespace, once the shim has left it.
    host: Option<Namespace>,
    /// The name that is in force; empty in the host's namespace.
    given: String,
}

impl HostName {
    /// Gives the pod its name; an empty one is the host's. An ordinary user has the host's name
    /// where its pod has no user namespace, as the daemon says when it starts.
    pub(super) fn take(&mut self, name: &str) -> Result<(), Refusal> {
        let taken = match (&self.host, name) {
            (_, name) if name == self.given => return Ok(()),
            (Some(host), "") => host.enter(),
            _ => self.rename(name),
        };
        match taken {
            Err(Errno::PERM) => return Ok(()),
            other => other.map_err(|e| {
                Refusal::run(format!("giving the pod its host name {name:?}: {}", words(e)))
            })?,
        }
        name.clone_into(&mut self.given);
        Ok(())
    }

    fn rename(&mut self, name: &str) -> Result<(), Errno> {
        if self.given.is_empty() {
            let host = Namespace::own()?;
            uts::unshare()?;
            self.host.get_or_insert(host);
        }
        uts::set_host_name(name)
    }
}
