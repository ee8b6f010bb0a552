//! The owner of a crontab's commands. A crontab without users is its owner's, and a command must
//! never run with more rights than it had under cron: where that is in doubt, its entries are
//! suspended.

use super::accounts::Accounts;
use super::crontab::{Crontab, Style};
use super::shell;
use std::path::{Path, PathBuf};

/// The user who imports, and what the host knows of users and programs.
pub(super) struct Host {
    pub accounts: Accounts,
    /// The effective user.
    pub uid: i64,
    /// The user behind `sudo` or `doas`.
    pub behind: Option<String>,
    /// Folders in which programs lie.
    pub folders: Vec<PathBuf>,
}

/// The user that runs the entries of a crontab without a user field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Whose {
    pub user: Option<String>,
    /// A sentence on how the user was found.
    pub note: Option<String>,
    /// A sentence on why that may be wrong: entries are suspended.
    pub doubt: Option<String>,
}

/// How a crontab is laid out, by its content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    User,
    System,
    /// Some lines, from 1, may have a user before their command.
    Mixed(Vec<usize>),
}

impl Host {
    pub(super) fn this() -> Host {
        let uid = i64::from(rustix::process::geteuid().as_raw());
        let behind = ["SUDO_USER", "DOAS_USER"].iter().find_map(|name| std::env::var(name).ok());
        let folders = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"];
        let folders = folders.map(|folder| Path::new("/").join(folder)).to_vec();
        let behind = behind.filter(|name| !name.is_empty());
        Host { accounts: Accounts::of_host(), uid, behind, folders }
    }

    fn has_program(&self, name: &str) -> bool {
        self.folders.iter().any(|folder| folder.join(name).is_file())
    }
}

/// Finds whose a crontab is that names no user, of an importer and the file's owner (by uid).
pub(super) fn whose(host: &Host, file_owner: Option<i64>) -> Whose {
    let behind = host.behind.as_deref().filter(|_| host.uid == 0);
    let importer = match behind {
        Some(name) => host.accounts.find(name),
        None => host.accounts.of(host.uid),
    };
    let Some(importer) = importer else {
        let doubt = "it is not clear whose crontab this is: the importing user is not known on \
                     this host; say --user NAME";
        return Whose { doubt: Some(doubt.into()), ..Whose::default() };
    };
    let by_owner = file_owner.filter(|uid| *uid != 0 && *uid != importer.uid);
    let name = importer.name;
    let Some(owner) = by_owner else {
        let note = format!(
            "taken for the crontab of {name}, who imports it: its commands run as {name} (--user \
             NAME for another)"
        );
        return Whose { user: Some(name), note: Some(note), doubt: None };
    };
    match host.accounts.of(owner) {
        Some(owner) if importer.uid == 0 => {
            let owner = owner.name;
            let note = format!(
                "taken for the crontab of {owner}, who owns the file: its commands run as {owner} \
                 (--user NAME for another)"
            );
            Whose { user: Some(owner), note: Some(note), doubt: None }
        }
        owner => {
            let owner = owner.map_or_else(|| format!("user {by_owner:?}"), |owner| owner.name);
            let doubt = format!(
                "it is not clear whose crontab this is: the file belongs to {owner}, and {name} \
                 imports it; say --user NAME"
            );
            Whose { user: Some(name), note: None, doubt: Some(doubt) }
        }
    }
}

/// How likely the first word of a command is a user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// A user of this host and no program.
    User,
    /// It has the form of a user's name, and a command follows.
    Maybe,
    Command,
}

/// Decides by the first word of each command, of a crontab read as a user's: in a system crontab
/// it is a user on every line.
pub(super) fn layout(crontab: &Crontab, host: &Host) -> Layout {
    let signs: Vec<(usize, Sign)> =
        crontab.entries.iter().map(|entry| (entry.line, sign(&entry.command, host))).collect();
    let has = |sign: Sign| signs.iter().any(|(_, one)| *one == sign);
    if !has(Sign::Command) && !signs.is_empty() {
        return Layout::System;
    }
    let users = signs.iter().filter(|(_, sign)| *sign == Sign::User);
    let lines: Vec<usize> = users.map(|(line, _)| *line).collect();
    if lines.is_empty() { Layout::User } else { Layout::Mixed(lines) }
}

