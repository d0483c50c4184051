//! From the engine's records to SLATE's: pure.

use crate::{binds::STAGED, spec::REALM};
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum as Status, HealthStatusEnum, PortMap};
use slate_core::{
    Error, InstanceId, Result, Timestamp,
    runtime::{ExitStatus, Instance, InstanceState, PortMapping, Protocol},
};

/// Whether this container is one of `realm`.
pub(crate) fn belongs(container: &ContainerInspectResponse, realm: &str) -> bool {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    labels.and_then(|labels| labels.get(REALM)).is_some_and(|of| of == realm)
}

/// Where a container is in its life.
pub(crate) fn state(container: &ContainerInspectResponse) -> InstanceState {
    let state = container.state.as_ref();
    match state.and_then(|state| state.status) {
        Some(Status::RUNNING | Status::RESTARTING | Status::STOPPING) => InstanceState::Running,
        Some(Status::PAUSED) => InstanceState::Paused,
        Some(Status::EXITED | Status::DEAD | Status::REMOVING) => InstanceState::Exited,
        _ => InstanceState::Created,
    }
}

/// What SLATE knows of a container of `realm`.
pub(crate) fn instance(container: &ContainerInspectResponse, realm: &str) -> Result<Instance> {
    let id = InstanceId::new(container.id.as_deref().unwrap_or_default())?;
    let created = time(container.created.as_deref());
    let created = created.ok_or_else(|| Error::internal("the engine doesn't tell when a container was made"))?;
    let name = container.name.as_deref().unwrap_or_default().trim_start_matches('/');
    let name = name.strip_prefix(realm).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name);
    let mut instance = Instance::created(id, name, created);
    instance.state = state(container);
    let labels = container.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default();
    instance.labels = labels.into_iter().filter(|(key, _)| key != REALM && key != STAGED).collect();
    let lives = matches!(instance.state, InstanceState::Running | InstanceState::Paused);
    let bound = container.host_config.as_ref().and_then(|config| config.port_bindings.as_ref());
    let chosen = container.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
    instance.ports = ports(bound, chosen.filter(|_| lives));
    let Some(told) = &container.state else { return Ok(instance) };
    if instance.state == InstanceState::Created {
        return Ok(instance);
    }
    instance.started_at = time(told.started_at.as_deref());
    if lives {
        instance.process_id = told.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let health = told.health.as_ref().and_then(|health| health.status);
        instance.healthy = match health {
            Some(HealthStatusEnum::HEALTHY) => Some(true),
            Some(HealthStatusEnum::UNHEALTHY | HealthStatusEnum::STARTING) => Some(false),
            _ => None,
        };
        instance.failing = health == Some(HealthStatusEnum::UNHEALTHY);
    } else {
        instance.finished_at = time(told.finished_at.as_deref());
        instance.exit = Some(exit(told.exit_code, told.oom_killed.unwrap_or_default()));
    }
    Ok(instance)
}

/// The code of a program that was killed: 128 + SIGKILL.
pub(crate) const KILLED: i32 = 137;

/// How a program ended. The engine tells a code only: a signal is in it as 128 + its number, and can't be told apart.
pub(crate) fn exit(code: Option<i64>, out_of_memory: bool) -> ExitStatus {
    let mut exit = code.and_then(|code| i32::try_from(code).ok()).map_or(ExitStatus::unknown(), ExitStatus::exited);
    exit.out_of_memory = out_of_memory;
    exit
}

fn ports(bound: Option<&PortMap>, chosen: Option<&PortMap>) -> Vec<PortMapping> {
    let mut ports: Vec<_> = bound
        .into_iter()
        .flatten()
        .filter_map(|(port, asked)| {
            let (container, protocol) = port.split_once('/')?;
            let host_of = |map: &PortMap| {
                let bindings = map.get(port)?.as_ref()?;
                bindings.iter().find_map(|binding| binding.host_port.as_ref()?.parse().ok())
            };
            let asked = asked.iter().flatten().find_map(|binding| binding.host_port.as_ref()?.parse().ok());
            Some(PortMapping {
                container: container.parse().ok()?,
                host: chosen.and_then(host_of).or(asked).filter(|port| *port != 0),
                protocol: if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
            })
        })
        .collect();
    ports.sort_by_key(|port| (port.container, port.protocol.as_str()));
    ports
}

/// The engine's time; `0001-01-01T00:00:00Z` is its word for never.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text.filter(|text| !text.starts_with("0001-")).and_then(|text| text.parse().ok())
}
