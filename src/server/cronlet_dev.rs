//! What Kubernetes has no word for, below `/apis/cronlet.dev/v1`: run history, manual runs, what
//! claims hold, reload, state dump.

use super::backend::{Backend, Command};
use super::query::Query;
use super::response::{self, Answer};
use super::route::Extra;
use cronlet_api::kind::Object;
use cronlet_api::refused::Refused;
use cronlet_engine::Request;
use hyper::{Method, StatusCode};
use serde_json::json;

pub(crate) async fn answer(
    backend: &Backend,
    method: &Method,
    extra: Extra,
    query: &Query,
) -> Result<Answer, Refused> {
    match (extra, method) {
        (Extra::Runs { namespace, cron_job }, &Method::GET) => {
            let runs = backend.reader.try_runs(namespace.as_deref(), cron_job.as_deref());
            let unreadable = |error| {
                Refused::Unavailable(format!("the run history cannot be read now: {error}"))
            };
            let runs = runs.map_err(unreadable)?;
            let list = json!({
                "kind": "RunList", "apiVersion": "cronlet.dev/v1", "metadata": {}, "items": runs,
            });
            Ok(response::value(StatusCode::OK, &list))
        }
        (Extra::Trigger { namespace, cron_job }, &Method::POST) => {
            let force = query.flag("force");
            let job = backend.submit(Request::Trigger { namespace, cron_job, force }).await?;
            Ok(response::object(StatusCode::CREATED, &job))
        }
        (Extra::ClaimUsage(key), &Method::GET) => {
            let Some(Object::PersistentVolumeClaim(claim)) = backend.reader.get(&key) else {
                return Err(Refused::NotFound(key));
            };
            let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
            let usage = backend.usage.of_claim(volume.unwrap_or_default()).await;
            Ok(response::value(StatusCode::OK, &json!(usage)))
        }
        (Extra::Reload, &Method::POST) => {
            let prune = query.flag("prune");
            let found = backend.ask(|reply| Command::Reload { prune, reply }).await?;
            Ok(response::value(StatusCode::OK, &found))
        }
        (Extra::Dump, &Method::GET) => Ok(response::value(
            StatusCode::OK,
            &backend.ask(|reply| Command::Dump { reply }).await?,
        )),
        _ => Err(Refused::MethodNotAllowed),
    }
}
