//! What is mounted into a container.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use model::api::Labels;
use model::api::container::Config;
use model::api::host_config::HostConfig;
use model::api::mount::Mount;
use runtime::spec::Propagation;

use crate::error::{Error, Result};

/// Something that is to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where, in the container: absolute, without `.` and `..`.
    pub target: String,
    /// What.
    pub source: Source,
    /// Whether it can only be read.
    pub readonly: bool,
    /// The options as given, which `inspect` shows.
    pub mode: String,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path of the host.
    Bind {
        /// The path.
        path: String,
        /// Whether a folder is made where nothing is; else that is an error.
        create: bool,
        /// Whether what is mounted beneath it comes along.
        recursive: bool,
        /// How later mounts spread.
        propagation: Propagation,
    },
    /// A volume.
    Volume {
        /// Its name; an anonymous one is made where there is none.
        name: Option<String>,
        /// Its driver.
        driver: String,
        /// The driver's options.
        options: Labels,
        /// The labels of a new volume.
        labels: Labels,
        /// Whether an empty one is filled with what the image has there.
        copy: bool,
    },
    /// A file system in memory, with these options.
    Tmpfs(String),
}

/// Everything that is to be mounted, in the order of the targets, so that none hides an other.
pub fn plan(config: &Config, host_config: &HostConfig) -> Result<Vec<Plan>> {
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    let mut add = |plan: Plan| {
        let target = plan.target.clone();
        match plans.insert(target.clone(), plan) {
            None => Ok(()),
            Some(_) => Err(Error::bad_parameter(format!(
                "Duplicate mount point: {target}"
            ))),
        }
    };
    for bind in host_config.binds.iter().flatten() {
        add(from_bind(bind)?)?;
    }
    for mount in host_config.mounts.iter().flatten() {
        add(from_mount(mount)?)?;
    }
    for (target, options) in host_config.tmpfs.iter().flatten() {
        add(Plan {
            target: clean_target(target)?,
            source: Source::Tmpfs(tmpfs_options(options)),
            readonly: options.split(',').any(|option| option == "ro"),
            mode: options.clone(),
        })?;
    }
    for target in config.volumes.iter().flat_map(|volumes| volumes.iter()) {
        // The image's volumes give way to whatever is asked for in their place.
        let target = clean_target(target)?;
        plans.entry(target.clone()).or_insert_with(|| Plan {
            target,
            source: anonymous(),
            readonly: false,
            mode: String::new(),
        });
    }
    let mut plans: Vec<Plan> = plans.into_values().collect();
    plans.sort_by_key(|plan| plan.target.matches('/').count());
    Ok(plans)
}

fn anonymous() -> Source {
    Source::Volume {
        name: None,
        driver: "local".to_owned(),
        options: Labels::new(),
        labels: Labels::new(),
        copy: true,
    }
}

