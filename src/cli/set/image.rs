//! `cronlet set image`: another image for containers, by their names.

use crate::client::Client;
use crate::failure::Failure;
use crate::rollout::Targets;
use anyhow::anyhow;
use serde_json::json;

/// Change the images of containers
///
/// Such as: cronlet set image deployment/web main=nginx:2
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// KIND NAME or kind/name..., and CONTAINER=IMAGE...; * for all containers
    #[arg(required = true, value_name = "KIND NAME CONTAINER=IMAGE")]
    words: Vec<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
}

pub(super) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let (target, images) = super::split(&args.words, |word| word.contains('='));
    if images.is_empty() {
        return Err(Failure::usage("at least one image update is required: CONTAINER=IMAGE"));
    }
    let mut wanted = Vec::new();
    for word in &images {
        match word.split_once('=') {
            Some((name, image)) if !name.is_empty() && !image.is_empty() => {
                wanted.push((name, image));
            }
            _ => return Err(Failure::usage(format!("not CONTAINER=IMAGE: {word}"))),
        }
    }
    let targets = Targets::new(target, &args.namespace)?;
    targets.each(client, |object| {
        let containers = super::containers(object);
        let unknown = wanted
            .iter()
            .find(|(name, _)| *name != "*" && !containers.iter().any(|(_, c)| c.name == *name));
        if let Some((name, _)) = unknown {
            return Err(Failure::Other(anyhow!("unable to find container named {name:?}")));
        }
        let mut changes = Vec::new();
        for (place, container) in containers {
            let image = wanted.iter().find(|(name, _)| *name == "*" || container.name == *name);
            if let Some((_, image)) = image
                && container.image.as_deref() != Some(*image)
            {
                changes.push((place, container, json!(image)));
            }
        }
        super::write(client, object, changes, "image", "image updated")
    })
}
