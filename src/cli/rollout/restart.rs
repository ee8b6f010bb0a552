//! `cronlet rollout restart`: a template that differs by the time alone, so that all pods are made
//! anew.

use super::{Targets, refused, rolls_out};
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::output::write_text;
use crate::target::full_name;
use cronlet_api::kind::Object;
use cronlet_api::time::{Clock, SystemClock};
use hyper::Method;
use serde_json::json;

/// kubectl's annotation, so that either tool sees what the other did.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

pub(super) fn run(targets: &Targets, client: &Client) -> Result<(), Failure> {
    targets.each(client, |object| {
        if !rolls_out(object) {
            return Err(refused(object, "restarting is not supported"));
        }
        if let Object::Deployment(deployment) = object
            && deployment.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
        {
            let why = "can't restart paused deployment (run rollout resume first)";
            return Err(refused(object, why));
        }
        let now = SystemClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        if restarted_at(object).as_ref() == Some(&now) {
            return Err(refused(
                object,
                "was restarted within the past second: please wait before attempting to trigger \
                 another",
            ));
        }
        let template = json!({ "metadata": { "annotations": { RESTARTED_AT: now } } });
        let patch = json!({ "spec": { "template": template } }).to_string().into_bytes();
        let path = client::object(&object.key());
        client.send(Method::PATCH, &path, "application/merge-patch+json", patch)?;
        write_text(&format!("{} restarted\n", full_name(object.kind(), object.name())))
    })
}

fn restarted_at(object: &Object) -> Option<String> {
    let meta = object.template()?.metadata.as_ref()?;
    meta.annotations.as_ref()?.get(RESTARTED_AT).cloned()
}
