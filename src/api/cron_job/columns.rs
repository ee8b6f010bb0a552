//! The table of CronJobs.

use crate::columns::{Cell, Column, NONE, age, containers, count, name, or_none, selector, since};
use crate::time::Timestamp;
use k8s_openapi::api::batch::v1::CronJob;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Schedule"),
    Column::text("Timezone"),
    Column { kind: "boolean", ..Column::text("Suspend") },
    Column::number("Active"),
    Column::text("Last Schedule"),
    Column::text("Age"),
    Column::wide("Containers"),
    Column::wide("Images"),
    Column::wide("Selector"),
];

pub fn cells(cron_job: &CronJob, now: Timestamp) -> Vec<Cell> {
    let (meta, spec, status) = (&cron_job.metadata, &cron_job.spec, cron_job.status.as_ref());
    let active = status.and_then(|status| status.active.as_ref()).map_or(0, |active| active.len());
    let last = status.and_then(|status| status.last_schedule_time.as_ref());
    let job = spec.job_template.spec.as_ref();
    let [names, images] = job.map_or([NONE.into(), NONE.into()], |job| containers(&job.template));
    let suspended = match spec.suspend {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    vec![
        name(meta),
        spec.schedule.as_str().into(),
        or_none(spec.time_zone.as_deref()),
        suspended.into(),
        count(active),
        last.map_or(NONE.into(), |last| since(Some(last), now).into()),
        age(meta, now),
        names,
        images,
        selector(job.and_then(|job| job.selector.as_ref())),
    ]
}
