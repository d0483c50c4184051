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
    models::VolumeCreateRequest,
    query_parameters::{ListVolumesOptions, RemoveVolumeOptions, UploadToContainerOptions},
};
use slate_core::{
    ErrorKind, InstanceId, Result,
    runtime::{MountMode, MountType, RuntimeSpec, VolumeMount, Volumes},
};
use std::collections::HashMap;

impl Shared {
    /// Makes a volume; says whether it wasn't there before.
    pub(crate) async fn ensure_volume(&self, name: &str) -> Result<bool> {
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

    /// Makes the volumes of a spec; the names of the new ones.
    pub(crate) async fn prepare_volumes(&self, spec: &RuntimeSpec) -> Result<Vec<String>> {
        let mut fresh = Vec::new();
        for mount in spec.mounts.iter().filter(|mount| mount.kind == MountType::Volume) {
            if self.ensure_volume(&mount.host_path).await? {
                fresh.push(mount.host_path.clone());
            }
        }
        Ok(fresh)
    }

    /// Gives new volumes to the user of the container: the engine makes them for root, and the program isn't root.
    pub(crate) async fn hand_over_volumes(&self, id: &InstanceId, spec: &RuntimeSpec, fresh: &[String]) -> Result<()> {
        let user = spec.user.as_ref().unwrap_or(&self.options.hardening.user);
        let writable = |mount: &&VolumeMount| mount.mode == MountMode::Rw && fresh.contains(&mount.host_path);
        for mount in spec.mounts.iter().filter(|mount| mount.kind == MountType::Volume).filter(writable) {
            let Some(owner) = files::Owner::parse(user) else { continue };
            let options = UploadToContainerOptions { path: mount.container_path.clone(), ..Default::default() };
            let body = bollard::body_full(files::folder_archive(owner)?);
            let given = self.docker.upload_to_container(id.as_str(), Some(options), body).await;
            given.map_err(|error| translate(error, "create").with("volume", &mount.host_path))?;
        }
        Ok(())
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
