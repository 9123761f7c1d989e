//! Networks that cannot be made, and containers that cannot be connected, in the words of Docker. Pure.

use model::api::network::Create;

use super::record::PREDEFINED;
use crate::error::{Error, Result};

/// What somebody sees who asks one host for a network of a swarm.
const NO_SWARM: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
                        connect this node to swarm and try again.";

/// Refuses a network that this engine cannot make.
pub(super) fn unusable(create: &Create) -> Result<()> {
    let name = create.name.as_str();
    if name.trim().is_empty() {
        return Err(Error::bad_parameter("invalid network name: name is empty"));
    }
    if PREDEFINED.iter().any(|(predefined, _)| *predefined == name) {
        return Err(Error::forbidden(format!(
            "operation is not permitted on predefined {name} network"
        )));
    }
    // Spaces and letters of any language are common; what could not be asked for by its path is not.
    if name.contains(|letter: char| letter.is_control() || letter == '/') || name.len() > 128 {
        return Err(Error::bad_parameter(format!(
            "invalid network name: {name:?} may have no '/' and no control characters, and 128 bytes at the most"
        )));
    }
    match create.driver.as_str() {
        "" | "default" | "bridge" => {}
        "host" | "null" | "none" => {
            let driver = if create.driver == "host" {
                "host"
            } else {
                "null"
            };
            return Err(Error::forbidden(format!(
                "only one instance of {driver:?} network is allowed"
            )));
        }
        "overlay" => return Err(Error::unavailable(NO_SWARM)),
        driver => {
            return Err(Error::not_found(format!(
                "could not find plugin {driver} in v1 plugin registry: plugin not found"
            )));
        }
    }
    if create.scope == "swarm" || create.ingress {
        return Err(Error::unavailable(NO_SWARM));
    }
    if create.enable_ipv6 == Some(true) {
        return Err(Error::not_implemented("a network with IPv6"));
    }
    if create.enable_ipv4 == Some(false) {
        return Err(Error::not_implemented("a network without IPv4"));
    }
    if create.config_only
        || create
            .config_from
            .as_ref()
            .is_some_and(|from| !from.network.is_empty())
    {
        return Err(Error::not_implemented(
            "a network's configuration in another one",
        ));
    }
    match create.ipam.as_ref().map_or("", |ipam| ipam.driver.as_str()) {
        "" | "default" => Ok(()),
        driver => Err(Error::not_found(format!(
            "could not find plugin {driver} in v1 plugin registry: plugin not found"
        ))),
    }
}

/// Why no container can be connected to this network.
pub(super) fn connecting(name: &str) -> Error {
    match name {
        "host" => Error::forbidden(
            "container cannot be connected to host network: container must have been created in host network mode",
        ),
        _ => Error::forbidden(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        ),
    }
}

/// Why no container can be disconnected from this network.
pub(super) fn disconnecting(name: &str) -> Error {
    match name {
        "host" => Error::forbidden(
            "container cannot be disconnected from host network or connected to host network",
        ),
        _ => Error::forbidden(format!(
            "container cannot be disconnected from network {name}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use model::api::network::Create;

    use super::unusable;
    use crate::error::Kind;

    #[track_caller]
    fn check(json: &str, expect: Option<Kind>) {
        let create: Create = serde_json::from_str(json).unwrap();
        assert_eq!(
            unusable(&create).err().map(|error| error.kind()),
            expect,
            "{json}"
        );
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        check(r#"{"Name":"lab"}"#, None);
        check(r#"{"Name":"lab_default","Driver":"bridge"}"#, None);
        check(r#"{"Name":"test 01"}"#, None);
        check(r#"{"Name":" "}"#, Some(Kind::BadParameter));
        check(r#"{"Name":"a/b"}"#, Some(Kind::BadParameter));
        check(r#"{"Name":"bridge"}"#, Some(Kind::Forbidden));
        check(r#"{"Name":"x","Driver":"host"}"#, Some(Kind::Forbidden));
        check(
            r#"{"Name":"x","Driver":"overlay"}"#,
            Some(Kind::Unavailable),
        );
        check(r#"{"Name":"x","Driver":"weave"}"#, Some(Kind::NotFound));
        check(
            r#"{"Name":"x","EnableIPv6":true}"#,
            Some(Kind::NotImplemented),
        );
        check(
            r#"{"Name":"x","IPAM":{"Driver":"dhcp"}}"#,
            Some(Kind::NotFound),
        );
    }
}
