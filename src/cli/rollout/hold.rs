//! `cronlet rollout pause` and `cronlet rollout resume`: a Deployment's new template waits, and is
//! rolled out.

use super::{Targets, patch, refused};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::write_text;
use crate::target::full_name;
use cronlet_api::kind::Object;
use serde_json::json;

pub(super) fn run(targets: &Targets, pause: bool, client: &Client) -> Result<(), Failure> {
    targets.each(client, |object| {
        let Object::Deployment(deployment) = object else {
            let what = if pause { "pausing" } else { "resuming" };
            return Err(refused(object, &format!("{what} is not supported")));
        };
        let is_paused = deployment.spec.as_ref().is_some_and(|spec| spec.paused == Some(true));
        if is_paused == pause {
            let why = if pause { "is already paused" } else { "is not paused" };
            return Err(refused(object, why));
        }
        let operations = json!([{ "op": "add", "path": "/spec/paused", "value": pause }]);
        patch(client, &object.key(), &operations)?;
        let done = if pause { "paused" } else { "resumed" };
        write_text(&format!("{} {done}\n", full_name(object.kind(), object.name())))
    })
}
