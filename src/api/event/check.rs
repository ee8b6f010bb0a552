//! The rules of an Event (Kubernetes' `legacyValidateEvent`).

use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::text;
use k8s_openapi::api::core::v1::Event;

const WORD_LENGTH_MAX: usize = 128;
const MESSAGE_LENGTH_MAX: usize = 1024;

/// The rules of an Event that is made or changed. One that has an `eventTime` is of the newer form,
/// and says who tells of it.
pub fn create(event: &Event, causes: &mut Causes) {
    let about = text(&event.involved_object.namespace);
    let own = text(&event.metadata.namespace);
    let is_newer = event.event_time.is_some();
    // What has no namespace, such as a Node, is told about in `default`.
    let fits = match about {
        "" => own == "default" || is_newer && own == "kube-system",
        about => is_newer || about == own,
    };
    if !fits {
        let at = Path::root("involvedObject");
        causes.invalid(&at.child("namespace"), about, "does not match event.namespace");
    }
    if is_newer {
        check_newer(event, causes);
    }
}

fn check_newer(event: &Event, causes: &mut Causes) {
    // `reportingController` in the rules of Kubernetes, whose `v1` has another name for it.
    let controller = text(&event.reporting_component);
    let at = Path::root("reportingController");
    if controller.is_empty() {
        causes.required(&at, "");
    }
    causes.invalid_each(&at, controller, names::qualified_name(controller));
    for (field, value) in [
        ("reportingInstance", text(&event.reporting_instance)),
        ("action", text(&event.action)),
        ("reason", text(&event.reason)),
    ] {
        let at = Path::root(field);
        if value.is_empty() {
            causes.required(&at, "");
        }
        if value.len() > WORD_LENGTH_MAX {
            causes.invalid(&at, "", format!("can have at most {WORD_LENGTH_MAX} characters"));
        }
    }
    if text(&event.message).len() > MESSAGE_LENGTH_MAX {
        let why = format!("can have at most {MESSAGE_LENGTH_MAX} characters");
        causes.invalid(&Path::root("message"), "", why);
    }
}
