//! From a spec to what the shim starts; pure.

use crate::{
    LogLimits,
    cgroup::Groups,
    record::{FORMAT, Launch, MARK, Record},
};
use slate_core::{
    Error, InstanceId, Result, Timestamp,
    runtime::{Cpus, DisplayMethod, Gpu, MemorySize, MountType, NetworkMode, PortMapping, RuntimeSpec},
};
use std::{collections::BTreeMap, path::Path};

/// Checks a spec and translates it. `inherited` is the service's share of the environment, `own` the instance's folder.
pub(crate) fn translate(
    spec: &RuntimeSpec,
    id: &InstanceId,
    inherited: BTreeMap<String, String>,
    own: &Path,
    log: LogLimits,
    groups: Groups,
) -> Result<(Record, Launch)> {
    spec.validate()?;
    refuse(spec)?;
    let mut env = inherited;
    if let Some(display) = &spec.display {
        let name = if display.method == DisplayMethod::X11 { "DISPLAY" } else { "WAYLAND_DISPLAY" };
        env.insert(name.into(), display.display_id.clone());
    }
    env.extend(spec.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
    env.insert(MARK.into(), id.to_string());
    let folder = match &spec.working_dir {
        Some(path) => host_path(spec, path),
        None => own.display().to_string(),
    };
    let record = Record {
        format: FORMAT,
        id: id.clone(),
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        ports: spec.ports.iter().map(|port| PortMapping { host: Some(port.container), ..*port }).collect(),
        memory: spec.memory.map(MemorySize::bytes),
        created_at: Timestamp::now(),
    };
    let launch = Launch {
        id: id.clone(),
        words: spec.command.clone(),
        env,
        folder,
        memory: record.memory,
        pids: spec.pids,
        cpu_millis: spec.cpus.map(Cpus::millis),
        log,
        groups,
    };
    Ok((record, launch))
}

/// Refuses what would silently mean something else here.
fn refuse(spec: &RuntimeSpec) -> Result<()> {
    let mapped = |port: &PortMapping| port.host.is_some_and(|host| host != port.container);
    let refused = [
        (spec.command.is_empty(), "a local process has no image to run from: name a command"),
        (spec.user.is_some(), "a local process runs as the service's own user"),
        (spec.isolation.is_some(), "a local process isn't isolated"),
        (matches!(spec.gpu, Gpu::Dedicated { .. }), "a local process can't be given a gpu alone"),
        (
            !matches!(spec.network, NetworkMode::Bridge | NetworkMode::Host),
            "a local process is in the host's own network",
        ),
        (spec.ports.iter().any(mapped), "a local process listens on the host's own ports: leave the host port out"),
        (
            spec.mounts.iter().any(|mount| mount.kind != MountType::Bind),
            "a local process sees the host's folders: only bind mounts have a meaning",
        ),
    ];
    match refused.into_iter().find(|(broken, _)| *broken) {
        Some((_, message)) => Err(Error::unsupported(message).with("name", &spec.name)),
        None => Ok(()),
    }
}

/// What a path of the instance is on the host: that of the deepest mount it lies under, else itself.
pub(crate) fn host_path(spec: &RuntimeSpec, path: &str) -> String {
    let under = spec.mounts.iter().filter_map(|mount| {
        let target = mount.container_path.trim_end_matches('/');
        let rest = path.strip_prefix(target)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| (target.len(), format!("{}{rest}", mount.host_path)))
    });
    under.max_by_key(|(depth, _)| *depth).map_or_else(|| path.to_owned(), |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::{ErrorKind, runtime::VolumeMount};

    fn try_it(spec: &RuntimeSpec) -> Result<(Record, Launch)> {
        let id = InstanceId::new("x").unwrap();
        translate(spec, &id, BTreeMap::new(), Path::new("/own"), LogLimits::default(), Groups::default())
    }

    #[test]
    fn a_folder_under_a_mount_is_the_host_s() {
        let spec = RuntimeSpec::new("a", ["b"])
            .with_mount(VolumeMount::bind("/srv/p", "/app"))
            .with_mount(VolumeMount::bind("/srv/deep", "/app/deep"));
        for (inside, host) in
            [("/app", "/srv/p"), ("/app/x", "/srv/p/x"), ("/app/deep/y", "/srv/deep/y"), ("/apple", "/apple")]
        {
            assert_eq!(host_path(&spec, inside), host);
        }
        assert_eq!(try_it(&spec).unwrap().1.folder, "/own");
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        let good = RuntimeSpec::new("a", ["b"]);
        let image: RuntimeSpec = good.clone().with_image("busybox".parse().unwrap());
        assert!(try_it(&image).is_ok(), "with a command the image is ignored");
        let mut bad = [image, good.clone(), good.clone(), good.clone(), good.clone()];
        bad[0].command.clear();
        bad[1].user = Some("1000:1000".into());
        bad[2].network = NetworkMode::None;
        bad[3].isolation = Some("runsc".into());
        bad[4].ports =
            vec![PortMapping { container: 80, host: Some(8080), protocol: slate_core::runtime::Protocol::Tcp }];
        for spec in bad {
            assert_eq!(try_it(&spec).err().map(|error| error.kind()), Some(ErrorKind::Unsupported), "{spec:?}");
        }
    }
}
