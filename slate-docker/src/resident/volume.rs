//! How the agent comes into containers: by a volume that all of a realm share, and that none can write to.

use super::{FOLDER, PROGRAM};
use crate::{
    backend::Shared,
    error::translate,
    spec::{REALM, volume_name},
};
use bollard::{
    models::{ContainerCreateBody, HostConfig, Mount, MountType as EngineMountType, VolumeCreateRequest},
    query_parameters::{
        ContainerArchiveInfoOptions, RemoveContainerOptions, RemoveVolumeOptions, UploadToContainerOptions,
    },
};
use bytes::Bytes;
use slate_core::{Error, ErrorKind, Result, model::Sha256Hex, runtime::RuntimeSpec};
use std::{collections::HashMap, fmt, path::Path};

/// The program that waits in warm containers: `slate-agent`, built as a static program for the engine's processor.
#[derive(Clone)]
pub struct Agent {
    program: Bytes,
    /// Names the volume: another program is in another one.
    hash: Sha256Hex,
}

impl Agent {
    /// This program.
    ///
    /// # Errors
    /// `Invalid` where it is no ELF program; `LimitExceeded` over 64 MiB.
    pub fn new(program: impl Into<Bytes>) -> Result<Self> {
        let program = program.into();
        if !program.starts_with(b"\x7fELF") {
            return Err(Error::invalid("the agent is a static Linux program"));
        }
        if program.len() > 64 << 20 {
            return Err(Error::limit_exceeded("an agent is at most 64 MiB").with("size", program.len()));
        }
        let hash = Sha256Hex::of(&program);
        Ok(Self { program, hash })
    }

    /// The program in this file.
    ///
    /// # Errors
    /// As [`new`](Self::new); `NotFound` and the like where it can't be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let program = std::fs::read(path);
        Self::new(program.map_err(|error| Error::io("read the agent", error).with("path", path.display()))?)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("size", &self.program.len()).field("hash", &self.hash).finish()
    }
}

impl Shared {
    /// The volume with the agent in it, made where it isn't there; the engine's name of it.
    pub(super) async fn agent_volume(&self, agent: &Agent, spec: &RuntimeSpec) -> Result<String> {
        let short: String = agent.hash.as_str().chars().take(16).collect();
        let name = volume_name(&self.options.realm, &format!("agent-{short}"));
        let _alone = self.volume_gate.lock().await;
        // One that this process knows to be filled is asked about no more than that it is there.
        let known = format!("agent\0{name}");
        let is_there = match self.docker.inspect_volume(&name).await.map_err(|error| translate(error, "volume")) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if is_there && self.programs().contains(&known) {
            return Ok(name);
        }
        let labels = Some(HashMap::from([(REALM.into(), self.options.realm.clone())]));
        let request = VolumeCreateRequest { name: Some(name.clone()), labels, ..VolumeCreateRequest::default() };
        self.docker.create_volume(request).await.map_err(|error| translate(error, "volume"))?;
        match self.fill(&name, agent, spec).await {
            Ok(()) => {
                self.programs().insert(known);
                Ok(name)
            }
            Err(error) => {
                // In use by others, as a rule: then it was filled before.
                drop(self.docker.remove_volume(&name, None::<RemoveVolumeOptions>).await);
                Err(error.with("volume", name))
            }
        }
    }

    /// Puts the program into the volume where it isn't there in full, by a container that is never started.
    async fn fill(&self, volume: &str, agent: &Agent, spec: &RuntimeSpec) -> Result<()> {
        let image = spec.image.as_ref().ok_or_else(|| Error::invalid("a container is made of an image"))?;
        let mount = Mount {
            target: Some(FOLDER.into()),
            source: Some(volume.into()),
            typ: Some(EngineMountType::VOLUME),
            ..Mount::default()
        };
        let host = HostConfig { mounts: Some(vec![mount]), network_mode: Some("none".into()), ..HostConfig::default() };
        let body = ContainerCreateBody {
            image: Some(image.to_string()),
            entrypoint: Some(vec!["/never-started".into()]),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let failed = |error| translate(error, "warm");
        let helper = self.docker.create_container(None, body).await.map_err(failed)?.id;
        let asked = ContainerArchiveInfoOptions { path: PROGRAM.into() };
        let there = self.docker.get_container_archive_info(&helper, Some(asked)).await;
        // Others may be starting from it just now: it isn't written again.
        let filled = if there.is_ok_and(|there| usize::try_from(there.size) == Ok(agent.program.len())) {
            Ok(())
        } else {
            let options = UploadToContainerOptions { path: FOLDER.into(), ..UploadToContainerOptions::default() };
            let archive = bollard::body_full(archive(agent)?);
            self.docker.upload_to_container(&helper, Some(options), archive).await.map_err(failed)
        };
        let away = RemoveContainerOptions { v: false, force: true, link: false };
        let removed = self.docker.remove_container(&helper, Some(away)).await.map_err(failed);
        filled.and(removed)
    }
}

fn archive(agent: &Agent) -> Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o555);
    header.set_size(agent.program.len() as u64);
    let packed = archive.append_data(&mut header, "agent", &agent.program[..]).and_then(|()| archive.into_inner());
    Ok(packed.map_err(|error| Error::io("pack the agent", error))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_is_an_agent() {
        assert_eq!(Agent::new("#!/bin/sh\n").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(Agent::open("/no/such/file").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(Agent::new(b"\x7fELF...".to_vec()).is_ok());
    }
}
