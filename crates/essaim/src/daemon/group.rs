//! Looking a group up. The program is static, so the C library's look-up services are out of reach: the file it
//! is.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::settings::Group;

/// The number of the group that may use the socket, if there is one.
pub(super) fn find(group: &Group) -> Result<Option<u32>> {
    let file = Path::new("/etc/group");
    match group {
        Group::Usual => Ok(fs::read_to_string(file)
            .ok()
            .and_then(|text| number(&text, "docker"))),
        Group::Named(name) => {
            if let Ok(number) = name.parse() {
                return Ok(Some(number));
            }
            let text = fs::read_to_string(file).context("cannot read /etc/group")?;
            let number =
                number(&text, name).with_context(|| format!("there is no group {name}"))?;
            Ok(Some(number))
        }
    }
}

fn number(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_group_has_a_number() {
        let text = "root:x:0:\ndocker:x:998:anna,bob\nbroken\n";
        assert_eq!(super::number(text, "docker"), Some(998));
        assert_eq!(super::number(text, "broken"), None);
        assert_eq!(super::number(text, "dock"), None);
    }
}
