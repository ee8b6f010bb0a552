//! Defaults that the API server sets on a StatefulSet before it checks it.

use crate::omitempty::omit_zeros;
use crate::{meta, persistent_volume_claim, template};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};

const REVISION_HISTORY_LIMIT: i32 = 10;

/// Sets the defaults of `apps/v1`.
pub fn set(set: &mut StatefulSet) {
    let spec = set.spec.get_or_insert_default();
    spec.pod_management_policy.take_if(|policy| policy.is_empty());
    spec.pod_management_policy.get_or_insert_with(|| "OrderedReady".into());
    set_strategy(spec);
    let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
    for when in [&mut retention.when_deleted, &mut retention.when_scaled] {
        when.take_if(|policy| policy.is_empty());
        when.get_or_insert_with(|| "Retain".into());
    }
    if let Some(ordinals) = &mut spec.ordinals {
        ordinals.start.get_or_insert(0);
    }
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(REVISION_HISTORY_LIMIT);
    spec.service_name.get_or_insert_default();
    omit_zeros!(spec; min_ready_seconds, volume_claim_templates);
    template::tidy_selector(&mut spec.selector);
    template::set_defaults(&mut spec.template);
    for claim in spec.volume_claim_templates.iter_mut().flatten() {
        meta::tidy(&mut claim.metadata);
        persistent_volume_claim::defaults::set(claim);
    }
}

fn set_strategy(spec: &mut StatefulSetSpec) {
    let strategy = spec.update_strategy.get_or_insert_default();
    strategy.type_.take_if(|name| name.is_empty());
    if strategy.type_.is_none() {
        strategy.type_ = Some("RollingUpdate".into());
        strategy.rolling_update.get_or_insert_default();
    }
    if strategy.type_.as_deref() == Some("RollingUpdate")
        && let Some(rolling) = &mut strategy.rolling_update
    {
        rolling.partition.get_or_insert(0);
    }
}
