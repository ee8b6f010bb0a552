//! What the API's verbs do to the store: admission, conflicts, generations.

use super::{DeleteOptions, Engine, Request};
use crate::kinds::action::View;
use crate::kinds::refused::Refused;
use crate::kinds::{Key, Kind, Object, admission, cron_job};
use std::sync::Arc;

/// Where objects go that name no namespace.
const DEFAULT_NAMESPACE: &str = "default";

impl Engine {
    /// Carries out one request, or leaves everything as it was.
    pub(super) fn request(&mut self, request: Request) -> Result<Object, Refused> {
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
        let admitted = self.admit(object)?;
        let key = admitted.key();
        if self.store.get(&key).is_some() {
            return Err(Refused::AlreadyExists(key));
        }
        self.create(admitted);
        self.current(&key)
    }

    fn request_update(&mut self, object: Object) -> Result<Object, Refused> {
        let key = object.key();
        let old = self.current(&key)?;
        check_preconditions(&old, &object)?;
        let mut new = admission::update(&old, object)?.object;
        if let (Object::CronJob(old), Object::CronJob(new)) = (&old, &mut new) {
            cron_job::keep_records(old, Arc::make_mut(new), self.turn.now);
        }
        self.put(new);
        self.collect_if_gone(&key);
        self.store.get(&key).map_or(Ok(old), Ok)
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
        if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != object.uid()) {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                object.uid()
            );
            return Err(Refused::Conflict { key: key.clone(), why });
        }
        if options.dry_run {
            return Ok(object);
        }
        match options.propagation.as_deref() {
            Some(policy @ ("Foreground" | "Orphan")) => {
                self.delete_with(key, policy);
                self.collect_if_gone(key);
            }
            _ => self.delete(key, options.grace_seconds),
        }
        Ok(self.store.get(key).unwrap_or(object))
    }

    fn request_apply(&mut self, mut object: Object, dry_run: bool) -> Result<Object, Refused> {
        object.default_namespace(DEFAULT_NAMESPACE);
        let key = object.key();
        let Some(old) = self.store.get(&key) else {
            if dry_run {
                return self.admit(object);
            }
            return self.request_create(object);
        };
        keep_what_tools_wrote(&old, &mut object);
        admission::carry_over(&old, &mut object);
        if dry_run {
            return admission::update(&old, object).map(|admitted| admitted.object);
        }
        self.request_update(object)
    }

    /// A new object with its uid, its defaults and, under `generateName`, its name.
    pub(super) fn admit(&mut self, object: Object) -> Result<Object, Refused> {
        let (uid, suffix) = (self.seed.uid(), self.seed.suffix());
        let identity = admission::Identity { uid: &uid, suffix: &suffix };
        let namespace = match object.namespace() {
            "" => DEFAULT_NAMESPACE.to_owned(),
            namespace => namespace.to_owned(),
        };
        admission::create(object, &namespace, &identity).map(|admitted| admitted.object)
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
            others: &self.store,
            quiet: self.quiet,
        };
        let (job, actions) = cron_job::plan::trigger(&cron_job, &view, force)
            .map_err(|why| Refused::Conflict { key: key.clone(), why })?;
        let planned = Object::CronJob(cron_job);
        actions.into_iter().for_each(|action| self.carry_out(&planned, action));
        self.current(&Key::new(Kind::Job, namespace, &job))
    }

    fn current(&self, key: &Key) -> Result<Object, Refused> {
        self.store.get(key).ok_or_else(|| Refused::NotFound(key.clone()))
    }
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

/// Annotations that belong to a tool and not to the manifest's author stay when a manifest is
/// applied.
fn keep_what_tools_wrote(old: &Object, new: &mut Object) {
    let of_tools = |name: &str| name.starts_with("kubectl.kubernetes.io/");
    let kept: Vec<(String, String)> = (old.meta().annotations.iter().flatten())
        .filter(|(name, _)| of_tools(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let meta = new.meta_mut();
    for (name, value) in kept {
        meta.annotations.get_or_insert_default().entry(name).or_insert(value);
    }
}
