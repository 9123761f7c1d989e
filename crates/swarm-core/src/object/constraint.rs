//! Placement constraints: `node.role==manager`, `node.labels.disk!=ssd`.
//!
//! A constraint is parsed once, when a spec enters; what does not parse is refused there. Whether one is met
//! is decided by [`Constraint::is_met_by`] alone.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use model::platform::architecture;
use serde::{Deserialize, Serialize};

use crate::object::node::Node;

/// A condition that a node must meet to be given a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    attribute: Attribute,
    relation: Relation,
    value: String,
}

/// The attribute of a node that a constraint or a preference looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Attribute {
    /// `node.id`
    Id,
    /// `node.hostname`
    Hostname,
    /// `node.ip`
    Address,
    /// `node.role`
    Role,
    /// `node.platform.os`
    Os,
    /// `node.platform.arch`
    Architecture,
    /// `node.labels.…`
    NodeLabel(String),
    /// `engine.labels.…`
    EngineLabel(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    Different,
}

/// A text that is not a constraint, or not an attribute of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConstraint {
    /// Neither `==` nor `!=` is in it.
    #[error("constraint {0:?} has neither '==' nor '!='")]
    NoRelation(String),
    /// It looks at something that nodes don't have.
    #[error(
        "{0:?} is not an attribute of a node: node.id, node.hostname, node.ip, node.role, \
         node.platform.os, node.platform.arch, node.labels.* or engine.labels.*"
    )]
    UnknownAttribute(String),
    /// There is nothing to compare with.
    #[error("constraint {0:?} has no value")]
    NoValue(String),
}

impl Constraint {
    /// Whether `node` may be given the task.
    pub fn is_met_by(&self, node: &Node) -> bool {
        let equal = match &self.attribute {
            Attribute::Id => node.id.to_string() == self.value,
            Attribute::Hostname => node.description.hostname.eq_ignore_ascii_case(&self.value),
            Attribute::Address => address_matches(&self.value, node.status.address),
            Attribute::Role => node.spec.role.as_str().eq_ignore_ascii_case(&self.value),
            Attribute::Os => node
                .description
                .platform
                .os
                .eq_ignore_ascii_case(&self.value),
            Attribute::Architecture => {
                architecture(&node.description.platform.architecture) == architecture(&self.value)
            }
            Attribute::NodeLabel(_) | Attribute::EngineLabel(_) => self
                .attribute
                .label_of(node)
                .is_some_and(|label| label.eq_ignore_ascii_case(&self.value)),
        };
        match self.relation {
            Relation::Equal => equal,
            Relation::Different => !equal,
        }
    }
}

impl Attribute {
    /// The label this attribute names, if it names one and `node` has it.
    pub fn label_of<'node>(&self, node: &'node Node) -> Option<&'node str> {
        match self {
            Self::NodeLabel(key) => node.spec.labels.get(key).map(String::as_str),
            Self::EngineLabel(key) => node.description.engine_labels.get(key).map(String::as_str),
            Self::Id
            | Self::Hostname
            | Self::Address
            | Self::Role
            | Self::Os
            | Self::Architecture => None,
        }
    }
}

fn address_matches(value: &str, address: Option<IpAddr>) -> bool {
    let Some(address) = address else { return false };
    match (value.parse::<IpAddr>(), value.parse::<ipnet::IpNet>()) {
        (Ok(wanted), _) => wanted == address,
        (Err(_), Ok(network)) => network.contains(&address),
        (Err(_), Err(_)) => false,
    }
}

