//! A map that remembers the order in which its keys first came: what is staged gets its versions in
//! that order.

use cronlet_api::kind::Map;
use std::borrow::Borrow;
use std::hash::Hash;

pub(super) struct InOrder<K, V> {
    places: Map<K, usize>,
    values: Vec<(K, V)>,
}

impl<K, V> Default for InOrder<K, V> {
    fn default() -> Self {
        InOrder { places: Map::default(), values: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash, V> InOrder<K, V> {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if self.values.is_empty() {
            return None;
        }
        self.places.get(key).map(|at| &self.values[*at].1)
    }

    /// A key that is there keeps its place.
    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.places.get(&key) {
            Some(at) => self.values[*at].1 = value,
            None => {
                self.places.insert(key.clone(), self.values.len());
                self.values.push((key, value));
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.values.iter()
    }
}

impl<K, V> IntoIterator for InOrder<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}
