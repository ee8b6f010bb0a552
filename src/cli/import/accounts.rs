//! The host's users and groups, from the files that hold them.

use std::path::Path;

/// `/etc/passwd` and `/etc/group`.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    passwd: String,
    group: String,
}

/// What a job needs to run as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    pub uid: i64,
    pub gid: i64,
    /// Groups that list the user, besides its own.
    pub groups: Vec<i64>,
    pub home: String,
}

impl Accounts {
    /// Reads the files under `/etc`; an unreadable one knows nobody.
    pub(super) fn of_host() -> Accounts {
        let read = |path| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
        Accounts { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    pub(super) fn find(&self, name: &str) -> Option<Account> {
        self.first(|found, _| found == name)
    }

    pub(super) fn of(&self, uid: i64) -> Option<Account> {
        self.first(|_, found| found == uid)
    }

    fn first(&self, is_it: impl Fn(&str, i64) -> bool) -> Option<Account> {
        self.passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            is_it(name, uid).then(|| Account {
                name: name.to_owned(),
                uid,
                gid,
                groups: self.groups_of(name).filter(|group| *group != gid).collect(),
                home: home.to_owned(),
            })
        })
    }

    fn groups_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = i64> + 'a {
        self.group.lines().filter_map(move |line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [_, _, gid, members] = fields[..] else { return None };
            members.split(',').any(|member| member == name).then(|| gid.parse().ok())?
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A host with `root`, `mail`, and `joe`, who is in two groups.
    pub(crate) fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1000:Joe,,,:/home/joe:/bin/bash\n\
                     mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n"
                .into(),
            group: "root:x:0:\nadm:x:4:syslog,joe\njoe:x:1000:joe\nbackup:x:34:joe\n".into(),
        }
    }

    #[test]
    fn users_are_found_with_their_groups() {
        let joe = accounts().find("joe").expect("joe");
        assert_eq!(
            (joe.uid, joe.gid, &joe.groups, joe.home.as_str()),
            (1000, 1000, &vec![4, 34], "/home/joe")
        );
        assert!(accounts().find("root").expect("root").groups.is_empty());
        assert_eq!(accounts().of(1000), Some(joe));
        assert_eq!(accounts().of(1), None);
        assert_eq!(accounts().find("jo"), None);
        assert_eq!(accounts().find(""), None);
    }
}
