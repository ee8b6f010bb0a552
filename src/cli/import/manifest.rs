//! One entry of a crontab as a CronJob that does the same.

use super::accounts::{Account, Accounts};
use super::crontab::Entry;
use crate::kinds::cron_job::annotations;
use crate::kinds::cron_job::schedule::Zone;
use serde_json::{Map, Value, json};

/// What an entry became, and what it could not take along.
pub struct Imported {
    pub value: Value,
    /// One sentence each.
    pub remarks: Vec<String>,
}

/// What holds for all entries.
pub struct Setting<'a> {
    pub accounts: &'a Accounts,
    /// Who runs an entry that names no user: whose crontab it is.
    pub owner: Option<&'a str>,
    /// The zone that cron runs in.
    pub time_zone: &'a str,
}

/// cron starts what was missed for at most so long, after the clock was set forward or the host
/// slept.
const STARTING_DEADLINE_SECONDS: i64 = 300;

/// Where cron looks for programs, unless the crontab says.
const PATH: &str = "/usr/bin:/bin";

/// Variables for cron itself. All but a few have no counterpart.
const FOR_CRON: &[&str] =
    &["CONTENT_TRANSFER_ENCODING", "CONTENT_TYPE", "CRON_TZ", "MAILFROM", "MAILTO", "RANDOM_DELAY"];

pub fn cron_job(entry: &Entry, name: &str, setting: &Setting<'_>) -> Imported {
    let mut remarks = Vec::new();
    let mut suspend = entry.cadence.differs.is_some();
    remarks.extend(entry.cadence.differs.clone());
    remarks.extend(entry.cadence.remark.clone());
    let account = account(entry, setting, &mut remarks, &mut suspend);
    let mut spec = json!({
        "schedule": entry.cadence.schedule,
        "timeZone": time_zone(entry, setting, &mut remarks),
        "concurrencyPolicy": "Allow",
        "startingDeadlineSeconds": STARTING_DEADLINE_SECONDS,
        "jobTemplate": { "spec": {
            "backoffLimit": 0,
            "template": { "spec": pod(entry, name, account.as_ref(), &mut remarks) },
        }},
    });
    if suspend {
        spec["suspend"] = json!(true);
        remarks.push(
            "it is imported suspended: look at it, then let it run with `cronlet resume`".into(),
        );
    }
    let mut metadata = json!({ "name": name });
    let annotations = annotations(entry, &mut remarks);
    if !annotations.is_empty() {
        metadata["annotations"] = Value::Object(annotations);
    }
    let value = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec,
    });
    Imported { value, remarks }
}

fn annotations(entry: &Entry, remarks: &mut Vec<String>) -> Map<String, Value> {
    let mut found = Map::new();
    if !entry.comment.is_empty() {
        found.insert("kubernetes.io/description".into(), json!(entry.comment.join("\n").trim()));
    }
    if let Some(extended) = &entry.cadence.extended {
        found.insert(annotations::SCHEDULE.into(), json!(extended));
    }
    if let Some(delay) = entry.variables.get("RANDOM_DELAY") {
        match delay.parse::<u32>() {
            Ok(minutes @ 0..=1440) => {
                found.insert(annotations::JITTER.into(), json!(format!("{minutes}m")));
            }
            _ => remarks.push(format!(
                "RANDOM_DELAY={delay} is not carried over: it is no number of minutes"
            )),
        }
    }
    found
}

fn account(
    entry: &Entry,
    setting: &Setting<'_>,
    remarks: &mut Vec<String>,
    suspend: &mut bool,
) -> Option<Account> {
    let user = entry.user.as_deref().or(setting.owner)?;
    let account = setting.accounts.find(user);
    if account.is_none() {
        // Without its user it would run as whoever runs the daemon, which may be root.
        *suspend = true;
        remarks.push(format!(
            "the user {user} is not known on this host; set securityContext.runAsUser"
        ));
    }
    account
}

fn time_zone<'a>(entry: &'a Entry, setting: &Setting<'a>, remarks: &mut Vec<String>) -> &'a str {
    let Some(zone) = entry.variables.get("CRON_TZ") else { return setting.time_zone };
    match Zone::load(zone) {
        Ok(_) if !zone.is_empty() => zone,
        Err(error) => {
            remarks.push(format!("CRON_TZ={zone} is not carried over: {error}"));
            setting.time_zone
        }
        Ok(_) => setting.time_zone,
    }
}

fn pod(entry: &Entry, name: &str, account: Option<&Account>, remarks: &mut Vec<String>) -> Value {
    if entry.variables.get("MAILTO").is_some_and(|to| !to.is_empty()) {
        remarks.push(
            "MAILTO is not carried over: output is kept by `cronlet logs`, not mailed".into(),
        );
    }
    for name in ["MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"] {
        if entry.variables.contains_key(name) {
            remarks.push(format!("{name} is not carried over: it is about mail"));
        }
    }
    let mut container = json!({
        "name": name,
        // Nothing is pulled: the command is the host's own.
        "image": "host",
        "command": command(entry),
        "env": variables(entry, account),
    });
    let mut pod = json!({ "restartPolicy": "Never" });
    if let Some(account) = account {
        let home = entry.variables.get("HOME").unwrap_or(&account.home);
        if home.starts_with('/') {
            container["workingDir"] = json!(home);
        }
        let mut context = json!({ "runAsUser": account.uid, "runAsGroup": account.gid });
        if !account.groups.is_empty() {
            context["supplementalGroups"] = json!(account.groups);
        }
        pod["securityContext"] = context;
    }
    pod["containers"] = json!([container]);
    pod
}

/// The command in its shell. What it reads comes as a here-document; the outer shell gives way to
/// the command's.
fn command(entry: &Entry) -> Vec<String> {
    let shell = entry.variables.get("SHELL").map_or("/bin/sh", String::as_str);
    let words: Vec<&str> = match &entry.input {
        None => vec![shell, "-c", &entry.command],
        Some(input) => {
            let script = "exec \"$0\" -c \"$1\" <<.\n$2\n.\n";
            let input = input.strip_suffix('\n').unwrap_or(input);
            vec!["/bin/sh", "-c", script, shell, &entry.command, input]
        }
    };
    words.into_iter().map(unexpanded).collect()
}

fn variables(entry: &Entry, account: Option<&Account>) -> Vec<Value> {
    let mut all = entry.variables.clone();
    all.retain(|name, _| !FOR_CRON.contains(&name.as_str()));
    all.entry("PATH".into()).or_insert_with(|| PATH.into());
    all.entry("SHELL".into()).or_insert_with(|| "/bin/sh".into());
    if let Some(account) = account {
        all.entry("HOME".into()).or_insert_with(|| account.home.clone());
        all.insert("LOGNAME".into(), account.name.clone());
        all.insert("USER".into(), account.name.clone());
    }
    all.iter().map(|(name, value)| json!({ "name": name, "value": unexpanded(value) })).collect()
}

/// Kubernetes puts variables in place of `$(NAME)` and reads `$$` as `$`; a crontab's text has
/// neither.
fn unexpanded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '$' && matches!(chars.peek(), Some('$' | '(')) {
            out.push('$');
        }
    }
    out
}
