//! What an earlier state left running: ended by grace before this one starts anything, so that no
//! program runs twice at once.

use super::systemd::Notifier;
use super::{DaemonError, state};
use cronlet_api::kind::{Kind, Object};
use cronlet_engine::store::Reader;
use cronlet_node::runtimes::process::strangers as shims;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Grace periods are cut short then: a schedule waits for them.
const WITHIN: Duration = Duration::from_secs(300);

/// Ends the pods of this state folder that the store does not know: it was made anew, or is an
/// older one. Pods that it knows are taken back.
pub(crate) fn end_unknown(state: &Path, reader: &Reader, notifier: &Notifier) {
    let pods = reader.list(Kind::Pod, None).0;
    let known: BTreeSet<&str> = pods.iter().map(Object::uid).collect();
    let found = shims::of_pods(state, |uid| !uid.is_some_and(|uid| known.contains(uid)));
    let found = found.unwrap_or_else(|error| {
        tracing::error!(%error, "the journal of an earlier state cannot be read");
        Vec::new()
    });
    if found.is_empty() {
        return;
    }
    for stranger in &found {
        tracing::warn!(
            "an earlier state left this running, which this one does not know: {}; it is ended by \
             its grace period, and nothing starts before",
            stranger.words()
        );
    }
    let killed = shims::end(&found, WITHIN, |left| {
        notifier.waits(&format!("waiting for {left} pods of an earlier state to end"));
    });
    tracing::info!(pods = found.len(), killed, "what an earlier state left running has ended");
    notifier.status("");
}

/// Ends what a stopped daemon left running on the state folder, which need not exist any more.
pub fn drain(folder: &Path, within: Duration, say: fn(String)) -> Result<(), DaemonError> {
    let _alone = state::take(folder)?;
    let found = shims::of_state(folder);
    for stranger in &found {
        say(format!("ending {}", stranger.words()));
    }
    let killed = shims::end(&found, within, |_| {});
    say(match (found.len(), killed) {
        (0, _) => "nothing of cronlet runs".to_owned(),
        (pods, 0) => format!("{pods} ended"),
        (pods, killed) => format!("{pods} ended, {killed} of them killed after the timeout"),
    });
    Ok(())
}
