//! AppArmor profiles of containers in annotations, the older way: they become fields when a Pod is
//! created.

use crate::omitempty::items_mut;
use crate::pod::check::APP_ARMOR;
use k8s_openapi::api::core::v1::{AppArmorProfile, Pod};

const PATH_LENGTH_MAX: usize = 4095;

/// Copies the annotation of a container to its field if the field is not set. A value that is
/// invalid for the field stays an annotation alone, as does one equal to the whole pod's profile.
pub(super) fn from_annotations(pod: &mut Pod) {
    let Pod { metadata, spec: Some(spec), .. } = pod else { return };
    let Some(annotations) = &metadata.annotations else { return };
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let context = spec.security_context.as_ref();
    let of_pod = context.and_then(|context| context.app_armor_profile.clone());
    let containers = spec.containers.iter_mut().chain(items_mut(&mut spec.init_containers));
    for container in containers {
        let context = container.security_context.as_ref();
        let has_own = context.is_some_and(|context| context.app_armor_profile.is_some());
        let annotation = annotations.get(&format!("{APP_ARMOR}{}", container.name));
        let Some(profile) = annotation.filter(|_| !has_own).and_then(|value| read(value)) else {
            continue;
        };
        if of_pod.as_ref() != Some(&profile) {
            let context = container.security_context.get_or_insert_default();
            context.app_armor_profile = Some(profile);
        }
    }
}

fn read(annotation: &str) -> Option<AppArmorProfile> {
    let (type_, localhost_profile) = match annotation {
        "unconfined" => ("Unconfined", None),
        "runtime/default" => ("RuntimeDefault", None),
        other => ("Localhost", Some(other.strip_prefix("localhost/")?)),
    };
    let is_sound = localhost_profile.is_none_or(|path| {
        !path.is_empty() && path.trim() == path && path.len() <= PATH_LENGTH_MAX
    });
    is_sound.then(|| AppArmorProfile {
        localhost_profile: localhost_profile.map(str::to_owned),
        type_: type_.to_owned(),
    })
}
