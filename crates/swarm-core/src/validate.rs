//! What a service spec must be, looked at by itself. What it must be among the other objects is checked in
//! [`crate::state`], when it is stored.

use std::collections::BTreeSet;

use model::port::Port;

use crate::object::spec::{
    EndpointMode, PortSpec, PublishMode, ServiceMode, ServiceSpec, UpdatePolicy,
};

/// Why a spec contradicts itself or asks for what cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No image is named.
    #[error("the container has no image")]
    NoImage,
    /// A port is zero.
    #[error("port 0 cannot be published")]
    PortZero,
    /// One port is published twice.
    #[error("port {0} is published twice")]
    PortTwice(Port),
    /// The routing mesh needs the service's address.
    #[error("endpoint mode dnsrr cannot be used with ports published in ingress mode")]
    RoundRobinOnIngress,
    /// One network is named twice.
    #[error("a network is attached twice")]
    NetworkTwice,
    /// A share is not from 0 to 1.
    #[error("the max failure ratio is not a number from 0 to 1")]
    RatioOutOfRange,
    /// More is reserved than may be used.
    #[error("more {0} is reserved than the limit allows")]
    ReservationAboveLimit(&'static str),
    /// A limit per node means nothing for one task per node.
    #[error("max replicas per node can only be used in replicated mode")]
    MaxReplicasPerNode,
}

/// Checks that `spec` can be meant.
pub fn service_spec(spec: &ServiceSpec) -> Result<(), SpecError> {
    if spec.task.container.image.is_empty() {
        return Err(SpecError::NoImage);
    }
    ports(&spec.endpoint.ports)?;
    if spec.endpoint.mode == EndpointMode::Dnsrr && spec.publishes_on_ingress() {
        return Err(SpecError::RoundRobinOnIngress);
    }
    networks(spec)?;
    ratio(&spec.update)?;
    ratio(&spec.rollback)?;
    resources(spec)?;
    match (spec.mode, spec.placement.max_replicas) {
        (ServiceMode::Global | ServiceMode::GlobalJob, Some(_)) => {
            Err(SpecError::MaxReplicasPerNode)
        }
        (ServiceMode::Global | ServiceMode::GlobalJob, None)
        | (ServiceMode::Replicated { .. } | ServiceMode::ReplicatedJob { .. }, _) => Ok(()),
    }
}

fn ports(ports: &[PortSpec]) -> Result<(), SpecError> {
    let mut published: BTreeSet<(Port, PublishMode)> = BTreeSet::new();
    for port in ports {
        if port.target == 0 || port.published == Some(0) {
            return Err(SpecError::PortZero);
        }
        let Some(number) = port.published else {
            continue;
        };
        let name = Port {
            protocol: port.protocol,
            number,
        };
        if !published.insert((name, port.mode)) {
            return Err(SpecError::PortTwice(name));
        }
    }
    Ok(())
}

fn networks(spec: &ServiceSpec) -> Result<(), SpecError> {
    let mut seen = BTreeSet::new();
    let distinct = spec
        .task
        .networks
        .iter()
        .all(|attachment| seen.insert(attachment.network));
    if distinct {
        Ok(())
    } else {
        Err(SpecError::NetworkTwice)
    }
}

fn ratio(policy: &UpdatePolicy) -> Result<(), SpecError> {
    if (0.0..=1.0).contains(&policy.max_failure_ratio) {
        Ok(())
    } else {
        Err(SpecError::RatioOutOfRange)
    }
}

fn resources(spec: &ServiceSpec) -> Result<(), SpecError> {
    let (reserved, limit) = (spec.task.reservations, spec.task.limits);
    let above = |reserved: u64, limit: u64| limit != 0 && reserved > limit;
    if above(reserved.nano_cpus, limit.nano_cpus) {
        return Err(SpecError::ReservationAboveLimit("processor time"));
    }
    if above(reserved.memory_bytes, limit.memory_bytes) {
        return Err(SpecError::ReservationAboveLimit("memory"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use model::port::{Port, Protocol};

    use super::{SpecError, service_spec};
    use crate::object::spec::{
        EndpointMode, NetworkAttachment, PortSpec, PublishMode, ServiceMode, ServiceSpec,
    };
    use crate::testing::{network_id, port, spec};

    #[track_caller]
    fn check(change: impl FnOnce(&mut ServiceSpec), expect: &Result<(), SpecError>) {
        let mut spec = spec("web");
        change(&mut spec);
        assert_eq!(&service_spec(&spec), expect);
    }

    #[test]
    fn a_plain_spec_is_fine() {
        check(|_| (), &Ok(()));
        check(
            |spec| spec.mode = ServiceMode::Replicated { replicas: 0 },
            &Ok(()),
        );
        check(
            |spec| spec.endpoint.ports = vec![port(None, 80), port(None, 81)],
            &Ok(()),
        );
    }

    #[test]
    fn contradictions_are_named() {
        let eighty = Port {
            protocol: Protocol::Tcp,
            number: 80,
        };
        check(
            |spec| spec.task.container.image.clear(),
            &Err(SpecError::NoImage),
        );
        check(
            |spec| spec.endpoint.ports = vec![port(Some(0), 80)],
            &Err(SpecError::PortZero),
        );
        check(
            |spec| spec.endpoint.ports = vec![port(Some(80), 0)],
            &Err(SpecError::PortZero),
        );
        check(
            |spec| spec.endpoint.ports = vec![port(Some(80), 1), port(Some(80), 2)],
            &Err(SpecError::PortTwice(eighty)),
        );
        check(
            |spec| {
                spec.endpoint.mode = EndpointMode::Dnsrr;
                spec.endpoint.ports = vec![port(Some(80), 80)];
            },
            &Err(SpecError::RoundRobinOnIngress),
        );
        check(
            |spec| {
                spec.endpoint.mode = EndpointMode::Dnsrr;
                spec.endpoint.ports = vec![PortSpec {
                    mode: PublishMode::Host,
                    ..port(Some(80), 80)
                }];
            },
            &Ok(()),
        );
        check(
            |spec| spec.update.max_failure_ratio = f32::NAN,
            &Err(SpecError::RatioOutOfRange),
        );
        check(
            |spec| spec.rollback.max_failure_ratio = 1.5,
            &Err(SpecError::RatioOutOfRange),
        );
        check(
            |spec| {
                spec.task.limits.memory_bytes = 1;
                spec.task.reservations.memory_bytes = 2;
            },
            &Err(SpecError::ReservationAboveLimit("memory")),
        );
        check(
            |spec| {
                spec.mode = ServiceMode::Global;
                spec.placement.max_replicas = NonZeroU32::new(1);
            },
            &Err(SpecError::MaxReplicasPerNode),
        );
        check(
            |spec| {
                let attachment = NetworkAttachment {
                    network: network_id(1),
                    aliases: Vec::new(),
                };
                spec.task.networks = vec![attachment.clone(), attachment];
            },
            &Err(SpecError::NetworkTwice),
        );
    }
}