/// `source:target[:options]` or `target`.
fn from_bind(text: &str) -> Result<Plan> {
    let invalid =
        |why: &str| Error::bad_parameter(format!("invalid volume specification: '{text}'{why}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, mode] => (Some(source), target, mode),
        _ => return Err(invalid("")),
    };
    let target = clean_target(target)?;
    let options = bind_options(mode).ok_or_else(|| invalid(&format!(": invalid mode: {mode}")))?;
    let source = match source {
        None => anonymous(),
        Some("") => return Err(invalid(": empty section between colons")),
        Some(path) if path.starts_with('/') => {
            check_source(path)?;
            Source::Bind {
                path: path.to_owned(),
                create: true,
                recursive: true,
                propagation: options.propagation,
            }
        }
        Some(name) => Source::Volume {
            name: Some(volume_name(name)?),
            driver: "local".to_owned(),
            options: Labels::new(),
            labels: Labels::new(),
            copy: options.copy,
        },
    };
    Ok(Plan {
        target,
        source,
        readonly: options.readonly,
        mode: mode.to_owned(),
    })
}

struct BindOptions {
    readonly: bool,
    copy: bool,
    propagation: Propagation,
}

fn bind_options(mode: &str) -> Option<BindOptions> {
    let mut options = BindOptions {
        readonly: false,
        copy: true,
        propagation: Propagation::Rprivate,
    };
    for option in mode.split(',').filter(|_| !mode.is_empty()) {
        match option {
            "rw" => options.readonly = false,
            "ro" => options.readonly = true,
            "nocopy" => options.copy = false,
            // Relabelling is SELinux's, consistency a virtual machine's: neither has anything to do here.
            "z" | "Z" | "consistent" | "cached" | "delegated" | "default" => {}
            other => options.propagation = propagation(other)?,
        }
    }
    Some(options)
}

fn propagation(text: &str) -> Option<Propagation> {
    Some(match text {
        "" | "rprivate" => Propagation::Rprivate,
        "private" => Propagation::Private,
        "slave" => Propagation::Slave,
        "rslave" => Propagation::Rslave,
        "shared" => Propagation::Shared,
        "rshared" => Propagation::Rshared,
        _ => return None,
    })
}

fn from_mount(mount: &Mount) -> Result<Plan> {
    let invalid = |why: &str| {
        Error::bad_parameter(format!(
            "invalid mount config for type \"{}\": {why}",
            mount.kind
        ))
    };
    if mount.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    let target = clean_target(&mount.target).map_err(|error| invalid(&error.to_string()))?;
    let source = match mount.kind.as_str() {
        "bind" => {
            let options = mount.bind_options.clone().unwrap_or_default();
            if mount.source.is_empty() {
                return Err(invalid("field Source must not be empty"));
            }
            if !mount.source.starts_with('/') {
                return Err(invalid("invalid mount path: mount path must be absolute"));
            }
            check_source(&mount.source)?;
            let propagation = propagation(&options.propagation)
                .ok_or_else(|| invalid("invalid propagation mode"))?;
            if options.read_only_force_recursive {
                return Err(Error::not_implemented("BindOptions.ReadOnlyForceRecursive"));
            }
            Source::Bind {
                path: mount.source.clone(),
                create: options.create_mountpoint,
                recursive: !options.non_recursive,
                propagation,
            }
        }
        "volume" => {
            let options = mount.volume_options.clone().unwrap_or_default();
            if !options.subpath.is_empty() {
                return Err(Error::not_implemented("VolumeOptions.Subpath"));
            }
            let driver = options.driver_config.unwrap_or_default();
            let name = (!mount.source.is_empty()).then(|| volume_name(&mount.source));
            Source::Volume {
                name: name.transpose()?,
                driver: if driver.name.is_empty() {
                    "local".to_owned()
                } else {
                    driver.name
                },
                options: driver.options.unwrap_or_default(),
                labels: options.labels.unwrap_or_default(),
                copy: !options.no_copy,
            }
        }
        "tmpfs" => {
            if !mount.source.is_empty() {
                return Err(invalid("field Source must not be specified"));
            }
            let options = mount.tmpfs_options.clone().unwrap_or_default();
            if options
                .options
                .as_ref()
                .is_some_and(|list| !list.is_empty())
            {
                return Err(Error::not_implemented("TmpfsOptions.Options"));
            }
            let mut text = "nosuid,nodev,noexec".to_owned();
            if options.size_bytes > 0 {
                text.push_str(&format!(",size={}", options.size_bytes));
            }
            if options.mode != 0 {
                text.push_str(&format!(",mode={:o}", options.mode));
            }
            Source::Tmpfs(text)
        }
        "image" | "npipe" | "cluster" => {
            return Err(Error::not_implemented(format_args!(
                "mount type {}",
                mount.kind
            )));
        }
        other => {
            return Err(Error::bad_parameter(format!(
                "invalid mount config: mount type unknown: {other:?}"
            )));
        }
    };
    Ok(Plan {
        target,
        source,
        readonly: mount.read_only,
        mode: String::new(),
    })
}

/// Docker's own options first, so that what was asked for wins.
fn tmpfs_options(asked: &str) -> String {
    let asked: Vec<&str> = asked
        .split(',')
        .filter(|option| !option.is_empty())
        .collect();
    let defaults = [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")];
    let defaults = defaults
        .iter()
        .filter(|(default, opposite)| !asked.contains(default) && !asked.contains(opposite))
        .map(|(default, _)| *default);
    defaults
        .chain(asked.iter().copied())
        .collect::<Vec<_>>()
        .join(",")
}

fn check_source(path: &str) -> Result<()> {
    if path.contains('\0') || path.len() > 4096 {
        return Err(Error::bad_parameter(
            "invalid mount path: zero byte, or too long",
        ));
    }
    Ok(())
}

/// A volume's name, as strict as Docker is.
fn volume_name(name: &str) -> Result<String> {
    let bytes = name.as_bytes();
    let first = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    let rest = bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if first && rest && bytes.len() >= 2 && bytes.len() <= 255 {
        return Ok(name.to_owned());
    }
    Err(Error::bad_parameter(format!(
        "create {name}: \"{name}\" includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )))
}

/// The target without `.`, `..` and doubled slashes; it must be absolute, and not the root.
fn clean_target(text: &str) -> Result<String> {
    let invalid =
        |why: &str| Error::bad_parameter(format!("invalid mount path: '{text}' mount path {why}"));
    if !text.starts_with('/') || text.contains('\0') {
        return Err(invalid("must be absolute"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::ParentDir => {
                parts.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if parts.is_empty() {
        return Err(Error::bad_parameter(
            "invalid volume specification: destination can't be '/'",
        ));
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use model::api::container::Config;
    use model::api::host_config::HostConfig;
    use serde_json::json;

    use super::{Plan, Source, plan};

    #[track_caller]
    fn check(host: serde_json::Value, volumes: serde_json::Value, expect: Result<&[&str], &str>) {
        let host: HostConfig = serde_json::from_value(host).unwrap();
        let config: Config = serde_json::from_value(json!({"Volumes": volumes})).unwrap();
        let text = |plan: &Plan| {
            let source = match &plan.source {
                Source::Bind { path, create, .. } => {
                    format!("{path}{}", if *create { "+" } else { "" })
                }
                Source::Volume { name, copy, .. } => {
                    format!(
                        "{}{}",
                        name.as_deref().unwrap_or("?"),
                        if *copy { "*" } else { "" }
                    )
                }
                Source::Tmpfs(options) => format!("tmpfs({options})"),
            };
            format!(
                "{source} {}{}",
                plan.target,
                if plan.readonly { " ro" } else { "" }
            )
        };
        match (plan(&config, &host), expect) {
            (Ok(plans), Ok(expect)) => {
                assert_eq!(plans.iter().map(text).collect::<Vec<_>>(), expect);
            }
            (Err(error), Err(part)) if error.to_string().contains(part) => {}
            (found, expect) => panic!("{found:?} instead of {expect:?}"),
        }
    }

    fn binds(list: &[&str]) -> serde_json::Value {
        json!({ "Binds": list })
    }

    #[test]
    fn binds_have_three_forms() {
        check(binds(&["/a:/b"]), json!({}), Ok(&["/a+ /b"]));
        check(binds(&["/a:/b:ro,z"]), json!({}), Ok(&["/a+ /b ro"]));
        check(binds(&["data:/b:nocopy"]), json!({}), Ok(&["data /b"]));
        check(binds(&["/b"]), json!({}), Ok(&["?* /b"]));
        check(binds(&["/a:/b/../c//d/."]), json!({}), Ok(&["/a+ /c/d"]));
        check(binds(&["/a:/"]), json!({}), Err("destination can't be '/'"));
        check(
            binds(&["/a:/b/.."]),
            json!({}),
            Err("destination can't be '/'"),
        );
        check(binds(&["/a:b"]), json!({}), Err("must be absolute"));
        check(
            binds(&["/a:/b:bogus"]),
            json!({}),
            Err("invalid mode: bogus"),
        );
        check(binds(&["a/b:/b"]), json!({}), Err("invalid characters"));
        check(binds(&["../x:/b"]), json!({}), Err("invalid characters"));
        check(binds(&[":/b"]), json!({}), Err("empty section"));
        check(
            binds(&["/a:/b:ro:x"]),
            json!({}),
            Err("invalid volume specification"),
        );
        check(
            binds(&["/a:/b", "/c:/b/"]),
            json!({}),
            Err("Duplicate mount point: /b"),
        );
    }

    #[test]
    fn outer_mounts_come_before_those_within() {
        check(
            binds(&["/a:/x/y/z", "/a:/x"]),
            json!({"/x/y": {}, "/x": {}}),
            Ok(&["/a+ /x", "?* /x/y", "/a+ /x/y/z"]),
        );
    }

    #[test]
    fn mounts_say_everything_apart() {
        let mounts = |mount: serde_json::Value| json!({"Mounts": [mount]});
        check(
            mounts(json!({"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true})),
            json!({}),
            Ok(&["/a /b ro"]),
        );
        check(
            mounts(json!({"Type": "volume", "Target": "/b", "VolumeOptions": {"NoCopy": true}})),
            json!({}),
            Ok(&["? /b"]),
        );
        check(
            mounts(
                json!({"Type": "tmpfs", "Target": "/b", "TmpfsOptions": {"SizeBytes": 9, "Mode": 0o700}}),
            ),
            json!({}),
            Ok(&["tmpfs(nosuid,nodev,noexec,size=9,mode=700) /b"]),
        );
        check(
            mounts(json!({"Type": "bind", "Target": "/b"})),
            json!({}),
            Err("Source must not be empty"),
        );
        check(
            mounts(json!({"Type": "bind", "Source": "a", "Target": "/b"})),
            json!({}),
            Err("absolute"),
        );
        check(
            mounts(json!({"Type": "tmpfs", "Source": "a", "Target": "/b"})),
            json!({}),
            Err("Source"),
        );
        check(
            mounts(json!({"Type": "image", "Source": "a", "Target": "/b"})),
            json!({}),
            Err("not supported"),
        );
        check(
            mounts(json!({"Type": "odd", "Target": "/b"})),
            json!({}),
            Err("mount type unknown"),
        );
    }

    #[test]
    fn memory_is_not_executable_unless_asked() {
        check(
            json!({"Tmpfs": {"/run": "exec,size=1m", "/tmp": ""}}),
            json!({}),
            Ok(&[
                "tmpfs(nosuid,nodev,exec,size=1m) /run",
                "tmpfs(noexec,nosuid,nodev) /tmp",
            ]),
        );
    }
}
