//! Claims and PersistentVolumes: a volume has one claim at most, a claim one volume, and each says
//! the same as the other.

use cronlet_api::kind::{Kind, Object};
use cronlet_engine::store::{Gone, Reader};
use std::collections::BTreeMap;

/// After a turn. `version`: before it.
pub(crate) fn check(reader: &Reader, version: u64) -> Result<Result<(), String>, Gone> {
    let kinds = [Kind::PersistentVolume, Kind::PersistentVolumeClaim];
    let mut is_changed = false;
    for kind in kinds {
        is_changed |= !reader.changes_since(version, kind, None)?.0.is_empty();
    }
    Ok(if is_changed { check_all(reader) } else { Ok(()) })
}

fn check_all(reader: &Reader) -> Result<(), String> {
    // By the name of the volume: the uid of its claim.
    let mut claimed: BTreeMap<String, String> = BTreeMap::new();
    for object in reader.list(Kind::PersistentVolumeClaim, None).0 {
        let Object::PersistentVolumeClaim(claim) = &object else { continue };
        let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
        let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone());
        if phase == Some("Lost") {
            return Err(format!("{} lost its volume", object.key()));
        }
        let Some(volume) = volume.filter(|_| phase == Some("Bound")) else { continue };
        if claimed.insert(volume.clone(), object.uid().to_owned()).is_some() {
            return Err(format!("two claims have {volume}"));
        }
    }
    for object in reader.list(Kind::PersistentVolume, None).0 {
        let Object::PersistentVolume(volume) = &object else { continue };
        let has = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()?.uid.clone());
        let claim = claimed.get(object.name());
        let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
        if claim.is_some() && claim != has.as_ref() {
            return Err(format!("{} has another claim than is bound to it", object.key()));
        }
        if (phase == Some("Bound")) != claim.is_some() {
            return Err(format!("{} is {phase:?}, its claim is {claim:?}", object.key()));
        }
    }
    Ok(())
}
