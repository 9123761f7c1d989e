//! `--mount type=…,source=…,target=…` and `--volume`. Pure.

use std::collections::BTreeMap;

use model::api::mount::{BindOptions, Driver, Mount, TmpfsOptions, VolumeOptions};

use super::{boolean, bytes};

/// What `--mount` says.
pub(crate) fn mount(text: &str) -> Result<Mount, String> {
    let fields = comma_separated(text)?;
    let mut mount = Mount {
        kind: "volume".to_owned(),
        ..Mount::default()
    };
    let mut bind = BindOptions::default();
    let mut volume = VolumeOptions::default();
    let mut driver = Driver::default();
    let mut tmpfs = TmpfsOptions::default();
    for field in &fields {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        let text_of =
            || value.ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"));
        // A flag alone is true.
        let flag = || {
            boolean(value.unwrap_or("true"))
                .map_err(|_| format!("invalid value for {key}: {}", value.unwrap_or_default()))
        };
        match key.as_str() {
            "type" => mount.kind = text_of()?.to_ascii_lowercase(),
            "source" | "src" => text_of()?.clone_into(&mut mount.source),
            "target" | "dst" | "destination" => text_of()?.clone_into(&mut mount.target),
            "readonly" | "ro" => mount.read_only = flag()?,
            "consistency" => mount.consistency = text_of()?.to_ascii_lowercase(),
            "bind-propagation" => bind.propagation = text_of()?.to_ascii_lowercase(),
            "bind-nonrecursive" => bind.non_recursive = flag()?,
            "bind-recursive" => match text_of()? {
                "enabled" => {}
                "disabled" => bind.non_recursive = true,
                "writable" => bind.read_only_non_recursive = true,
                "readonly" => bind.read_only_force_recursive = true,
                other => {
                    return Err(format!(
                        "invalid value for bind-recursive: {other} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
                    ));
                }
            },
            "bind-create-src" => bind.create_mountpoint = flag()?,
            "volume-nocopy" => volume.no_copy = flag()?,
            "volume-subpath" => text_of()?.clone_into(&mut volume.subpath),
            "volume-label" => put(&mut volume.labels, text_of()?),
            "volume-driver" => text_of()?.clone_into(&mut driver.name),
            "volume-opt" => put(&mut driver.options, text_of()?),
            "tmpfs-size" => {
                let size = text_of()?;
                tmpfs.size_bytes =
                    bytes(size).map_err(|_| format!("invalid value for {key}: {size}"))?;
            }
            "tmpfs-mode" => {
                let mode = text_of()?;
                tmpfs.mode = u32::from_str_radix(mode, 8)
                    .map_err(|_| format!("invalid value for {key}: {mode}"))?;
            }
            _ if value.is_none() => {
                return Err(format!("invalid field '{field}' must be a key=value pair"));
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if driver != Driver::default() {
        volume.driver_config = Some(driver);
    }
    if mount.target.is_empty() {
        return Err("target is required".to_owned());
    }
    let kind = mount.kind.clone();
    let belongs = |used: bool, to: &str| {
        if used && kind != to {
            Err(format!(
                "cannot mix '{to}-*' options with mount type '{kind}'"
            ))
        } else {
            Ok(used)
        }
    };
    mount.bind_options = belongs(bind != BindOptions::default(), "bind")?.then_some(bind);
    mount.volume_options = belongs(volume != VolumeOptions::default(), "volume")?.then_some(volume);
    mount.tmpfs_options = belongs(tmpfs != TmpfsOptions::default(), "tmpfs")?.then_some(tmpfs);
    Ok(mount)
}

fn put(map: &mut Option<BTreeMap<String, String>>, text: &str) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    map.get_or_insert_default()
        .insert(key.to_owned(), value.to_owned());
}

/// One record of comma-separated fields, where a field that begins with `"` ends with `"`.
fn comma_separated(text: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is one from the start");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            '"' => return Err(format!("bare \" in field of {text}")),
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    if quoted {
        return Err(format!("missing \" in {text}"));
    }
    Ok(fields)
}

/// What `--volume` says: a place in the container for an anonymous volume, or a source and a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VolumeText {
    /// A volume of its own.
    Anonymous(String),
    /// As the engine takes it: `source:target[:options]`, the source still as it was typed.
    Bind { source: String, rest: String },
}

/// Takes `--volume` apart. The engine judges options and targets.
pub(crate) fn volume(text: &str) -> Result<VolumeText, String> {
    match text.split_once(':') {
        None if text.is_empty() => Err("invalid empty volume spec".to_owned()),
        None => Ok(VolumeText::Anonymous(text.to_owned())),
        Some((source, rest)) => Ok(VolumeText::Bind {
            source: source.to_owned(),
            rest: rest.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{VolumeText, mount, volume};

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        let found = mount(text).map(|mount| serde_json::to_string(&mount).unwrap());
        assert_eq!(
            found,
            expect.map(str::to_owned).map_err(str::to_owned),
            "{text}"
        );
    }

    #[test]
    fn a_mount_is_a_list_of_fields() {
        check(
            "type=bind,src=/a,dst=/b,readonly",
            Ok(r#"{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true}"#),
        );
        check("target=/b", Ok(r#"{"Type":"volume","Target":"/b"}"#));
        check(
            "type=tmpfs,\"target=/a,b\",tmpfs-size=1m,tmpfs-mode=1770",
            Ok(
                r#"{"Type":"tmpfs","Target":"/a,b","TmpfsOptions":{"SizeBytes":1048576,"Mode":1016}}"#,
            ),
        );
        check(
            "source=v,target=/b,volume-opt=a=b,volume-label=c=d",
            Ok(
                r#"{"Type":"volume","Source":"v","Target":"/b","VolumeOptions":{"Labels":{"c":"d"},"DriverConfig":{"Options":{"a":"b"}}}}"#,
            ),
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check("type=bind,src=/a", Err("target is required"));
        check(
            "type=bind,target=/a,volume-nocopy",
            Err("cannot mix 'volume-*' options with mount type 'bind'"),
        );
        check(
            "target=/a,colour=red",
            Err("unexpected key 'colour' in 'colour=red'"),
        );
        check(
            "target=/a,colour",
            Err("invalid field 'colour' must be a key=value pair"),
        );
        check("target=/a,ro=maybe", Err("invalid value for ro: maybe"));
        check("\"target=/a", Err("missing \" in \"target=/a"));
    }

    #[test]
    fn a_volume_is_anonymous_or_comes_from_somewhere() {
        assert_eq!(volume("/data"), Ok(VolumeText::Anonymous("/data".into())));
        assert_eq!(
            volume("a:/b:ro,z"),
            Ok(VolumeText::Bind {
                source: "a".into(),
                rest: "/b:ro,z".into()
            })
        );
        assert!(volume("").is_err());
    }
}
