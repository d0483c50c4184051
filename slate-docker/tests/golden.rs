//! What the engine is asked for, word for word: `tests/golden/*.json`. After a change that is meant,
//! `SLATE_GOLDEN=write cargo test -p slate-docker --test golden` writes them anew; the difference is for a reviewer's eyes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_core::{
    ErrorKind,
    policy::{Hardening, Scratch},
    runtime::{
        Cpus, DisplayConfiguration, DisplayMethod, Gpu, HealthCheck, HealthProbe, MemorySize, MountMode, MountType,
        NetworkMode, PortMapping, Protocol, RuntimeSpec, VolumeMount, labels,
    },
};
use slate_docker::{DockerOptions, EngineHost, LogLimits, NoCredentials, request_body};
use std::path::Path;

fn options() -> DockerOptions {
    DockerOptions::default().with_credentials(NoCredentials)
}

fn host() -> EngineHost {
    EngineHost::new(Cpus::cores(8))
}

fn spec() -> RuntimeSpec {
    RuntimeSpec::new("game", ["/bin/game", "--level", "3"]).with_image("registry.example/game:1".parse().unwrap())
}

fn golden(name: &str, spec: &RuntimeSpec, options: &DockerOptions, host: EngineHost) {
    let body = request_body(spec, options, host).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    if std::env::var("SLATE_GOLDEN").is_ok_and(|word| word == "write") {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&body).unwrap())).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body, expected, "{name}: the engine would be asked for something else");
}

#[test]
fn the_least_spec_is_hardened() {
    golden("least", &spec(), &options(), host());
}

#[test]
fn what_the_image_says_is_kept_where_the_spec_says_nothing() {
    let spec = RuntimeSpec::new("game", Vec::<String>::new()).with_image("game:1".parse().unwrap());
    let body = request_body(&spec, &options(), host()).unwrap();
    for field in ["Cmd", "Entrypoint", "WorkingDir"] {
        assert!(body.get(field).is_none_or(serde_json::Value::is_null), "{field}: {body}");
    }
}

#[test]
fn a_full_spec_is_translated() {
    let mut spec = spec()
        .with_env("COLOUR", "red")
        .with_secret("TOKEN", "hunter2")
        .with_label(labels::SESSION, "s1")
        .with_label(labels::PROJECT, "p1")
        .with_label(labels::OWNER, "worker-1")
        .with_label(labels::GENERATION, 7)
        .with_mount(VolumeMount::bind("/srv/project", "/project").read_only())
        .with_mount(VolumeMount {
            host_path: "saves".into(),
            container_path: "/saves".into(),
            mode: MountMode::Rw,
            kind: MountType::Volume,
        })
        .with_mount(VolumeMount {
            host_path: String::new(),
            container_path: "/cache".into(),
            mode: MountMode::Rw,
            kind: MountType::Tmpfs,
        })
        .with_working_dir("/project")
        .with_memory(MemorySize::from_mib(512))
        .with_cpus(Cpus::from_millis(1500))
        .with_pids(64);
    spec.user = Some("1000:1000".into());
    spec.disk = Some(MemorySize::from_gib(1));
    spec.isolation = Some("runsc".into());
    spec.ports = vec![
        PortMapping { container: 8080, host: None, protocol: Protocol::Tcp },
        PortMapping { container: 7777, host: Some(40_000), protocol: Protocol::Udp },
    ];
    spec.health = Some(HealthCheck::new(HealthProbe::Exec(vec!["/bin/healthy".into()])));
    golden(
        "full",
        &spec,
        &options().with_log(LogLimits::new(MemorySize::from_mib(1), 3)),
        host().with_disk_limit(true),
    );
}

