//! The Kubernetes-shaped HTTP API on a unix socket, generic over kinds.
//!
//! The server reads committed objects by itself and asks the engine for every change, through
//! [`Backend`]. It runs on one thread of its own; every queue, body, header and connection count is
//! bounded, and a slow client is cut off.

pub use crate::backend::{Backend, Command, PatchLocks, Reply};
pub use crate::health::Health;
pub use crate::metrics_api::Usage;
pub use crate::prometheus::Metrics;
pub use crate::sources::Sources;

pub use crate::socket::{BindError, bind, serve, serve_metrics};

mod backend;

mod socket;

mod route;

mod query;

mod selector;

mod body;

mod response;

mod discovery;

mod openapi;

mod read;

mod accept;

mod watch;

mod log;

mod write;

mod rehearse;

mod scale;

mod patch;

mod strategic;

mod protobuf;

mod cronlet_dev;

mod health;

mod prometheus;

mod metrics_api;

mod sources;

use crate::accept::Shape;
use crate::query::Query;
use crate::response::Answer;
use crate::route::{Route, Subresource};
use cronlet_api::refused::Refused;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use std::sync::Arc;

/// Answers one request; a refusal is an answer too.
pub(crate) async fn handle(backend: Arc<Backend>, request: Request<Incoming>) -> Answer {
    let (head, mut body) = request.into_parts();
    match route(&backend, head, &mut body).await {
        Ok(answer) => answer,
        Err(refused) => {
            body::drain(&mut body).await;
            tracing::debug!(%refused, "a request was refused");
            response::refusal(&refused)
        }
    }
}

/// The answer of the metrics port, where nothing else is served.
pub(crate) fn metrics_only(backend: &Backend, path: &str) -> Answer {
    match Route::parse(path) {
        Ok(Route::Metrics) => prometheus::answer(backend),
        _ => response::refusal(&Refused::NoSuchPath),
    }
}

async fn route(backend: &Backend, head: Parts, body: &mut Incoming) -> Result<Answer, Refused> {
    refuse_impersonation(&head.headers)?;
    let route = Route::parse(head.uri.path())?;
    let query = Query::parse(head.uri.query().unwrap_or_default())?;
    let call = Call { method: head.method, query, headers: head.headers };
    match route {
        Route::Collection { kind, namespace } => {
            call.collection(backend, kind, namespace.as_deref(), body).await
        }
        Route::Object { key, part } => {
            let mut answer = call.object(backend, &key, part, body).await?;
            let warnings = sources::warnings(&backend.sources, &call.method, &key, part);
            response::warn(&mut answer, &warnings);
            Ok(answer)
        }
        Route::Extra(extra) => cronlet_dev::answer(backend, &call.method, extra, &call.query).await,
        _ if call.method != Method::GET => Err(Refused::MethodNotAllowed),
        Route::UsageResources => Ok(metrics_api::resources()),
        Route::Usage { namespace } => {
            metrics_api::list(backend, namespace.as_deref(), &call.query).await
        }
        Route::AllNodeMetrics => metrics_api::nodes(backend, &call.query).await,
        Route::NodeMetrics(key) => metrics_api::one(backend, &key).await,
        Route::Health(question) => Ok(health::answer(&backend.health, question, &call.query)),
        Route::Version => Ok(discovery::version()),
        Route::Metrics => Ok(prometheus::answer(backend)),
        Route::CoreVersions => Ok(discovery::core_versions()),
        Route::Groups => Ok(discovery::groups()),
        Route::Group(group) => Ok(discovery::group(&group)),
        Route::Resources { group } => Ok(discovery::resources(&group)),
        Route::OpenApiV2 => Ok(openapi::version_2(call.header(ACCEPT))),
        Route::Descriptions => Ok(openapi::index()),
        Route::Description { group } => Ok(openapi::of_group(&group)),
    }
}

