//! What the API's verbs do to the store: admission, conflicts, generations.

use super::{DeleteOptions, Engine, Request};
use cronlet_api::admission::{self, Admitted};
use cronlet_api::applied::{self, ManifestFields};
use cronlet_api::cron_job::timing::keep_records;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_plan::controllers::cron_job::plan::trigger;
use cronlet_plan::plan::View;
use std::sync::Arc;

/// At most this many requests are carried out per turn, as many as the server has on their way.
const REQUESTS_PER_TURN_MAX: usize = 256;

/// Where objects go that name no namespace.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// An object that was admitted, and what it replaces.
pub(super) struct Applied {
    pub old: Option<Object>,
    pub new: Object,
}

impl Request {
    /// The object that it replaces; `None` where that is left to the engine.
    fn key(&self) -> Option<Key> {
        let mut key = match self {
            Request::Create(object) if object.name().is_empty() => return None,
            Request::Create(object)
            | Request::Update(object)
            | Request::UpdateStatus(object)
            | Request::Apply { object, .. } => object.key(),
            Request::Delete { key, .. } => return Some(key.clone()),
            Request::Trigger { .. } => return None,
        };
        if key.namespace.is_empty() && !key.kind.info().is_cluster_scoped {
            key.namespace = DEFAULT_NAMESPACE.into();
        }
        Some(key)
    }

    fn is_dry_run(&self) -> bool {
        match self {
            Request::Apply { dry_run, .. } => *dry_run,
            Request::Delete { options, .. } => options.dry_run,
            _ => false,
        }
    }
}

impl Engine {
    /// Carries out the request and answers it, unless its object changed since the last commit, or
    /// many were carried out: then it waits for the next turn.
    pub(super) fn take_request(&mut self, id: u64, request: Request) {
        let is_many = self.turn.requests >= REQUESTS_PER_TURN_MAX;
        if is_many || request.key().is_some_and(|key| self.store.is_staged(&key)) {
            return self.deferred.push((id, request));
        }
        self.turn.requests += 1;
        if request.is_dry_run() {
            self.turn.rehearsed.insert(id);
        }
        let reply = self.request(request);
        self.turn.effects.replies.push((id, reply));
    }

    /// After the commit: answers have the objects as they are now, with their resourceVersions; one
    /// that is deleted is as it last was.
    pub(super) fn read_back(&self, replies: &mut [(u64, Result<Object, Refused>)]) {
        for (id, reply) in replies {
            if let Ok(object) = reply
                && !self.turn.rehearsed.contains(id)
                && let Some(committed) = self.store.get(&object.key())
                && committed.uid() == object.uid()
            {
                *object = committed;
            }
        }
    }

    /// Carries out one request, or leaves everything as it was.
    fn request(&mut self, request: Request) -> Result<Object, Refused> {
        match request {
            Request::Create(object) => self.request_create(object),
            Request::Update(object) => self.request_update(object),
            Request::UpdateStatus(object) => self.request_update_status(object),
            Request::Delete { key, options } => self.request_delete(&key, &options),
            Request::Apply { object, dry_run } => self.request_apply(object, dry_run),
            Request::Trigger { namespace, cron_job, force } => {
                self.request_trigger(&namespace, &cron_job, force)
            }
        }
    }

    fn request_create(&mut self, object: Object) -> Result<Object, Refused> {
        let new = self.admit_new(object)?.object;
        Ok(self.put_applied(Applied { old: None, new }))
    }

    fn admit_new(&mut self, object: Object) -> Result<Admitted, Refused> {
        let admitted = self.admit(object)?;
        let key = admitted.object.key();
        match self.store.get(&key) {
            Some(_) => Err(Refused::AlreadyExists(key)),
            None => self.check_namespace(&admitted.object).map(|()| admitted),
        }
    }

    fn request_update(&mut self, object: Object) -> Result<Object, Refused> {
        let key = object.key();
        let old = self.current(&key)?;
        let new = self.admit_update(&old, object)?.object;
        Ok(self.put_applied(Applied { old: Some(old), new }))
    }

    fn admit_update(&self, old: &Object, object: Object) -> Result<Admitted, Refused> {
        check_preconditions(old, &object)?;
        let mut admitted = admission::update(old, object)?;
        if let (Object::CronJob(old), Object::CronJob(new)) = (old, &mut admitted.object) {
            keep_records(old, Arc::make_mut(new), self.turn.now);
        }
        Ok(admitted)
    }

    fn request_update_status(&mut self, object: Object) -> Result<Object, Refused> {
        let key = object.key();
        let old = self.current(&key)?;
        check_preconditions(&old, &object)?;
        self.put(admission::update_status(&old, object)?.object);
        self.current(&key)
    }

    fn request_delete(&mut self, key: &Key, options: &DeleteOptions) -> Result<Object, Refused> {
        let object = self.current(key)?;
        check_delete_preconditions(&object, options)?;
        if *key == Key::new(Kind::Namespace, "", DEFAULT_NAMESPACE) {
            let why = "namespaces \"default\" is forbidden: this namespace may not be deleted";
            return Err(Refused::Forbidden(why.to_owned()));
        }
        if options.dry_run {
            return Ok(object);
        }
        match options.propagation.as_deref() {
            Some(policy @ ("Foreground" | "Orphan")) => {
                self.delete_with(key, policy, options.grace_seconds);
                self.collect_if_gone(key);
            }
            _ => self.delete(key, options.grace_seconds),
        }
        Ok(self.store.get(key).unwrap_or(object))
    }

