//! Containers that carry the backend's label and were made by somebody else.

use crate::common::{backend, image, options, unique};
use bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig, Mount, MountType},
    query_parameters::CreateContainerOptions,
};
use slate_core::{
    ErrorKind, InstanceId,
    policy::Severity,
    runtime::{ImageRef, RuntimeBackend, RuntimeBackendExt},
};
use slate_docker::Endpoint;
use std::collections::HashMap;

/// The engine itself, past the backend.
pub(crate) fn engine() -> Option<Docker> {
    match Endpoint::from_env() {
        Endpoint::Unix(path) => {
            let docker = Docker::connect_with_unix(&path.to_string_lossy(), 60, bollard::API_DEFAULT_VERSION).unwrap();
            Some(docker)
        }
        _ => None,
    }
}

/// A container of this realm that nobody hardened.
pub(crate) async fn make(
    docker: &Docker,
    image: &ImageRef,
    script: &str,
    user: Option<&str>,
    host: HostConfig,
) -> InstanceId {
    let docker = docker.clone().negotiate_version().await.unwrap();
    let body = ContainerCreateBody {
        image: Some(image.to_string()),
        entrypoint: Some(["sh", "-c", script].map(str::to_owned).into()),
        user: user.map(str::to_owned),
        labels: Some(HashMap::from([("slate.realm".into(), options().realm)])),
        host_config: Some(HostConfig { network_mode: Some("none".into()), ..host }),
        ..ContainerCreateBody::default()
    };
    let name = Some(unique("slate-test-forged"));
    let options = CreateContainerOptions { name, platform: String::new() };
    InstanceId::new(docker.create_container(Some(options), body).await.unwrap().id).unwrap()
}

#[tokio::test]
async fn a_container_that_isn_t_hardened_is_found_and_not_started() {
    let Some(backend) = backend().await else { return };
    let Some(docker) = engine() else { return };
    let host = HostConfig {
        privileged: Some(true),
        pid_mode: Some("host".into()),
        cap_add: Some(vec!["SYS_ADMIN".into()]),
        binds: Some(vec!["/etc:/host".into()]),
        security_opt: Some(vec!["seccomp=unconfined".into()]),
        ..HostConfig::default()
    };
    let id = make(&docker, &image(), "true", None, host).await;
    let findings = backend.audit(&id).await.unwrap();
    let dangers: Vec<_> =
        findings.iter().filter(|finding| finding.severity == Severity::Danger).map(|finding| finding.subject).collect();
    for subject in ["privileged", "namespaces", "capabilities", "mounts", "securityOptions", "user", "readOnly"] {
        assert!(dangers.contains(&subject), "{subject}: {findings:?}");
    }
    assert!(findings.iter().any(|finding| finding.subject == "memory"), "{findings:?}");
    let error = backend.start(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("privileged mode"), "{error}");
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test]
async fn a_volume_that_the_image_declares_is_warned_of() {
    let Some(backend) = backend().await else { return };
    let Some(docker) = engine() else { return };
    // As the engine makes it of an image's `VOLUME`: one without a name.
    let mount = Mount { target: Some("/data".into()), typ: Some(MountType::VOLUME), ..Mount::default() };
    let host = HostConfig { mounts: Some(vec![mount]), ..HostConfig::default() };
    let id = make(&docker, &image(), "true", Some("10001:10001"), host).await;
    let findings = backend.audit(&id).await.unwrap();
    let found = findings.iter().find(|finding| finding.subject == "volumes").unwrap();
    assert!(found.reason.contains("/data") && found.severity == Severity::Warning, "{found:?}");
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test]
async fn nothing_is_found_of_what_the_backend_makes() {
    let Some(backend) = backend().await else { return };
    let mut spec = crate::common::spec("audited", "true").with_label("slate.project", "p1");
    spec.ports = serde_json::from_value(serde_json::json!([{ "container": 7000 }])).unwrap();
    let id = backend.create(&spec).await.unwrap();
    assert_eq!(backend.audit(&id).await.unwrap(), []);
    backend.remove_if_there(&id).await.unwrap();
}
