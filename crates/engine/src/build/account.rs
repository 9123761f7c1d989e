//! `--chown`: names to numbers, by the accounts of the image that is built.

use std::io::Read as _;

use rootfs::{Owner, Root};

use super::context::internal;
use crate::error::{Error, Result};

/// The longest file of accounts that is read.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What `user`, `user:group`, names or numbers, means beneath `root`.
pub(super) fn owner(root: &Root, text: &str) -> Result<Owner> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        // A group that is not named is the one of that name or number.
        None => (text, None),
    };
    let passwd = read(root, "/etc/passwd")?;
    let (user_id, own_group) = number(&passwd, user, "user")?;
    let group_id = match group {
        None if user.parse::<u32>().is_ok() => user_id,
        None => own_group.unwrap_or(user_id),
        Some(group) => number(&read(root, "/etc/group")?, group, "group")?.0,
    };
    Ok(Owner {
        user: user_id,
        group: group_id,
    })
}

/// The third field of the line that starts with `name`, and the fourth if it is a number too.
fn number(file: &str, name: &str, kind: &str) -> Result<(u32, Option<u32>)> {
    if let Ok(number) = name.parse() {
        return Ok((number, None));
    }
    let found = file.lines().find_map(|line| {
        let mut fields = line.split(':');
        if name.is_empty() || fields.next()? != name {
            return None;
        }
        let number = fields.nth(1)?.parse().ok()?;
        let next = fields.next().and_then(|field| field.parse().ok());
        Some((number, next))
    });
    found.ok_or_else(|| {
        Error::bad_parameter(format!(
            "unable to convert uid/gid chown string to host mapping: can't find {}id for {kind} {name}: no such {kind}: {name}",
            &kind[..1]
        ))
    })
}

fn read(root: &Root, path: &str) -> Result<String> {
    let file = match root.open_file(path) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(String::new()),
        Err(error) => return Err(internal(error)),
    };
    let mut text = Vec::new();
    file.take(FILE_BYTES)
        .read_to_end(&mut text)
        .map_err(|cause| Error::io(format_args!("read {path} of the image"), cause))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use rootfs::Root;

    #[test]
    fn names_are_looked_up_in_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::write(etc.join("passwd"), "root:x:0:0::/:\nme:x:7:8::/:\n").unwrap();
        std::fs::write(etc.join("group"), "us:x:9:me\n").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let owner = |text: &str| super::owner(&root, text).map(|owner| (owner.user, owner.group));
        assert_eq!(owner("me").unwrap(), (7, 8));
        assert_eq!(owner("me:us").unwrap(), (7, 9));
        assert_eq!(owner("1:2").unwrap(), (1, 2));
        assert_eq!(owner("5").unwrap(), (5, 5));
        for (text, words) in [
            ("you", "no such user: you"),
            ("me:them", "no such group: them"),
            (":", "no such user: "),
        ] {
            let error = owner(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