    fn request_apply(&mut self, object: Object, dry_run: bool) -> Result<Object, Refused> {
        let (applied, _) = self.admit_applied(object)?;
        match applied {
            Applied { new, .. } if dry_run => Ok(new),
            applied => Ok(self.put_applied(applied)),
        }
    }

    /// What a manifest says, admitted as a new object or as the next state of the one that is
    /// there; and warnings.
    pub(super) fn admit_applied(
        &mut self,
        mut object: Object,
    ) -> Result<(Applied, Vec<String>), Refused> {
        object.default_namespace(DEFAULT_NAMESPACE);
        let old = self.store.get(&object.key());
        let said = ManifestFields::by(&mut object);
        let mut admitted = match &old {
            None => self.admit_new(object)?,
            Some(old) => {
                applied::carry_over(old, &mut object);
                self.admit_update(old, object)?
            }
        };
        said.record(&mut admitted.object);
        Ok((Applied { old, new: admitted.object }, admitted.warnings))
    }

    /// Admits, as [`Engine::admit_applied`], an object that takes the place of another.
    pub(super) fn admit_again(
        &mut self,
        mut object: Object,
    ) -> Result<(Object, Vec<String>), Refused> {
        object.default_namespace(DEFAULT_NAMESPACE);
        let said = ManifestFields::by(&mut object);
        let mut admitted = self.admit(object)?;
        said.record(&mut admitted.object);
        Ok((admitted.object, admitted.warnings))
    }

    /// Stages what was admitted; the object as it is then, or last was.
    pub(super) fn put_applied(&mut self, Applied { old, new }: Applied) -> Object {
        let key = new.key();
        match &old {
            Some(_) => self.put(new),
            None => self.create(new),
        }
        let placed = self.store.get(&key).or(old).expect("it was created, or it was there");
        self.collect_dependent(&key);
        self.collect_if_gone(&key);
        self.store.get(&key).unwrap_or(placed)
    }

    /// A new object with its uid, its defaults and, under `generateName`, its name.
    pub(super) fn admit(&mut self, object: Object) -> Result<Admitted, Refused> {
        let (uid, suffix) = (self.seed.uid(), self.seed.suffix());
        let identity = admission::Identity { uid: &uid, suffix: &suffix };
        let namespace = match object.namespace() {
            "" => DEFAULT_NAMESPACE.to_owned(),
            namespace => namespace.to_owned(),
        };
        admission::create(object, &namespace, &identity)
    }

    fn request_trigger(
        &mut self,
        namespace: &str,
        name: &str,
        force: bool,
    ) -> Result<Object, Refused> {
        let key = Key::new(Kind::CronJob, namespace, name);
        let Object::CronJob(cron_job) = self.current(&key)? else {
            return Err(Refused::NotFound(key));
        };
        let owned = self.store.owned(cron_job.metadata.uid.as_deref().unwrap_or_default());
        let view = View {
            now: self.turn.now,
            steps: &self.steps,
            settings: &self.settings,
            owned: &owned,
            lookup: &self.host_view(),
            stopping: self.stopping,
        };
        let (job, actions) = trigger(&cron_job, &view, force)
            .map_err(|why| Refused::Conflict { key: key.clone(), why })?;
        let planned = Object::CronJob(cron_job);
        actions.into_iter().for_each(|action| self.carry_out(&key, &planned, action));
        self.current(&Key::new(Kind::Job, namespace, &job))
    }

    fn current(&self, key: &Key) -> Result<Object, Refused> {
        self.store.get(key).ok_or_else(|| Refused::NotFound(key.clone()))
    }
}

/// `BeforeDelete`
fn check_delete_preconditions(object: &Object, options: &DeleteOptions) -> Result<(), Refused> {
    let uid = object.uid();
    let version = object.meta().resource_version.as_deref().unwrap_or_default();
    let why = match (&options.uid, &options.resource_version) {
        (Some(wanted), _) if wanted != uid => format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The \
             object might have been deleted and then recreated"
        ),
        (_, Some(wanted)) if wanted != version => format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the \
             ResourceVersion in record ({version}). The object might have been modified"
        ),
        _ => return Ok(()),
    };
    Err(Refused::Precondition { key: object.key(), why })
}

fn check_preconditions(old: &Object, new: &Object) -> Result<(), Refused> {
    let conflict = |why: String| Err(Refused::Conflict { key: old.key(), why });
    let (was, wants) = (old.meta(), new.meta());
    if let Some(uid) = wants.uid.as_ref().filter(|uid| Some(*uid) != was.uid.as_ref()) {
        let is = old.uid();
        return conflict(format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {is}"
        ));
    }
    let version = wants.resource_version.as_deref().filter(|version| !version.is_empty());
    if version.is_some_and(|version| Some(version) != was.resource_version.as_deref()) {
        return conflict(
            "the object has been modified; please apply your changes to the latest version and \
             try again"
                .into(),
        );
    }
    Ok(())
}