/// A request in another user's name (`kubectl --as`) has no less power here, because nothing is
/// authorised yet: it would succeed where a cluster refuses it.
fn refuse_impersonation(headers: &HeaderMap) -> Result<(), Refused> {
    let names = headers.keys().map(HeaderName::as_str);
    match names.into_iter().find(|name| name.starts_with("impersonate-")) {
        Some(name) => Err(Refused::Forbidden(format!(
            "impersonation is forbidden: the header \"{name}\" is refused, because this server has \
             no authorization; send the request without --as, --as-group and --as-uid"
        ))),
        None => Ok(()),
    }
}

/// A request without its path and body.
struct Call {
    method: Method,
    query: Query,
    headers: HeaderMap,
}

impl Call {
    async fn collection(
        &self,
        backend: &Backend,
        kind: cronlet_api::kind::Kind,
        namespace: Option<&str>,
        body: &mut Incoming,
    ) -> Result<Answer, Refused> {
        let query = &self.query;
        let namespace = if kind.info().is_cluster_scoped { Some("") } else { namespace };
        match (&self.method, namespace) {
            (&Method::GET, _) if query.flag("watch") => {
                watch::watch(backend, kind, namespace, query, self.shape()?)
            }
            (&Method::GET, _) => read::list(backend, kind, namespace, query, self.shape()?),
            (&Method::POST, Some(namespace)) => {
                let bytes = self.read(body).await?;
                write::create(backend, kind, namespace, self.sent(&bytes)).await
            }
            (&Method::DELETE, Some(namespace)) => {
                let body = self.read(body).await?;
                write::delete_collection(backend, kind, namespace, query, &body).await
            }
            _ => Err(Refused::MethodNotAllowed),
        }
    }

    async fn object(
        &self,
        backend: &Backend,
        key: &cronlet_api::kind::Key,
        part: Subresource,
        body: &mut Incoming,
    ) -> Result<Answer, Refused> {
        let query = &self.query;
        match (&self.method, part) {
            (&Method::GET, Subresource::Log) => log::answer(backend, key, query),
            (_, Subresource::Log) => Err(Refused::MethodNotAllowed),
            (_, Subresource::Scale) => self.scale(backend, key, body).await,
            (&Method::GET, _) => read::get(backend, key, self.shape()?),
            (&Method::PUT, _) => {
                let bytes = self.read(body).await?;
                write::update(backend, key, part, self.sent(&bytes)).await
            }
            (&Method::PATCH, _) => {
                let bytes = self.read(body).await?;
                write::patch(backend, key, part, self.sent(&bytes)).await
            }
            (&Method::DELETE, Subresource::Whole) => {
                write::delete(backend, key, query, &self.read(body).await?).await
            }
            _ => Err(Refused::MethodNotAllowed),
        }
    }

    async fn scale(
        &self,
        backend: &Backend,
        key: &cronlet_api::kind::Key,
        body: &mut Incoming,
    ) -> Result<Answer, Refused> {
        match self.method {
            Method::GET => scale::get(backend, key),
            Method::PUT => {
                let bytes = self.read(body).await?;
                scale::update(backend, key, self.sent(&bytes)).await
            }
            Method::PATCH => {
                let bytes = self.read(body).await?;
                scale::patch(backend, key, self.sent(&bytes)).await
            }
            _ => Err(Refused::MethodNotAllowed),
        }
    }

    /// The body, if it is of a type that is understood; a patch names its own types.
    async fn read(&self, body: &mut Incoming) -> Result<Bytes, Refused> {
        let content_type = self.content_type().split(';').next().unwrap_or_default().trim();
        if content_type == protobuf::CONTENT_TYPE {
            return Ok(protobuf::to_json(&body::read(body).await?)?.into());
        }
        let understood = ["", "application/json", "application/yaml"].contains(&content_type);
        if !understood && self.method != Method::PATCH {
            let accepted =
                format!("application/json, application/yaml, {}", protobuf::CONTENT_TYPE);
            return Err(Refused::UnsupportedMediaType(accepted));
        }
        body::read(body).await
    }

    fn sent<'a>(&'a self, bytes: &'a Bytes) -> write::Sent<'a> {
        write::Sent { query: &self.query, content_type: self.content_type(), bytes }
    }

    fn shape(&self) -> Result<Shape, Refused> {
        Shape::parse(self.header(ACCEPT), &self.query)
    }

    fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE)
    }

    fn header(&self, name: HeaderName) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
