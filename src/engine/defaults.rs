//! What the configuration says for schedules that say nothing themselves: a change of it is an edit
//! of each of them, so it fires nothing for the past.

use super::Engine;
use cronlet_api::cron_job::timing;
use cronlet_api::kind::{Kind, Object};
use cronlet_api::settings::{Dst, Settings};
use std::sync::Arc;

pub(super) const FACT: &str = "schedule-defaults";

/// The defaults that the schedules are in force with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Defaults {
    time_zone: String,
    dst: Dst,
}

impl Defaults {
    fn of(settings: &Settings) -> Defaults {
        Defaults { time_zone: settings.time_zone.clone(), dst: settings.dst }
    }
}

impl Engine {
    /// Schedules whose defaults are others than those of the last committed turn, of this daemon or
    /// the one before, are in force from now on.
    pub(super) fn follow_defaults(&mut self) {
        let now = Defaults::of(&self.settings);
        if self.defaults.as_ref() == Some(&now) {
            return;
        }
        if let Some(before) = self.defaults.clone() {
            for key in self.store.keys(Kind::CronJob) {
                let Some(Object::CronJob(mut cron_job)) = self.store.get(&key) else { continue };
                let leans = timing::leans_on(&cron_job);
                let moves = leans.time_zone && before.time_zone != now.time_zone
                    || leans.dst && before.dst != now.dst;
                if moves {
                    let meta = &mut Arc::make_mut(&mut cron_job).metadata;
                    timing::set_in_force_since(meta, self.turn.now);
                    self.put(Object::CronJob(cron_job));
                }
            }
        }
        let json = serde_json::to_vec(&now).expect("plain data always serializes");
        self.store.put_fact(FACT, json);
        self.turn.defaults = Some(now);
    }
}
