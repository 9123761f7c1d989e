//! Who a process is: `user[:group]` as given, looked up in the container's own files. Pure.

use crate::failure::{Failure, FailureKind};

/// A process's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its user.
    pub(crate) user: u32,
    /// Its group.
    pub(crate) group: u32,
    /// Its further groups.
    pub(crate) groups: Vec<u32>,
    /// The user's home.
    pub(crate) home: String,
}

/// Looks `user` up in these texts of `/etc/passwd` and `/etc/group`, with `further` groups.
///
/// Without a user it is 0. A number that is in no file is taken as it is, with group 0. A group that is said leaves
/// out those which the user is a member of.
pub(crate) fn identity(
    user: &str,
    further: &[String],
    passwd: &str,
    group: &str,
) -> Result<Identity, Failure> {
    let (user_text, group_text) = user.split_once(':').unwrap_or((user, ""));
    let user_text = if user_text.is_empty() { "0" } else { user_text };
    let number = user_text.parse::<u32>().ok();
    let line = passwd
        .lines()
        .filter_map(PasswdLine::parse)
        .find(|line| line.name == user_text || Some(line.user) == number);
    let mut identity = match (&line, number) {
        (Some(line), _) => Identity {
            user: line.user,
            group: line.group,
            groups: Vec::new(),
            home: line.home.to_owned(),
        },
        (None, Some(user)) if user <= i32::MAX.unsigned_abs() => Identity {
            user,
            group: 0,
            groups: Vec::new(),
            home: "/".to_owned(),
        },
        (None, Some(_)) => {
            return Err(Failure::new(
                FailureKind::User,
                "uids and gids must be in range 0-2147483647",
            ));
        }
        (None, None) => {
            let message =
                format!("unable to find user {user_text}: no matching entries in passwd file");
            return Err(Failure::new(FailureKind::User, message));
        }
    };
    if group_text.is_empty() {
        if let Some(line) = &line {
            identity.groups = group
                .lines()
                .filter_map(GroupLine::parse)
                .filter(|entry| entry.members.split(',').any(|member| member == line.name))
                .map(|entry| entry.group)
                .collect();
        }
    } else {
        identity.group = group_number(group_text, group)?;
    }
    for name in further {
        let number = group_number(name, group)?;
        if !identity.groups.contains(&number) {
            identity.groups.push(number);
        }
    }
    Ok(identity)
}

fn group_number(text: &str, group: &str) -> Result<u32, Failure> {
    let number = text.parse::<u32>().ok();
    group
        .lines()
        .filter_map(GroupLine::parse)
        .find(|entry| entry.name == text || Some(entry.group) == number)
        .map(|entry| entry.group)
        .or(number)
        .ok_or_else(|| {
            let message = format!("unable to find group {text}: no matching entries in group file");
            Failure::new(FailureKind::User, message)
        })
}

struct PasswdLine<'a> {
    name: &'a str,
    user: u32,
    group: u32,
    home: &'a str,
}

impl<'a> PasswdLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or("");
        Some(Self {
            name,
            user,
            group,
            home,
        })
    }
}

struct GroupLine<'a> {
    name: &'a str,
    group: u32,
    members: &'a str,
}

impl<'a> GroupLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        Some(Self {
            name,
            group,
            members: fields.next().unwrap_or(""),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::identity;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:100::/home/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:ann,root\nusers:x:100:\naudio:x:29:bob,ann\n";

    #[track_caller]
    fn check(user: &str, further: &[&str], expect: Result<(u32, u32, &[u32], &str), &str>) {
        let further: Vec<String> = further.iter().map(|&name| name.to_owned()).collect();
        let found = identity(user, &further, PASSWD, GROUP);
        let found = found
            .as_ref()
            .map(|one| {
                (
                    one.user,
                    one.group,
                    one.groups.as_slice(),
                    one.home.as_str(),
                )
            })
            .map_err(|failure| failure.message.as_str());
        assert_eq!(found, expect, "{user} {further:?}");
    }

    #[test]
    fn users_are_looked_up() {
        check("", &[], Ok((0, 0, &[10], "/root")));
        check("ann", &[], Ok((1000, 100, &[10, 29], "/home/ann")));
        check("1000", &[], Ok((1000, 100, &[10, 29], "/home/ann")));
        check("ann:wheel", &[], Ok((1000, 10, &[], "/home/ann")));
        check(
            "ann:7",
            &["audio", "44"],
            Ok((1000, 7, &[29, 44], "/home/ann")),
        );
        check("77", &[], Ok((77, 0, &[], "/")));
        check("77:88", &[], Ok((77, 88, &[], "/")));
        check(":100", &[], Ok((0, 100, &[], "/root")));
    }

    #[test]
    fn what_is_not_there_is_said_in_dockers_words() {
        check(
            "eve",
            &[],
            Err("unable to find user eve: no matching entries in passwd file"),
        );
        check(
            "ann:nobody",
            &[],
            Err("unable to find group nobody: no matching entries in group file"),
        );
        check(
            "ann",
            &["x"],
            Err("unable to find group x: no matching entries in group file"),
        );
        check(
            "4294967295",
            &[],
            Err("uids and gids must be in range 0-2147483647"),
        );
    }
}
