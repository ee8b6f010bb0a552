//! `cronlet scale`: another number of pods.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::write_text;
use super::target::{Target, full_name};
use anyhow::anyhow;
use cronlet_api::kind::Key;
use hyper::Method;
use serde_json::{Value, json};

/// Set how many pods a Deployment, ReplicaSet or StatefulSet has
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// KIND NAME..., or kind/name...
    #[arg(required = true, value_name = "KIND NAME")]
    target: Vec<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// So many pods
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(0..))]
    replicas: i32,
    /// Only where there are so many now
    #[arg(long, value_name = "COUNT")]
    current_replicas: Option<i32>,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    for Target { kind, name } in Target::parse_all(&args.target)? {
        let singular = kind.info().singular;
        if !kind.info().has_scale {
            return Err(Failure::usage(format!("a {singular} cannot be scaled")));
        }
        let Some(name) = name else {
            return Err(Failure::usage(format!("name a {singular}, as {singular}/NAME")));
        };
        let key = Key::new(kind, &args.namespace, &name);
        scale(args, client, &key)?;
        write_text(&format!("{} scaled\n", full_name(kind, &name)))?;
    }
    Ok(())
}

/// By the subresource `scale`, which all these kinds have.
fn scale(args: &Args, client: &Client, key: &Key) -> Result<(), Failure> {
    let path = format!("{}/scale", client::object(key));
    let mut patch = json!({ "spec": { "replicas": args.replicas } });
    if let Some(wanted) = args.current_replicas {
        let scale = client.value(&path)?;
        let is = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        if is != i64::from(wanted) {
            return Err(Failure::Other(anyhow!("Expected replicas to be {wanted}, was {is}")));
        }
        // What changes meanwhile is a conflict.
        patch["metadata"]["resourceVersion"] = version(&scale);
    }
    let body = patch.to_string().into_bytes();
    client.send(Method::PATCH, &path, "application/merge-patch+json", body)?;
    Ok(())
}

fn version(scale: &Value) -> Value {
    scale["metadata"]["resourceVersion"].clone()
}
