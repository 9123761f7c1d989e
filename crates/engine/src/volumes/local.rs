//! The options of the driver `local`: what a volume is, if it is no directory of ours. Pure.

use model::api::Labels;

/// Options that are given to the kernel as flags; the rest goes to the file system.
const FLAGS: &[(&str, Flag)] = &[
    ("ro", Flag::Set(MountFlag::ReadOnly)),
    ("rw", Flag::Clear(MountFlag::ReadOnly)),
    ("nosuid", Flag::Set(MountFlag::NoSuid)),
    ("suid", Flag::Clear(MountFlag::NoSuid)),
    ("nodev", Flag::Set(MountFlag::NoDev)),
    ("dev", Flag::Clear(MountFlag::NoDev)),
    ("noexec", Flag::Set(MountFlag::NoExec)),
    ("exec", Flag::Clear(MountFlag::NoExec)),
    ("noatime", Flag::Set(MountFlag::NoAtime)),
    ("atime", Flag::Clear(MountFlag::NoAtime)),
    ("relatime", Flag::Set(MountFlag::RelAtime)),
    ("bind", Flag::Set(MountFlag::Bind)),
    ("rbind", Flag::Set(MountFlag::BindAll)),
    ("defaults", Flag::Nothing),
];

#[derive(Debug, Clone, Copy)]
enum Flag {
    Set(MountFlag),
    Clear(MountFlag),
    Nothing,
}

/// How something is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MountFlag {
    /// Nothing can be written.
    ReadOnly,
    /// Set-id bits mean nothing.
    NoSuid,
    /// Devices cannot be opened.
    NoDev,
    /// Programs cannot be run.
    NoExec,
    /// Reading leaves no time behind.
    NoAtime,
    /// Reading leaves a time behind now and then.
    RelAtime,
    /// A directory of the host, itself.
    Bind,
    /// A directory of the host, with what is mounted in it.
    BindAll,
}

/// What is to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The file system: `tmpfs`, `ext4`, `nfs`; anything for a bind mount.
    pub kind: String,
    /// What holds it.
    pub device: String,
    /// How.
    pub flags: Vec<MountFlag>,
    /// What the file system is told.
    pub data: String,
}

/// Options that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// There is no such option.
    #[error("invalid option: {0:?}")]
    Unknown(String),
    /// A file system is named, but nothing that holds it.
    #[error("missing device in volume options")]
    NoDevice,
    /// A device is named, but no file system.
    #[error("missing type in volume options")]
    NoKind,
}

impl Mount {
    /// Whether it is a directory of the host as it is, and nothing besides.
    pub fn is_plain_bind(&self) -> bool {
        let binds = |flag: &MountFlag| matches!(flag, MountFlag::Bind | MountFlag::BindAll);
        self.data.is_empty()
            && self.device.starts_with('/')
            && !self.flags.is_empty()
            && self.flags.iter().all(binds)
    }
}

/// What the options say is to be mounted; nothing for a plain directory.
pub fn mount_of(options: &Labels) -> Result<Option<Mount>, InvalidOptions> {
    let known = |key: &String| matches!(key.as_str(), "type" | "o" | "device");
    if let Some(unknown) = options.keys().find(|key| !known(key)) {
        return Err(InvalidOptions::Unknown(unknown.clone()));
    }
    let option = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
    let (kind, device, how) = (option("type"), option("device"), option("o"));
    if kind.is_empty() && device.is_empty() && how.is_empty() {
        return Ok(None);
    }
    let mut flags = Vec::new();
    let mut data = Vec::new();
    for word in how.split(',').filter(|word| !word.is_empty()) {
        match FLAGS.iter().find(|(name, _)| *name == word) {
            Some((_, Flag::Set(flag))) => flags.push(*flag),
            Some((_, Flag::Clear(flag))) => flags.retain(|set| set != flag),
            Some((_, Flag::Nothing)) => {}
            None => data.push(word),
        }
    }
    if device.is_empty() {
        return Err(InvalidOptions::NoDevice);
    }
    let binds = |flag: &MountFlag| matches!(flag, MountFlag::Bind | MountFlag::BindAll);
    if kind.is_empty() && !flags.iter().any(binds) {
        return Err(InvalidOptions::NoKind);
    }
    Ok(Some(Mount {
        kind: kind.to_owned(),
        device: device.to_owned(),
        flags,
        data: data.join(","),
    }))
}

#[cfg(test)]
mod tests {
    use model::api::Labels;

    use super::{InvalidOptions, Mount, MountFlag, mount_of};

    #[track_caller]
    fn check(options: &[(&str, &str)], expect: Result<Option<Mount>, InvalidOptions>) {
        let options: Labels = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(mount_of(&options), expect);
    }

    #[test]
    fn options_say_what_is_mounted() {
        let mount = |kind: &str, device: &str, flags: &[MountFlag], data: &str| {
            Ok(Some(Mount {
                kind: kind.to_owned(),
                device: device.to_owned(),
                flags: flags.to_vec(),
                data: data.to_owned(),
            }))
        };
        check(&[], Ok(None));
        check(
            &[
                ("type", "tmpfs"),
                ("device", "tmpfs"),
                ("o", "size=10m,uid=7,nosuid"),
            ],
            mount("tmpfs", "tmpfs", &[MountFlag::NoSuid], "size=10m,uid=7"),
        );
        check(
            &[("type", "none"), ("device", "/srv"), ("o", "bind,ro,rw")],
            mount("none", "/srv", &[MountFlag::Bind], ""),
        );
        check(&[("type", "nfs")], Err(InvalidOptions::NoDevice));
        check(&[("device", "/dev/x")], Err(InvalidOptions::NoKind));
        check(
            &[("size", "1")],
            Err(InvalidOptions::Unknown("size".to_owned())),
        );
    }
}
