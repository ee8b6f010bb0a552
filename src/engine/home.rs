//! Where objects are at home: this host's Node, and Namespaces.
//!
//! A cluster refuses an object whose Namespace nobody made. Here a folder of manifests is all there
//! is, so the first object makes it.

use super::Engine;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_plan::controllers::node::host;
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Engine {
    /// What is there before anyone asks for anything; a Node as the settings say.
    pub(super) fn keep_node_and_namespaces(&mut self) {
        self.make_namespace(super::requests::DEFAULT_NAMESPACE);
        let key = Key::new(Kind::Node, "", &self.settings.node_name);
        let before = match self.store.get(&key) {
            Some(Object::Node(node)) => Some(node),
            _ => None,
        };
        let is_new = before.is_none();
        let node = host::node(before.map(Arc::unwrap_or_clone), &self.settings, self.turn.now);
        match is_new {
            true => self.admit_own(node),
            false => self.put(node.into()),
        }
        self.leave_earlier_names();
    }

    /// The host was called otherwise before, and was other Nodes.
    fn leave_earlier_names(&mut self) {
        for key in self.store.keys(Kind::Node) {
            if *key.name != *self.settings.node_name
                && let Some(Object::Node(node)) = self.store.get(&key)
            {
                self.put(host::left(Arc::unwrap_or_clone(node), self.turn.now).into());
            }
        }
    }

    fn admit_own(&mut self, node: Node) {
        let status = node.status.clone();
        if let Ok(mut admitted) = self.admit(node.into()) {
            if let Object::Node(node) = &mut admitted.object {
                Arc::make_mut(node).status = status;
            }
            self.create(admitted.object);
        }
    }

    /// Makes the Namespace unless it is there; the empty name is none.
    pub(super) fn make_namespace(&mut self, name: &str) {
        let key = Key::new(Kind::Namespace, "", name);
        if name.is_empty() || self.store.get(&key).is_some() {
            return;
        }
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        if let Ok(admitted) = self.admit(namespace.into()) {
            self.create(admitted.object);
        }
    }

    /// Nothing new comes into a Namespace that goes (`NamespaceLifecycle`).
    pub(super) fn check_namespace(&self, object: &Object) -> Result<(), Refused> {
        let name = object.namespace();
        match self.is_closing(name) {
            true => Err(Refused::Forbidden(format!(
                "{} {:?} is forbidden: unable to create new content in namespace {name} because \
                 it is being terminated",
                object.kind().info().plural,
                object.name()
            ))),
            false => Ok(()),
        }
    }

    /// Whether the Namespace of this name is going.
    pub(super) fn is_closing(&self, namespace: &str) -> bool {
        self.closing.contains(namespace)
    }

    /// Keeps in mind a Namespace that goes from now on, and this host as it is now.
    pub(super) fn note_home(&mut self, object: &Object) {
        match object {
            Object::Namespace(_) if object.is_going() => {
                self.closing.insert(object.name().to_owned());
            }
            Object::Node(node) if object.name() == self.settings.node_name => {
                self.node = Some(node.clone());
                self.queue.node_changed();
            }
            _ => {}
        }
    }

    /// The same by what the store holds.
    pub(super) fn find_home(&mut self) {
        (self.closing, self.node) = (BTreeSet::new(), None);
        let kinds = [Kind::Namespace, Kind::Node];
        let keys = kinds.iter().flat_map(|kind| self.store.keys(*kind));
        let found: Vec<Object> = keys.filter_map(|key| self.store.get(&key)).collect();
        found.iter().for_each(|object| self.note_home(object));
    }

    /// The Namespace of what was removed may have waited for that.
    pub(super) fn touch_namespace(&mut self, removed: &Object) {
        if removed.kind() == Kind::Namespace {
            self.closing.remove(removed.name());
        }
        if self.is_closing(removed.namespace()) {
            self.dirty.insert(Key::new(Kind::Namespace, "", removed.namespace()));
        }
    }
}