fn sign(command: &str, host: &Host) -> Sign {
    let Some((word, rest)) = command.split_once([' ', '\t']) else { return Sign::Command };
    let rest = rest.trim_start();
    let begins_a_command = !rest.is_empty() && !rest.starts_with(['-', '|', '&', ';', '<', '>']);
    if !begins_a_command || !is_user_name(word) {
        return Sign::Command;
    }
    let is_program = host.has_program(word) || shell::is_word_of_shell(word);
    let is_user = host.accounts.find(word).is_some();
    match (is_user, is_program) {
        (true, false) => Sign::User,
        (is_user, is_program) if is_user || !is_program => {
            let next = rest.split([' ', '\t', ';', '|', '&']).next().unwrap_or_default();
            if runs(next, host) { Sign::Maybe } else { Sign::Command }
        }
        _ => Sign::Command,
    }
}

/// True if a command may begin with the word.
fn runs(word: &str, host: &Host) -> bool {
    let path = Path::new(word);
    let is_assignment = word.split_once('=').is_some_and(|(name, _)| is_user_name(name));
    (path.is_absolute() && !path.is_dir())
        || is_assignment
        || shell::is_word_of_shell(word)
        || host.has_program(word)
}

fn is_user_name(word: &str) -> bool {
    let first = word.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

impl Style {
    /// Style of a file by its place: `None` if the place says nothing.
    pub(super) fn of(path: &Path) -> Option<Style> {
        let is_system = path == Path::new("/etc/crontab")
            || path.parent().is_some_and(|folder| folder == Path::new("/etc/cron.d"));
        if is_system { Some(Style::System) } else { spool_owner(path).map(|_| Style::User) }
    }
}

/// Returns `joe` for `/var/spool/cron/crontabs/joe`.
pub(super) fn spool_owner(path: &Path) -> Option<&str> {
    let folders = ["/var/spool/cron/crontabs", "/var/spool/cron"];
    let in_spool = folders.iter().any(|folder| path.parent() == Some(Path::new(folder)));
    path.file_name().filter(|_| in_spool)?.to_str()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::accounts::tests::accounts;
    use super::super::crontab;
    use super::*;

    /// A host with one program that is a user too, of an importing root.
    pub(crate) fn host(programs: &Path) -> Host {
        for program in ["mail", "date", "certbot"] {
            std::fs::write(programs.join(program), "").expect("it is written");
        }
        Host { accounts: accounts(), uid: 0, behind: None, folders: vec![programs.to_owned()] }
    }

    #[test]
    fn a_system_crontab_is_known_by_its_sixth_field() {
        let programs = tempfile::tempdir().expect("a folder");
        let host = host(programs.path());
        let check = |commands: &[&str], want: Layout| {
            let lines: String =
                commands.iter().map(|command| format!("* * * * * {command}\n")).collect();
            let crontab = crontab::read(lines.as_bytes(), Style::User);
            assert_eq!(layout(&crontab, &host), want, "{commands:?}");
        };
        check(&["root /x", "joe cd /srv && ./y"], Layout::System);
        check(&["root test -x /x", "away /usr/bin/x"], Layout::System);
        check(&["away A=b certbot renew"], Layout::System);
        check(&["mail /usr/bin/x", "root y"], Layout::System);
        check(&["./x", "/y z", "date", "mail -s hi joe"], Layout::User);
        check(&["mail joe < /x"], Layout::User);
        check(&["certbot renew", "date +%s"], Layout::User);
        check(&["mytool create", "cd / && x"], Layout::User);
        check(&["root /x", "./y"], Layout::Mixed(vec![1]));
        check(&["root"], Layout::User);
        check(&[], Layout::User);
    }

    #[test]
    fn an_owner_is_who_imports_or_owns_and_doubt_is_said() {
        let programs = tempfile::tempdir().expect("a folder");
        let check = |uid, behind: Option<&str>, owner, user: Option<&str>, is_clear: bool| {
            let behind = behind.map(str::to_owned);
            let found = whose(&Host { uid, behind, ..host(programs.path()) }, owner);
            let case = format!("{uid} {owner:?}: {found:?}");
            assert_eq!(found.user.as_deref(), user, "{case}");
            assert_eq!(found.doubt.is_none(), is_clear, "{case}");
            assert_ne!(found.note.is_some(), found.doubt.is_some(), "{case}");
        };
        check(0, None, None, Some("root"), true);
        check(0, None, Some(0), Some("root"), true);
        check(0, None, Some(1000), Some("joe"), true);
        check(0, None, Some(4711), Some("root"), false);
        check(0, Some("joe"), None, Some("joe"), true);
        check(0, Some("joe"), Some(0), Some("joe"), true);
        check(0, Some("joe"), Some(4711), Some("joe"), false);
        check(0, Some("nobody-here"), None, None, false);
        check(1000, Some("root"), Some(1000), Some("joe"), true);
        check(1000, None, None, Some("joe"), true);
        check(4711, None, None, None, false);
    }
}
