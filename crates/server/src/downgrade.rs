//! From the newest version of the API to an older one: one pure pass over what is about to be sent.
//!
//! Each change of the API that took something away, or changed it, is a step below, named by the version that
//! brought it; a client of an older version gets it undone. What a version only added is left in: clients
//! ignore what they do not know.

use serde_json::{Map, Value, json};

use crate::api_version::ApiVersion;

/// What a document is, as far as versions differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The same in all versions.
    Same,
    /// A container in full.
    ContainerInspect,
    /// An image in full.
    ImageInspect,
    /// A list of images.
    ImageList,
    /// What takes space.
    DiskUsage,
    /// What the engine says of itself.
    Info,
}

/// Turns `value`, written as the newest version has it, into what `version` has.
pub(crate) fn apply(shape: Shape, version: ApiVersion, value: &mut Value) {
    match shape {
        Shape::Same => {}
        Shape::ContainerInspect => container_inspect(version, value),
        Shape::ImageInspect => image_inspect(version, value),
        Shape::ImageList => each(value, |image| image_summary(version, image)),
        Shape::DiskUsage => disk_usage(version, value),
        Shape::Info => info(version, value),
    }
}

fn container_inspect(version: ApiVersion, value: &mut Value) {
    let short_id = value["Id"]
        .as_str()
        .map(|id| id.get(..12).unwrap_or(id).to_owned());
    if version < ApiVersion(45)
        && let Some(short_id) = short_id
    {
        // Until then the aliases showed the short id too.
        let networks = value
            .pointer_mut("/NetworkSettings/Networks")
            .and_then(Value::as_object_mut);
        for (name, endpoint) in networks.into_iter().flatten() {
            if name != "bridge" && name != "host" && name != "none" {
                add_alias(endpoint, &short_id);
            }
        }
    }
}

fn add_alias(endpoint: &mut Value, alias: &str) {
    let Some(endpoint) = object(endpoint) else {
        return;
    };
    match endpoint.get_mut("Aliases") {
        Some(Value::Array(aliases)) => {
            if !aliases.iter().any(|known| known == alias) {
                aliases.push(json!(alias));
            }
        }
        _ => {
            endpoint.insert("Aliases".to_owned(), json!([alias]));
        }
    }
}

fn image_inspect(version: ApiVersion, value: &mut Value) {
    if version < ApiVersion(50) {
        value.get_mut("Config").map(container_fields);
    }
    let Some(image) = object(value) else {
        return;
    };
    if version < ApiVersion(45) {
        let config = image.get("Config").cloned().unwrap_or(Value::Null);
        image.entry("Container").or_insert(json!(""));
        image.entry("ContainerConfig").or_insert(config);
    }
    if version < ApiVersion(44) {
        virtual_size(image);
        image
            .entry("Created")
            .or_insert(json!(model::api::time::NEVER));
    }
}

/// Until 1.50 an image's configuration had all that a container's has, empty.
fn container_fields(config: &mut Value) {
    let Some(config) = object(config) else {
        return;
    };
    let absent = [
        ("Hostname", json!("")),
        ("Domainname", json!("")),
        ("User", json!("")),
        ("AttachStdin", json!(false)),
        ("AttachStdout", json!(false)),
        ("AttachStderr", json!(false)),
        ("Tty", json!(false)),
        ("OpenStdin", json!(false)),
        ("StdinOnce", json!(false)),
        ("Env", Value::Null),
        ("Cmd", Value::Null),
        ("Image", json!("")),
        ("Volumes", Value::Null),
        ("WorkingDir", json!("")),
        ("Entrypoint", Value::Null),
        ("OnBuild", Value::Null),
        ("Labels", Value::Null),
    ];
    for (name, empty) in absent {
        config.entry(name).or_insert(empty);
    }
}

fn image_summary(version: ApiVersion, value: &mut Value) {
    let Some(image) = object(value) else {
        return;
    };
    if version < ApiVersion(44) {
        virtual_size(image);
    }
    if version < ApiVersion(43) && image.get("RepoTags") == Some(&json!([])) {
        // Until then an image without a name was told by names of its own.
        image.insert("RepoTags".to_owned(), json!(["<none>:<none>"]));
        if image.get("RepoDigests") == Some(&json!([])) {
            image.insert("RepoDigests".to_owned(), json!(["<none>@<none>"]));
        }
    }
}

fn virtual_size(image: &mut Map<String, Value>) {
    let size = image.get("Size").cloned().unwrap_or(json!(0));
    image.entry("VirtualSize").or_insert(size);
}

fn disk_usage(version: ApiVersion, value: &mut Value) {
    if let Some(images) = value.get_mut("Images") {
        each(images, |image| image_summary(version, image));
    }
    if version < ApiVersion(42) {
        let records = value["BuildCache"].as_array().into_iter().flatten();
        let sizes = records.filter_map(|record| record["Size"].as_i64());
        let total: i64 = sizes.sum();
        if let Some(usage) = object(value) {
            usage.entry("BuilderSize").or_insert(json!(total));
        }
    }
}

