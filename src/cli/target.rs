//! What a command is about: `KIND`, `KIND NAME`, `kind/name`, several of each, and in which
//! namespace.

use super::failure::Failure;
use cronlet_api::kind::Kind;

/// `-n` and `-A`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Scope {
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    pub namespace: String,
    /// Look into all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl Scope {
    /// `None` for all namespaces.
    pub(crate) fn namespace(&self) -> Option<&str> {
        (!self.all_namespaces).then_some(self.namespace.as_str())
    }
}

/// A kind, or one object of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub kind: Kind,
    pub name: Option<String>,
}

impl Target {
    /// Reads the words behind a command: `cj,jobs`, `pod a b`, `pod/a job/b`, `all`.
    pub(crate) fn parse_all(words: &[String]) -> Result<Vec<Target>, Failure> {
        let Some(first) = words.first() else {
            return Err(Failure::usage(format!("name a kind: {}", known_kinds())));
        };
        if first.contains('/') {
            return words.iter().map(|word| Target::parse_pair(word)).collect();
        }
        let kinds = parse_kinds(first)?;
        let names = &words[1..];
        if let Some(pair) = names.iter().find(|name| name.contains('/')) {
            let why = "there is no need to specify a resource type as a separate argument when \
                       passing arguments in resource/name form";
            return Err(Failure::usage(format!("{why}: {pair}")));
        }
        let mut targets = Vec::new();
        for kind in kinds {
            if names.is_empty() {
                targets.push(Target { kind, name: None });
            }
            targets.extend(names.iter().map(|name| Target { kind, name: Some(name.clone()) }));
        }
        Ok(targets)
    }

    /// `kind/name`
    pub(crate) fn parse_pair(word: &str) -> Result<Target, Failure> {
        match word.split_once('/') {
            Some((kind, name)) if !name.is_empty() && !name.contains('/') => {
                Ok(Target { kind: parse_kind(kind)?, name: Some(name.to_owned()) })
            }
            _ => Err(Failure::usage(format!(
                "arguments in resource/name form must have a single resource and name: {word}"
            ))),
        }
    }
}

fn parse_kinds(list: &str) -> Result<Vec<Kind>, Failure> {
    let mut kinds = Vec::new();
    for word in list.split(',') {
        match word {
            "all" => {
                let mut all: Vec<Kind> = Kind::ALL.to_vec();
                all.retain(|kind| kind.info().in_all);
                all.sort_by_key(|kind| (kind.info().group, kind.info().plural));
                kinds.extend(all);
            }
            word => kinds.push(parse_kind(word)?),
        }
    }
    Ok(kinds)
}

fn parse_kind(word: &str) -> Result<Kind, Failure> {
    let unknown =
        || Failure::usage(format!("there is no kind {word:?}; the kinds are {}", known_kinds()));
    Kind::from_name(word).ok_or_else(unknown)
}

fn known_kinds() -> String {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.info().plural).collect();
    names.join(", ")
}

/// How kubectl names an object: `cronjob.batch/hi`, `pod/web`.
pub(crate) fn full_name(kind: Kind, name: &str) -> String {
    format!("{}/{name}", full_kind(kind))
}

/// `cronjob.batch`, `pod`
pub(crate) fn full_kind(kind: Kind) -> String {
    let info = kind.info();
    match info.group {
        "" => info.singular.to_owned(),
        group => format!("{}.{group}", info.singular),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_objects_as_with_kubectl() {
        let check = |words: &[&str], want: Option<&[(Kind, Option<&str>)]>| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let found = Target::parse_all(&words).ok();
            let pairs = found.as_ref().map(|targets| {
                let pairs = targets.iter().map(|target| (target.kind, target.name.as_deref()));
                pairs.collect::<Vec<_>>()
            });
            assert_eq!(pairs.as_deref(), want, "{words:?}");
        };
        check(&["cj"], Some(&[(Kind::CronJob, None)]));
        check(&["cj,Job"], Some(&[(Kind::CronJob, None), (Kind::Job, None)]));
        check(&["pods", "a", "b"], Some(&[(Kind::Pod, Some("a")), (Kind::Pod, Some("b"))]));
        check(&["pod/a", "jobs.batch/b"], Some(&[(Kind::Pod, Some("a")), (Kind::Job, Some("b"))]));
        let all = [
            Kind::Pod,
            Kind::Service,
            Kind::DaemonSet,
            Kind::Deployment,
            Kind::ReplicaSet,
            Kind::StatefulSet,
            Kind::CronJob,
            Kind::Job,
        ];
        check(&["all"], Some(&all.map(|kind| (kind, None))));
        check(&[], None);
        check(&["pods", "pod/a"], None);
        check(&["pod/"], None);
        check(&["pod/a/b"], None);
        check(&["nonsense"], None);
    }
}