impl FromStr for Attribute {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        let unknown = || InvalidConstraint::UnknownAttribute(text.to_owned());
        let labelled = |prefix| {
            text.strip_prefix(prefix)
                .filter(|key: &&str| !key.is_empty())
        };
        match text {
            "node.id" => Ok(Self::Id),
            "node.hostname" => Ok(Self::Hostname),
            "node.ip" => Ok(Self::Address),
            "node.role" => Ok(Self::Role),
            "node.platform.os" => Ok(Self::Os),
            "node.platform.arch" => Ok(Self::Architecture),
            _ => labelled("node.labels.")
                .map(|key| Self::NodeLabel(key.to_owned()))
                .or_else(|| labelled("engine.labels.").map(|key| Self::EngineLabel(key.to_owned())))
                .ok_or_else(unknown),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("node.id"),
            Self::Hostname => f.write_str("node.hostname"),
            Self::Address => f.write_str("node.ip"),
            Self::Role => f.write_str("node.role"),
            Self::Os => f.write_str("node.platform.os"),
            Self::Architecture => f.write_str("node.platform.arch"),
            Self::NodeLabel(key) => write!(f, "node.labels.{key}"),
            Self::EngineLabel(key) => write!(f, "engine.labels.{key}"),
        }
    }
}

impl FromStr for Constraint {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        let equal = text.find("==").map(|at| (at, Relation::Equal));
        let different = text.find("!=").map(|at| (at, Relation::Different));
        let (at, relation) = equal
            .into_iter()
            .chain(different)
            .min_by_key(|(at, _)| *at)
            .ok_or_else(|| InvalidConstraint::NoRelation(text.to_owned()))?;
        let value = text[at + 2..].trim();
        if value.is_empty() {
            return Err(InvalidConstraint::NoValue(text.to_owned()));
        }
        Ok(Self {
            attribute: text[..at].trim().parse()?,
            relation,
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.relation {
            Relation::Equal => "==",
            Relation::Different => "!=",
        };
        write!(f, "{}{relation}{}", self.attribute, self.value)
    }
}

macro_rules! through_text {
    ($($name:ty),+) => {$(
        impl TryFrom<String> for $name {
            type Error = InvalidConstraint;

            fn try_from(text: String) -> Result<Self, InvalidConstraint> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )+};
}

through_text!(Attribute, Constraint);

#[cfg(test)]
mod tests {
    use super::Constraint;
    use crate::object::node::{Node, NodeRole};
    use crate::testing::node;

    fn example() -> Node {
        let mut node = node(1);
        node.spec.role = NodeRole::Manager;
        node.spec.labels.insert("disk".to_owned(), "ssd".to_owned());
        node.description
            .engine_labels
            .insert("zone".to_owned(), "b".to_owned());
        node.status.address = Some("192.0.2.7".parse().unwrap());
        node
    }

    /// What the constraint says of the example node: `met`, `not met`, or why it is no constraint.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        let verdict = match text.parse::<Constraint>() {
            Ok(constraint) if constraint.is_met_by(&example()) => "met".to_owned(),
            Ok(_) => "not met".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(verdict.starts_with(expect), "{text}: {verdict}");
    }

    #[test]
    fn a_constraint_compares_one_attribute() {
        check("node.role==manager", "met");
        check("node.role == manager", "met");
        check("node.role!=manager", "not met");
        check("node.role==worker", "not met");
        check("node.hostname==host1", "met");
        check("node.labels.disk==SSD", "met");
        check("node.labels.disk!=ssd", "not met");
        check("node.labels.rack!=r1", "met");
        check("engine.labels.zone==b", "met");
        check("node.platform.os==linux", "met");
        check("node.platform.arch==x86_64", "met");
        check("node.platform.arch==amd64", "met");
        check("node.ip==192.0.2.7", "met");
        check("node.ip==192.0.2.0/24", "met");
        check("node.ip!=198.51.100.0/24", "met");
        check("node.ip==nonsense", "not met");
        check("node.id==0000000000000000000000001", "met");
    }

    #[test]
    fn what_is_no_constraint_is_refused() {
        check("node.role", "constraint \"node.role\" has neither");
        check("node.colour==red", "\"node.colour\" is not an attribute");
        check("node.labels.==red", "\"node.labels.\" is not an attribute");
        check("node.role==", "constraint \"node.role==\" has no value");
        check("", "constraint \"\" has neither");
    }
}
