//! Volumes of the backend's realm.

use crate::{
    DockerBackend,
    backend::Shared,
    error::{PLACE, translate},
    files,
    spec::{REALM, volume_name},
};
use async_trait::async_trait;
use bollard::{
    models::{ContainerCreateBody, HostConfig, Mount, MountType as EngineMountType, VolumeCreateRequest},
    query_parameters::{ListVolumesOptions, RemoveContainerOptions, RemoveVolumeOptions, UploadToContainerOptions},
};
use slate_core::{
    ErrorKind, Result,
    runtime::{MountMode, MountType, RuntimeSpec, VolumeMount, Volumes},
};
use std::collections::HashMap;

impl Shared {
    /// Makes a volume; says whether it wasn't there before.
    async fn ensure_volume(&self, name: &str) -> Result<bool> {
        let probe = VolumeMount {
            host_path: name.into(),
            container_path: "/x".into(),
            mode: MountMode::Ro,
            kind: MountType::Volume,
        };
        probe.validate()?;
        let name = volume_name(&self.options.realm, name);
        match self.docker.inspect_volume(&name).await.map_err(|error| translate(error, "volume")) {
            Ok(_) => return Ok(false),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.with("volume", name)),
            Err(_) => {}
        }
        let labels = Some(HashMap::from([(REALM.into(), self.options.realm.clone())]));
        let request = VolumeCreateRequest { name: Some(name.clone()), labels, ..VolumeCreateRequest::default() };
        self.docker.create_volume(request).await.map_err(|error| translate(error, "volume").with("volume", name))?;
        Ok(true)
    }

    /// Makes the volumes of a spec that aren't there, and gives them to its user.
    pub(crate) async fn prepare_volumes(&self, spec: &RuntimeSpec) -> Result<()> {
        let volumes: Vec<_> = spec.mounts.iter().filter(|mount| mount.kind == MountType::Volume).collect();
        if volumes.is_empty() {
            return Ok(());
        }
        // Nobody else takes a volume for ready before it belongs to its user.
        let _alone = self.volume_gate.lock().await;
        let mut fresh = Vec::new();
        for mount in volumes {
            if self.ensure_volume(&mount.host_path).await? {
                fresh.push(mount.host_path.clone());
            }
        }
        let given = self.hand_over_volumes(spec, &fresh).await;
        if given.is_err() {
            // One that stayed would be taken for an old one the next time.
            for name in &fresh {
                let name = volume_name(&self.options.realm, name);
                if let Err(error) = self.docker.remove_volume(&name, None::<RemoveVolumeOptions>).await {
                    let error = translate(error, "create");
                    tracing::warn!(volume = name, %error, "a new volume belongs to root and could not be removed");
                }
            }
        }
        given
    }

    /// Gives new volumes to the user of the container: the engine makes them for root, and the program isn't root.
    ///
    /// The engine changes the owner only of what lies in a folder that it unpacks an archive in, and refuses to unpack in
    /// an image that can't be written: so a container that is never started sees the volumes below a folder of its own.
    async fn hand_over_volumes(&self, spec: &RuntimeSpec, fresh: &[String]) -> Result<()> {
        let user = spec.user.as_ref().unwrap_or(&self.options.hardening.user);
        let (Some(owner), Some(image), false) = (files::Owner::parse(user), &spec.image, fresh.is_empty()) else {
            return Ok(());
        };
        let mount = |(number, name): (usize, &String)| Mount {
            target: Some(format!("/slate-volumes/{number}")),
            source: Some(volume_name(&self.options.realm, name)),
            typ: Some(EngineMountType::VOLUME),
            ..Mount::default()
        };
        let mounts = Some(fresh.iter().enumerate().map(mount).collect());
        let body = ContainerCreateBody {
            image: Some(image.to_string()),
            entrypoint: Some(vec!["/never-started".into()]),
            host_config: Some(HostConfig { mounts, network_mode: Some("none".into()), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        let failed = |error| translate(error, "create").with("volumes", fresh.join(", "));
        let helper = self.docker.create_container(None, body).await.map_err(failed)?.id;
        let options = UploadToContainerOptions { path: "/slate-volumes".into(), ..UploadToContainerOptions::default() };
        let archive = bollard::body_full(files::folders_archive(fresh.len(), owner)?);
        let given = self.docker.upload_to_container(&helper, Some(options), archive).await.map_err(failed);
        let away = RemoveContainerOptions { v: false, force: true, link: false };
        let removed = self.docker.remove_container(&helper, Some(away)).await.map_err(failed);
        given.and(removed)
    }
}

#[async_trait]
impl Volumes for DockerBackend {
    async fn create(&self, name: &str) -> Result<()> {
        self.0.ensure_volume(name).await.map(drop).map_err(|error| error.at(PLACE, "volume"))
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let name = volume_name(&self.0.options.realm, name);
        let removed = self.0.docker.remove_volume(&name, None::<RemoveVolumeOptions>).await;
        match removed.map_err(|error| translate(error, "volume").with("volume", name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn list(&self) -> Result<Vec<String>> {
        let realm = &self.0.options.realm;
        let filters = HashMap::from([("label".to_owned(), vec![format!("{REALM}={realm}")])]);
        let listed = self.0.docker.list_volumes(Some(ListVolumesOptions { filters: Some(filters) })).await;
        let listed = listed.map_err(|error| translate(error, "volume"))?.volumes.unwrap_or_default();
        let prefix = volume_name(realm, "");
        let mut names: Vec<_> =
            listed.into_iter().filter_map(|volume| volume.name.strip_prefix(&prefix).map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }
}