#[test]
fn graphics_processors_are_requested_as_the_driver_wants_it() {
    let mut shared = spec();
    shared.gpu = Gpu::Shared;
    golden("gpu-shared", &shared, &options(), host());
    let mut dedicated = spec();
    dedicated.gpu = Gpu::Dedicated { devices: vec!["GPU-6ba9".into()] };
    golden("gpu-dedicated", &dedicated, &options(), host());
    let mut cdi = options();
    cdi.gpu_driver = "cdi".into();
    dedicated.gpu = Gpu::Dedicated { devices: vec!["nvidia.com/gpu=0".into()] };
    golden("gpu-cdi", &dedicated, &cdi, host());
}

#[test]
fn a_display_is_one_socket_and_its_name() {
    let mut spec = spec();
    spec.display = Some(DisplayConfiguration {
        method: DisplayMethod::X11,
        display_id: ":1".into(),
        resolution: None,
        refresh_rate: None,
        socket_path: Some("/tmp/.X11-unix/X1".into()),
        auth_token: None,
    });
    golden("display-x11", &spec, &options(), host());
}

#[test]
fn a_loosened_hardening_loosens_what_it_names_only() {
    let mut hardening = Hardening::default();
    hardening.read_only = false;
    hardening.outbound = true;
    hardening.host_network = true;
    hardening.root_user = true;
    let mut scratch = Scratch::new("/tmp", MemorySize::from_gib(1));
    scratch.executable = true;
    hardening.scratch = vec![scratch];
    let mut spec = spec();
    spec.user = Some("0:0".into());
    golden("loosened", &spec, &options().with_hardening(hardening), host());
}

#[test]
fn a_port_is_healthy_while_somebody_listens() {
    let mut spec = spec();
    spec.health = Some(HealthCheck::new(HealthProbe::Tcp(8080)));
    let body = request_body(&spec, &options(), host()).unwrap();
    assert!(body["Healthcheck"]["Test"][1].as_str().unwrap().contains(":1F90 "), "{body}");
}

#[test]
fn more_processors_than_the_host_has_are_all_of_them() {
    let spec = spec().with_cpus(Cpus::cores(64));
    let body = request_body(&spec, &options(), host()).unwrap();
    assert_eq!(body["HostConfig"]["NanoCpus"], 8_000_000_000_i64);
}

#[test]
fn a_mount_takes_the_place_of_a_scratch_folder() {
    let body = request_body(&spec().with_mount(VolumeMount::bind("/srv/t", "/tmp/")), &options(), host()).unwrap();
    assert_eq!(body["HostConfig"]["Tmpfs"], serde_json::json!({}));
}

#[test]
fn what_is_not_granted_is_refused() {
    let refused = |change: fn(&mut RuntimeSpec)| {
        let mut spec = spec();
        change(&mut spec);
        request_body(&spec, &options(), host()).unwrap_err().kind()
    };
    use ErrorKind::{Invalid, PermissionDenied, Unsupported};
    for user in ["0", "0:0", "root", "root:games", "00", "+0", "-0", ":0", ":", "1000:0", "admin", "1000:root"] {
        let mut spec = spec();
        spec.user = Some(user.into());
        let error = request_body(&spec, &options(), host()).unwrap_err();
        assert_eq!(error.kind(), PermissionDenied, "{user}");
    }
    assert_eq!(refused(|spec| spec.network = NetworkMode::Host), PermissionDenied);
    assert_eq!(refused(|spec| spec.network = NetworkMode::Named("container:other".into())), Invalid);
    assert_eq!(refused(|spec| drop(spec.labels.insert("slate.realm".into(), "other".into()))), PermissionDenied);
    assert_eq!(refused(|spec| spec.mounts.push(VolumeMount::bind("/srv", "/etc"))), PermissionDenied);
    assert_eq!(refused(|spec| spec.image = None), Invalid);
    let with_token = |spec: &mut RuntimeSpec| {
        spec.display = Some(DisplayConfiguration {
            method: DisplayMethod::X11,
            display_id: ":1".into(),
            resolution: None,
            refresh_rate: None,
            socket_path: None,
            auth_token: Some(slate_core::runtime::EnvValue::secret("hunter2")),
        });
    };
    assert_eq!(refused(with_token), Unsupported);
}
