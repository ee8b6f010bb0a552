//! Defaults that the API server sets on a Deployment before it checks it.

use crate::omitempty::omit_zeros;
use crate::template;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const REVISION_HISTORY_LIMIT: i32 = 10;
const PROGRESS_DEADLINE_SECONDS: i32 = 600;
const ROLLING_SHARE: &str = "25%";

/// Sets the defaults of `apps/v1`.
pub fn set(deployment: &mut Deployment) {
    let spec = deployment.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(REVISION_HISTORY_LIMIT);
    spec.progress_deadline_seconds.get_or_insert(PROGRESS_DEADLINE_SECONDS);
    omit_zeros!(spec; min_ready_seconds, paused);
    template::tidy_selector(&mut spec.selector);
    template::set_defaults(&mut spec.template);
    let strategy = spec.strategy.get_or_insert_default();
    strategy.type_.take_if(|name| name.is_empty());
    if strategy.type_.get_or_insert_with(|| "RollingUpdate".into()) == "RollingUpdate" {
        let rolling = strategy.rolling_update.get_or_insert_default();
        let share = || IntOrString::String(ROLLING_SHARE.into());
        rolling.max_unavailable.get_or_insert_with(share);
        rolling.max_surge.get_or_insert_with(share);
    }
}
