//! The list of kinds: their names on the wire, and one closed enum of objects.
//!
//! To add a kind: a folder with its strategy beside this file, and a line in `kinds!`.

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::{Arc, LazyLock};
/// Names of a kind in URLs, in manifests and on the command line, and its traits.
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
    /// True if `kubectl get all` includes the kind.
    pub in_all: bool,
    /// True if the kind has a `status` subresource.
    pub has_status: bool,
    /// True if the kind belongs to no namespace: its objects' is empty.
    pub is_cluster_scoped: bool,
    /// True if the kind has a `scale` subresource.
    pub has_scale: bool,
    /// True if the kind creates objects and controls them: its plan sees these.
    pub controls: bool,
}

impl KindInfo {
    /// Values of a kind before its names and the flags that `kinds!` sets.
    const PLAIN: KindInfo = KindInfo {
        group: "",
        version: "v1",
        kind: "",
        plural: "",
        singular: "",
        short_names: &[],
        in_all: false,
        has_status: false,
        is_cluster_scoped: false,
        has_scale: false,
        controls: false,
    };

    /// Returns `batch/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }
}

macro_rules! kinds {
    (($dollar:tt) $($kind:ident: $type:ty = $group:literal, $plural:literal, $singular:literal,
        [$($short:literal),*], {$($flag:ident),*};)*) => {
        /// Calls another macro with its arguments and with the names of all kinds.
        macro_rules! each_kind {
            ($dollar then:ident $dollar arguments:tt) => {
                $dollar then!($dollar arguments $($kind)*)
            };
        }
        pub(crate) use each_kind;

        /// The type of each kind, by the kind's name.
        pub mod types {
            use super::{apps, batch, core};

            $(pub type $kind = $type;)*
        }

        /// Every kind that cronlet serves, in version `v1`. An owner comes before what it owns.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum Kind { $($kind,)* }

        /// An object of any kind; cheap to clone.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Object { $($kind(Arc<$type>),)* }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            pub fn info(self) -> &'static KindInfo {
                match self {
                    $(Kind::$kind => const { &KindInfo {
                        group: $group, kind: stringify!($kind), plural: $plural,
                        singular: $singular, short_names: &[$($short),*], $($flag: true,)*
                        ..KindInfo::PLAIN
                    } },)*
                }
            }

            /// Reads an object of this kind from Kubernetes' JSON; unknown fields are ignored.
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

            /// Returns the metadata to change; copies the object first if it is shared.
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
    ($)
    ConfigMap: core::ConfigMap = "", "configmaps", "configmap", ["cm"], {};
    CronJob: batch::CronJob = "batch", "cronjobs", "cronjob", ["cj"],
        {in_all, has_status, controls};
    DaemonSet: apps::DaemonSet = "apps", "daemonsets", "daemonset", ["ds"],
        {in_all, has_status, controls};
    Deployment: apps::Deployment = "apps", "deployments", "deployment", ["deploy"],
        {in_all, has_status, has_scale, controls};
    Event: core::Event = "", "events", "event", ["ev"], {};
    Job: batch::Job = "batch", "jobs", "job", [], {in_all, has_status, controls};
    Namespace: core::Namespace = "", "namespaces", "namespace", ["ns"],
        {has_status, is_cluster_scoped};
    Node: core::Node = "", "nodes", "node", ["no"], {has_status, is_cluster_scoped};
    ReplicaSet: apps::ReplicaSet = "apps", "replicasets", "replicaset", ["rs"],
        {in_all, has_status, has_scale, controls};
    Secret: core::Secret = "", "secrets", "secret", [], {};
    Service: core::Service = "", "services", "service", ["svc"], {in_all, has_status};
    StatefulSet: apps::StatefulSet = "apps", "statefulsets", "statefulset", ["sts"],
        {in_all, has_status, has_scale, controls};
    ControllerRevision: apps::ControllerRevision = "apps", "controllerrevisions",
        "controllerrevision", [], {};
    PersistentVolume: core::PersistentVolume = "", "persistentvolumes", "persistentvolume", ["pv"],
        {has_status, is_cluster_scoped};
    PersistentVolumeClaim: core::PersistentVolumeClaim = "", "persistentvolumeclaims",
        "persistentvolumeclaim", ["pvc"], {has_status};
    Pod: core::Pod = "", "pods", "pod", ["po"], {in_all, has_status};
}

impl Kind {
    /// Finds a kind by its name in manifests, such as `CronJob`.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.info().kind == name)
    }

    /// Finds a kind by any name that kubectl takes: `CronJob`, `cronjob`, `cronjobs`, `cj`,
    /// `cronjobs.batch`.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::named(name).or_else(|| {
            let name = name.to_ascii_lowercase();
            let bare = name.split('.').next().unwrap_or_default();
            Kind::ALL.iter().copied().find(|kind| {
                let info = kind.info();
                [info.plural, info.singular].contains(&bare) || info.short_names.contains(&bare)
            })
        })
    }
}

/// A map by keys, uids or the like, with a fast hash since look-ups are frequent.
pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// The identity of an object on this host; cheap to clone.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Key {
    pub kind: Kind,
    #[serde(with = "shared_text")]
    pub namespace: Arc<str>,
    #[serde(with = "shared_text")]
    pub name: Arc<str>,
}

impl Key {
    /// Creates a key; the namespace is ignored if the kind has none.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Key {
        let namespace = if kind.info().is_cluster_scoped { "" } else { namespace };
        Key { kind, namespace: shared_namespace(namespace), name: name.into() }
    }
}

/// Returns a namespace's name; `default`, the one of most objects, is shared and not copied.
fn shared_namespace(name: &str) -> Arc<str> {
    static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());
    if name == "default" { DEFAULT.clone() } else { name.into() }
}

/// Conversion of an `Arc<str>` to and from a string on the wire.
mod shared_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind.info().singular, self.name)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(f, " in {}", self.namespace) }
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

    /// Puts the object into a namespace; one of a cluster-scoped kind has none.
    pub fn set_namespace(&mut self, namespace: &str) {
        let is_namespaced = !self.kind().info().is_cluster_scoped;
        self.meta_mut().namespace = is_namespaced.then(|| namespace.to_owned());
    }

    /// Puts the object into a namespace if it has none, like [`Object::set_namespace`].
    pub fn default_namespace(&mut self, namespace: &str) {
        if self.namespace().is_empty() || self.kind().info().is_cluster_scoped {
            self.set_namespace(namespace);
        }
    }

    pub fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    /// Returns the uid of the owner that controls this object
    /// (`metadata.ownerReferences[].controller`).
    pub fn controller_uid(&self) -> Option<&str> {
        let owners = self.meta().owner_references.as_deref().unwrap_or_default();
        owners.iter().find(|o| o.controller == Some(true)).map(|o| o.uid.as_str())
    }

    /// Removes an owner by its uid (`ownerReferences`), and the list with its last owner.
    pub fn disown(&mut self, owner_uid: &str) {
        let owners = &mut self.meta_mut().owner_references;
        owners.iter_mut().for_each(|list| list.retain(|owner| owner.uid != owner_uid));
        owners.take_if(|list| list.is_empty());
    }

    /// True if its deletion was requested (`metadata.deletionTimestamp`).
    pub fn is_going(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(4096);
        self.write_json(&mut json);
        json
    }

    /// Appends the object's JSON.
    pub fn write_json(&self, to: &mut Vec<u8>) {
        serde_json::to_writer(to, self).expect("Kubernetes' types always serialize");
    }
}
