//! The thread that reads files: the jobs folder when it changes, and with it the configuration when
//! asked.

use super::api::{Reload, Reloads, Scraped};
use super::config::Config;
use super::inbox::{Inbox, Message};
use super::logging::Logging;
use super::manifests::{Folder, Scan, Why};
use super::run_log;
use super::systemd::Notifier;
use super::watch::{Watch, Woken};
use cronlet_api::settings::Settings;
use cronlet_api::startup::Startup;
use cronlet_api::time::Timestamp;
use cronlet_engine::Event;
use cronlet_node::volumes::claim;
use cronlet_server::{Health, Metrics};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

pub(crate) struct Files {
    pub folder: Folder,
    pub watch: Watch,
    pub startup: Startup,
    /// The configuration as its file said last.
    pub configured: Config,
    pub booted_at: Option<Timestamp>,
    pub log: Logging,
    pub scraped: Scraped,
    pub metrics: Arc<Metrics>,
    pub reloads: Reloads,
    pub inbox: Arc<Inbox>,
    /// When the thread began.
    pub begun: Instant,
    pub health: Arc<Health>,
    pub notifier: Arc<Notifier>,
}

impl Files {
    pub(crate) fn run(mut self) {
        let scan = self.scan(Why::Start);
        // Nothing may have changed: the engine's first turn waits for this, and who hears that the
        // daemon is ready finds what that turn makes. Where it fails there is no word.
        let (done, committed) = sync_channel(1);
        self.inbox.send(Message::Files { changes: Vec::new(), done });
        let _ = committed.recv();
        self.inbox.send_event(Event::Loaded);
        tracing::info!(files = scan.files, errors = scan.errors.len(), "ready");
        self.health.started();
        self.notifier.ready();
        loop {
            let again_at = self.folder.again_at();
            let patience = again_at.map(|at| at.saturating_sub(self.begun.elapsed()));
            match self.watch.wait(patience) {
                Ok(Woken::Changed | Woken::Later) => drop(self.scan(Why::Change)),
                Ok(Woken::Asked) => {
                    self.notifier.reloading();
                    self.reload();
                    self.notifier.ready();
                }
                Err(error) => {
                    tracing::error!(%error, "the jobs folder is no longer watched");
                    return;
                }
            }
        }
    }

    fn scan(&mut self, why: Why) -> Scan {
        self.folder.scan(why, self.begun.elapsed(), &mut self.watch)
    }

    fn reload(&mut self) {
        let replies =
            std::mem::take(&mut *self.reloads.lock().expect("no panic while it was held"));
        let problem = match Config::read(&self.startup.config, self.startup.config_required) {
            Ok(config) => self.obey(config).err(),
            Err(error) => Some(run_log::chain(&error)),
        };
        if let Some(problem) = &problem {
            tracing::error!("{problem}: the last good one stays");
        }
        let prune = replies.iter().any(|reload| reload.prune);
        let mut scan = self.scan(Why::Reload { prune });
        scan.errors.splice(0..0, problem);
        tracing::info!(
            files = scan.files,
            changed = scan.changed,
            removed = scan.removed,
            "reloaded"
        );
        let answer = serde_json::to_value(&scan).expect("plain data serializes");
        for Reload { reply, .. } in replies {
            let _ = reply.send(Ok(answer.clone()));
        }
    }

    /// Applies what the file says now. What the host refuses stays as it was.
    fn obey(&mut self, configured: Config) -> Result<(), String> {
        for why in overruled(&self.configured, &configured, &self.startup) {
            tracing::warn!("{why}, until a restart without it");
        }
        let config = configured.clone().overridden_by(&self.startup);
        self.configured = configured;
        let claims_are_limited = claim::is_limited(&self.startup.state);
        let booted_at = self.booted_at;
        let settings = Settings { booted_at, claims_are_limited, ..config.settings() };
        self.metrics.obey(settings.clone());
        self.inbox.send_event(Event::Settings(Box::new(settings)));
        self.inbox.send(Message::AtShutdown(config.shutdown.pods));
        self.log.obey(&config.log);
        let moved = self.scraped.move_to(config.metrics.listen);
        moved.map_err(|(at, error)| format!("metrics.listen: {at} cannot be listened on: {error}"))
    }
}

/// What changed in the file, and does nothing as something else goes before it.
fn overruled(before: &Config, now: &Config, startup: &Startup) -> Vec<&'static str> {
    let changes = [
        (
            before.metrics != now.metrics && startup.metrics.is_some(),
            "metrics.listen changed, but --metrics goes before it",
        ),
        (
            before.log.format != now.log.format && startup.json_log,
            "log.format changed, but --json-log goes before it",
        ),
        (
            before.log.level != now.log.level && std::env::var_os("RUST_LOG").is_some(),
            "log.level changed, but RUST_LOG goes before it",
        ),
    ];
    changes.into_iter().filter_map(|(is_so, why)| is_so.then_some(why)).collect()
}