fn info(version: ApiVersion, value: &mut Value) {
    let Some(info) = object(value) else {
        return;
    };
    if version < ApiVersion(49) {
        for part in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
            if let Some(Value::Object(commit)) = info.get_mut(part) {
                let id = commit.get("ID").cloned().unwrap_or(json!(""));
                commit.entry("Expected").or_insert(id);
            }
        }
        // What bridges do with iptables; ours need nothing of it.
        info.entry("BridgeNfIptables").or_insert(json!(true));
        info.entry("BridgeNfIp6tables").or_insert(json!(true));
    }
    if version < ApiVersion(42) {
        info.entry("KernelMemory").or_insert(json!(false));
        info.entry("KernelMemoryTCP").or_insert(json!(false));
    }
    if version < ApiVersion(40) {
        info.entry("ClusterStore").or_insert(json!(""));
        info.entry("ClusterAdvertise").or_insert(json!(""));
    }
    if version < ApiVersion(39) {
        info.entry("SystemStatus").or_insert(Value::Null);
    }
    if version < ApiVersion(25)
        && let Some(Value::Array(options)) = info.get_mut("SecurityOptions")
    {
        // Until then an option was its name alone.
        for option in options {
            let name = option.as_str().and_then(|option| {
                let name = option.strip_prefix("name=")?;
                name.split(',').next().map(str::to_owned)
            });
            if let Some(name) = name {
                *option = Value::String(name);
            }
        }
    }
}

fn each(value: &mut Value, mut change: impl FnMut(&mut Value)) {
    if let Value::Array(values) = value {
        values.iter_mut().for_each(&mut change);
    }
}

fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Shape, apply};
    use crate::api_version::ApiVersion;

    #[track_caller]
    fn check(shape: Shape, minor: u32, mut value: Value, expected: Value) {
        apply(shape, ApiVersion(minor), &mut value);
        assert_eq!(value, expected);
    }

    #[test]
    fn images_had_a_virtual_size() {
        let image = json!([{"Id": "a", "Size": 5, "RepoTags": [], "RepoDigests": []}]);
        check(Shape::ImageList, 44, image.clone(), image.clone());
        check(
            Shape::ImageList,
            43,
            image.clone(),
            json!([{"Id": "a", "Size": 5, "VirtualSize": 5, "RepoTags": [], "RepoDigests": []}]),
        );
        check(
            Shape::ImageList,
            42,
            image,
            json!([{
                "Id": "a", "Size": 5, "VirtualSize": 5,
                "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"],
            }]),
        );
    }

    #[test]
    fn images_told_of_the_container_they_came_from() {
        let image = || json!({"Id": "a", "Size": 5, "Config": {"Cmd": ["sh"]}});
        let mut old = image();
        apply(Shape::ImageInspect, ApiVersion(41), &mut old);
        assert_eq!(old["Config"]["Cmd"], json!(["sh"]));
        assert_eq!(old["Config"]["Hostname"], json!(""));
        assert_eq!(old["ContainerConfig"], old["Config"]);
        assert_eq!(old["VirtualSize"], json!(5));
        let mut newer = image();
        apply(Shape::ImageInspect, ApiVersion(49), &mut newer);
        assert_eq!(newer["Config"]["Entrypoint"], Value::Null);
        assert!(newer.get("ContainerConfig").is_none());
    }

    #[test]
    fn aliases_showed_the_short_id() {
        let container = |aliases: Value| {
            json!({
                "Id": "0123456789abcdef",
                "Config": {},
                "NetworkSettings": {"Networks": {"lab": {"Aliases": aliases}, "bridge": {"Aliases": null}}},
            })
        };
        check(
            Shape::ContainerInspect,
            44,
            container(json!(["web"])),
            container(json!(["web", "0123456789ab"])),
        );
        check(
            Shape::ContainerInspect,
            44,
            container(Value::Null),
            container(json!(["0123456789ab"])),
        );
        check(
            Shape::ContainerInspect,
            45,
            container(Value::Null),
            container(Value::Null),
        );
    }

    #[test]
    fn security_options_were_names() {
        check(
            Shape::Info,
            24,
            json!({"SecurityOptions": ["name=seccomp,profile=builtin"]}),
            json!({
                "SecurityOptions": ["seccomp"],
                "BridgeNfIptables": true, "BridgeNfIp6tables": true,
                "KernelMemory": false, "KernelMemoryTCP": false,
                "ClusterStore": "", "ClusterAdvertise": "", "SystemStatus": null,
            }),
        );
    }

    #[test]
    fn any_document_survives() {
        for shape in [
            Shape::ContainerInspect,
            Shape::ImageInspect,
            Shape::ImageList,
            Shape::DiskUsage,
            Shape::Info,
        ] {
            for value in [
                json!(null),
                json!([1]),
                json!({"Config": 7, "NetworkSettings": []}),
            ] {
                apply(shape, ApiVersion(24), &mut value.clone());
            }
        }
    }
}
