//! The list of kinds: their names on the wire, and one closed enum of objects.
//!
//! To add a kind: a folder here and a line in `kinds!`; server, cli and sim read the list.

use k8s_openapi::api::{batch::v1 as batch, core::v1 as core};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

pub mod action;
pub mod admission;
pub mod check;
pub mod columns;
pub mod config_map;
pub mod cron_job;
pub mod event;
pub mod job;
pub mod meta;
pub mod names;
pub mod pod;
pub mod quantity;
pub mod refused;
pub mod secret;
pub mod selector;

/// How a kind is named in URLs, in manifests and on the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// API group; empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    /// `kind:` of a manifest, such as `CronJob`.
    pub kind: &'static str,
    /// The resource in URLs, such as `cronjobs`.
    pub plural: &'static str,
    pub singular: &'static str,
    pub short_names: &'static [&'static str],
    /// Part of `kubectl get all`.
    pub in_all: bool,
    /// Has a `status` subresource.
    pub has_status: bool,
}

impl KindInfo {
    /// `batch/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }
}

macro_rules! kinds {
    ($($kind:ident: $type:ty = $group:literal, $plural:literal, $singular:literal,
        [$($short:literal),*], in_all $in_all:literal, status $status:literal;)*) => {
        /// Every kind that cronlet knows. All are namespaced, version `v1`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum Kind { $($kind,)* }

        /// One object of any kind; cheap to clone.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Object { $($kind(Arc<$type>),)* }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            pub fn info(self) -> &'static KindInfo {
                match self {
                    $(Kind::$kind => &KindInfo {
                        group: $group, version: "v1", kind: stringify!($kind), plural: $plural,
                        singular: $singular, short_names: &[$($short),*], in_all: $in_all,
                        has_status: $status,
                    },)*
                }
            }

            /// Reads an object of this kind from Kubernetes' JSON; unknown fields are passed over.
            pub fn read_json(self, json: &[u8]) -> serde_json::Result<Object> {
                self.deserialize(&mut serde_json::Deserializer::from_slice(json))
            }

            /// Reads an object of this kind from any serde source, so that a caller can watch
            /// paths.
            pub fn deserialize<'de, D>(self, from: D) -> Result<Object, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                match self {
                    $(Kind::$kind => <$type as serde::Deserialize>::deserialize(from)
                        .map(|object| Object::$kind(Arc::new(object))),)*
                }
            }
        }

        impl Object {
            pub fn kind(&self) -> Kind {
                match self { $(Object::$kind(_) => Kind::$kind,)* }
            }

            pub fn meta(&self) -> &ObjectMeta {
                match self { $(Object::$kind(object) => &object.metadata,)* }
            }

            /// Copies the object first if it is shared.
            pub fn meta_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Object::$kind(object) => &mut Arc::make_mut(object).metadata,)* }
            }
        }

        impl serde::Serialize for Object {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self { $(Object::$kind(object) => object.serialize(to),)* }
            }
        }

        $(impl From<$type> for Object {
            fn from(object: $type) -> Object { Object::$kind(Arc::new(object)) }
        })*
    };
}

kinds! {
    ConfigMap: core::ConfigMap = "", "configmaps", "configmap", ["cm"], in_all false, status false;
    CronJob: batch::CronJob = "batch", "cronjobs", "cronjob", ["cj"], in_all true, status true;
    Event: core::Event = "", "events", "event", ["ev"], in_all false, status false;
    Job: batch::Job = "batch", "jobs", "job", [], in_all true, status true;
    Pod: core::Pod = "", "pods", "pod", ["po"], in_all true, status true;
    Secret: core::Secret = "", "secrets", "secret", [], in_all false, status false;
}

/// What shall be done about an object, given all that may be known. Kinds that only hold data plan
/// nothing.
pub fn plan(
    object: &Object,
    observed: &pod::observed::PodObserved,
    view: &action::View,
) -> action::Plan {
    match object {
        Object::CronJob(cron_job) => cron_job::plan::plan(cron_job, view),
        Object::Job(job) => job::plan::plan(job, view),
        Object::Pod(pod) => pod::plan::plan(pod, observed, view),
        Object::ConfigMap(_) | Object::Event(_) | Object::Secret(_) => action::Plan::default(),
    }
}

impl Kind {
    /// By any name that kubectl takes: `CronJob`, `cronjob`, `cronjobs`, `cj`, `cronjobs.batch`.
    pub fn from_name(name: &str) -> Option<Kind> {
        let name = name.to_ascii_lowercase();
        let bare = name.split('.').next().unwrap_or_default();
        Kind::ALL.iter().copied().find(|kind| {
            let info = kind.info();
            [info.plural, info.singular].contains(&bare) || info.short_names.contains(&bare)
        })
    }
}

/// What names one object on this host.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Key {
    pub kind: Kind,
    pub namespace: Box<str>,
    pub name: Box<str>,
}

impl Key {
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Key {
        Key { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} in {}", self.kind.info().singular, self.name, self.namespace)
    }
}

impl Object {
    pub fn key(&self) -> Key {
        Key::new(self.kind(), self.namespace(), self.name())
    }

    pub fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    pub fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }

    pub fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    /// The uid of the owner that controls this object (`metadata.ownerReferences[].controller`).
    pub fn controller_uid(&self) -> Option<&str> {
        let owners = self.meta().owner_references.as_deref().unwrap_or_default();
        owners.iter().find(|o| o.controller == Some(true)).map(|o| o.uid.as_str())
    }

    /// Was its deletion asked for (`metadata.deletionTimestamp`)?
    pub fn is_going(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("Kubernetes' types always serialize")
    }
}
