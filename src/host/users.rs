//! Users and groups of the host, as `/etc/passwd` and `/etc/group` tell of them.

use std::fs;

/// An entry of `/etc/passwd`.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    /// Primary group.
    pub gid: u32,
    pub home: String,
}

/// Returns the first entry of a user.
pub fn of(uid: u32) -> Option<User> {
    find_user(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

/// The groups that list the user as a member.
pub fn groups_of(name: &str) -> Vec<u32> {
    fs::read_to_string("/etc/group").map_or_else(|_| Vec::new(), |text| memberships(&text, name))
}

fn find_user(passwd: &str, uid: u32) -> Option<User> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let found = fields.get(2)?.parse::<u32>().ok()? == uid;
        let home = fields.get(5).copied().unwrap_or_default().to_owned();
        let gid = fields.get(3)?.parse().ok()?;
        found.then(|| User { name: fields[0].to_owned(), gid, home })
    })
}

fn memberships(group: &str, name: &str) -> Vec<u32> {
    let member = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let listed = fields.get(3)?.split(',').any(|member| member == name);
        if listed { fields[2].parse().ok() } else { None }
    };
    group.lines().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_their_groups() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbackup:x:34:35::/var/backups:/bin/false\nbroken\n";
        let backup = User { name: "backup".into(), gid: 35, home: "/var/backups".into() };
        assert_eq!(find_user(passwd, 34), Some(backup));
        assert_eq!(find_user(passwd, 7), None);
        let group = "adm:x:4:backup,web\nbroken\ntape:x:26:backup\nnone:x:9:\n";
        assert_eq!(memberships(group, "backup"), [4, 26]);
    }
}
