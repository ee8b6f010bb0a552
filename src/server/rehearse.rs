//! `dryRun=All`: what a request would make, without making it.

use cronlet_api::admission;
use cronlet_api::kind::Object;
use cronlet_api::refused::Refused;
use cronlet_api::seed::Seed;
use cronlet_engine::Request;
use cronlet_engine::store::Reader;

pub(crate) fn rehearse(reader: &Reader, request: Request) -> Result<Object, Refused> {
    match request {
        Request::Create(object) => create(reader, object),
        Request::Update(object) => {
            let old = current(reader, &object)?;
            Ok(admission::update(&old, object)?.object)
        }
        Request::UpdateStatus(object) => {
            let old = current(reader, &object)?;
            Ok(admission::update_status(&old, object)?.object)
        }
        // These carry their own flag, which the engine obeys.
        Request::Delete { .. } | Request::Apply { .. } | Request::Trigger { .. } => {
            Err(Refused::BadRequest("dryRun is not offered for this request".to_owned()))
        }
    }
}

fn create(reader: &Reader, object: Object) -> Result<Object, Refused> {
    let mut seed = Seed::from_host();
    let (uid, suffix) = (seed.uid(), seed.suffix());
    let identity = admission::Identity { uid: &uid, suffix: &suffix };
    let namespace = object.namespace().to_owned();
    let object = admission::create(object, &namespace, &identity)?.object;
    let key = object.key();
    match reader.get(&key) {
        Some(_) => Err(Refused::AlreadyExists(key)),
        None => Ok(object),
    }
}

/// The object that would be changed, if the request speaks of its present version.
fn current(reader: &Reader, object: &Object) -> Result<Object, Refused> {
    let key = object.key();
    let old = reader.get(&key).ok_or_else(|| Refused::NotFound(key.clone()))?;
    let wanted = object.meta().resource_version.as_deref().filter(|version| !version.is_empty());
    if wanted.is_some() && wanted != old.meta().resource_version.as_deref() {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        return Err(Refused::Conflict { key, why: why.to_owned() });
    }
    Ok(old)
}
