//! Defaults that the API server sets on a DaemonSet before it checks it.

use crate::omitempty::omit_zeros;
use crate::template;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Annotation that counts the templates of a DaemonSet, from before there were ControllerRevisions.
pub const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

const REVISION_HISTORY_LIMIT: i32 = 10;

/// Sets the defaults of `apps/v1`.
pub fn set(set: &mut DaemonSet) {
    let spec = set.spec.get_or_insert_default();
    spec.revision_history_limit.get_or_insert(REVISION_HISTORY_LIMIT);
    omit_zeros!(spec; min_ready_seconds);
    template::tidy_selector(&mut spec.selector);
    template::set_defaults(&mut spec.template);
    let strategy = spec.update_strategy.get_or_insert_default();
    strategy.type_.take_if(|name| name.is_empty());
    if strategy.type_.get_or_insert_with(|| "RollingUpdate".into()) == "RollingUpdate" {
        let rolling = strategy.rolling_update.get_or_insert_default();
        rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
        rolling.max_surge.get_or_insert(IntOrString::Int(0));
    } else if let Some(rolling) = &mut strategy.rolling_update {
        // Nothing rolls, and Kubernetes sets the numbers to 0.
        for number in [&mut rolling.max_unavailable, &mut rolling.max_surge] {
            number.get_or_insert(IntOrString::Int(0));
        }
    }
}

/// Starts the count of templates at 1, if the annotation has none.
pub fn prepare_create(set: &mut DaemonSet) {
    let generation = template_generation(set).max(1);
    set_template_generation(set, generation);
}

/// Increments the count of templates if the template changed.
pub fn prepare_update(old: &DaemonSet, new: &mut DaemonSet) {
    let template = |set: &DaemonSet| set.spec.as_ref().map(|spec| spec.template.clone());
    let is_other = template(new) != template(old);
    set_template_generation(new, template_generation(old) + i64::from(is_other));
}

fn template_generation(set: &DaemonSet) -> i64 {
    let annotations = set.metadata.annotations.as_ref();
    let written = annotations.and_then(|annotations| annotations.get(TEMPLATE_GENERATION));
    written.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn set_template_generation(set: &mut DaemonSet, generation: i64) {
    let annotations = set.metadata.annotations.get_or_insert_default();
    annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string());
}
