//! Writes that name a resourceVersion: of those that name the same one, at most one is
//! acknowledged, and what was acknowledged stays. A counter shows both: each writer raises by one
//! what it read.

use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::seed::Seed;
use cronlet_engine::Request;
use cronlet_engine::store::Reader;
use serde_json::json;
use std::collections::BTreeSet;

/// At most this many writers read the same.
const WRITERS_MAX: u64 = 5;

const NAME: &str = "counter";

/// A ConfigMap that counts its own writes.
pub(crate) struct Counter {
    /// Its own, so that the rest of a life is drawn as without it.
    seed: Seed,
    /// `None` before it was made.
    acknowledged: Option<u64>,
    /// Versions that an acknowledged write named.
    won: BTreeSet<String>,
    /// True if the power failed amid a write: it may be there, though it was not acknowledged.
    doubtful: bool,
    /// Version that a slow writer read.
    stale: Option<Object>,
}

impl Counter {
    pub(crate) fn new(seed: Seed) -> Counter {
        let (acknowledged, won, doubtful, stale) = (None, BTreeSet::new(), false, None);
        Counter { seed, acknowledged, won, doubtful, stale }
    }

    /// Several writes of what is there now, and sometimes one of what was there before.
    pub(crate) fn draw(&mut self, reader: &Reader) -> Vec<Request> {
        let Some(now) = reader.get(&key()) else {
            return vec![Request::Create(counter(None, 0))];
        };
        let stale = self.stale.take_if(|_| self.seed.below(2) == 0);
        let writers = 1 + self.seed.below(WRITERS_MAX);
        let read = (0..writers).map(|_| &now).chain(&stale);
        let raised = |read: &Object| {
            let version = read.meta().resource_version.as_deref();
            Request::Update(counter(version, count(read) + 1))
        };
        let requests = read.map(raised).collect();
        self.stale.get_or_insert(now);
        requests
    }

    pub(crate) fn is_asked(request: &Request) -> bool {
        let (Request::Create(object) | Request::Update(object)) = request else { return false };
        object.key() == key()
    }

    /// The power failed when this was asked.
    pub(crate) fn doubt(&mut self) {
        self.doubtful = true;
    }

    pub(crate) fn acknowledge(&mut self, asked: &Request, answer: &Object) -> Result<(), String> {
        let (Request::Create(wanted) | Request::Update(wanted)) = asked else { return Ok(()) };
        if count(answer) != count(wanted) {
            return Err(format!("an answer says {}, not {}", count(answer), count(wanted)));
        }
        if let Some(version) = &wanted.meta().resource_version
            && !self.won.insert(version.clone())
        {
            return Err(format!("two writes of version {version} were acknowledged"));
        }
        self.acknowledged = Some(self.acknowledged.map_or(0, |count| count + 1));
        Ok(())
    }

    /// After a commit and after a start.
    pub(crate) fn check(&mut self, reader: &Reader) -> Result<(), String> {
        let there = reader.get(&key()).map(|object| count(&object));
        let next = Some(self.acknowledged.map_or(0, |count| count + 1));
        if std::mem::take(&mut self.doubtful) && there == next {
            self.acknowledged = there;
        }
        match there == self.acknowledged {
            true => Ok(()),
            false => Err(format!(
                "the counter is {there:?}, and {:?} was acknowledged",
                self.acknowledged
            )),
        }
    }
}

fn key() -> Key {
    Key::new(Kind::ConfigMap, "default", NAME)
}

fn counter(version: Option<&str>, count: u64) -> Object {
    let manifest = json!({
        "metadata": {"name": NAME, "namespace": "default", "resourceVersion": version},
        "data": {"count": count.to_string()},
    });
    Kind::ConfigMap.deserialize(manifest).expect("a ConfigMap by construction")
}

fn count(object: &Object) -> u64 {
    let Object::ConfigMap(map) = object else { unreachable!("the key is a ConfigMap's") };
    let count = map.data.as_ref().and_then(|data| data.get("count"));
    count.and_then(|text| text.parse().ok()).expect("it is a number by construction")
}
