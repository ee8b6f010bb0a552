//! A run by hand (`cronlet trigger`).

use super::jobs;
use super::runs::{new_run, replace};
use crate::controllers::job::record;
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::kind::{Key, Kind};
use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::batch::v1::CronJob;

/// So many runs may be asked for in one second.
const PER_SECOND_MAX: usize = 100;

/// Makes a Job of a CronJob now: its name, and what to do. Under `Forbid` and `Replace` it takes
/// its turn like a scheduled run, unless `force`.
///
/// # Errors
/// Says why the run may not start.
pub fn trigger(
    cron_job: &CronJob,
    view: &View,
    force: bool,
) -> Result<(String, Vec<Action>), String> {
    let mut plan = Plan::default();
    let namespace = cron_job.metadata.namespace.as_deref().unwrap_or_default();
    let is_taken = |name: &str| view.lookup.get(&Key::new(Kind::Job, namespace, name)).is_some();
    let name = free_name(&jobs::manual_base(cron_job), view.now, is_taken)?;
    let job = jobs::triggered(cron_job, name.clone(), force);
    if let Some(why) = jobs::refusal(cron_job, &job) {
        return Err(format!("its Job is refused: {why}"));
    }
    let active = cron_job.status.as_ref().and_then(|status| status.active.as_deref());
    let active = active.unwrap_or_default();
    let policy = cron_job.spec.concurrency_policy.as_deref();
    match policy {
        Some("Forbid") if !force && !active.is_empty() => {
            let running = active[0].name.as_deref().unwrap_or_default();
            return Err(format!(
                "prior execution {running} is running and concurrency policy is Forbid"
            ));
        }
        Some("Replace") if !force && !active.is_empty() => {
            replace(active, view, &mut plan);
            let mut cron_job = cron_job.clone();
            cron_job.status.get_or_insert_default().active = None;
            plan.push(Action::Put(cron_job.into()));
        }
        _ => {}
    }
    let asked_at = record::asked_at(&name, view.now);
    let run = new_run(cron_job, asked_at, Outcome::Running, "");
    plan.push(Action::Record(Run { job: name.clone(), manual: true, ..run }));
    plan.push(Action::Create(job.into()));
    plan.event(Severity::Normal, "SuccessfulCreate", format!("Created job {name}"));
    Ok((name, plan.actions))
}

/// The second's own name, then numbered ones. One whose place in the history another run of this
/// second has is passed over.
fn free_name(
    base: &str,
    now: Timestamp,
    is_taken: impl Fn(&str) -> bool,
) -> Result<String, String> {
    let first = format!("{base}{}", now.as_second());
    let mut places = Vec::new();
    for number in 1..=PER_SECOND_MAX {
        let name = if number == 1 { first.clone() } else { format!("{first}-{number}") };
        let place = record::asked_at(&name, now);
        if is_taken(&name) {
            places.push(place);
        } else if !places.contains(&place) {
            return Ok(name);
        }
    }
    Err(format!("{PER_SECOND_MAX} runs were asked for in this very second; try again in the next"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn runs_of_one_second_have_names_and_places_of_their_own() {
        let now = Timestamp::from_second(1_795_432_022).expect("in range");
        let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
        while let Ok(name) = free_name("c-manual-", now, |name| names.contains(name)) {
            assert!(places.insert(record::asked_at(&name, now)), "{name}");
            assert!(names.insert(name));
        }
        assert!(names.len() > PER_SECOND_MAX / 2, "{}", names.len());
        assert!(names.contains("c-manual-1795432022") && names.contains("c-manual-1795432022-2"));
    }
}
