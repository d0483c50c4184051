//! Each rule refuses what it is for, says where and what would grant it, and is opened by exactly that grant.

use super::*;
use crate::{
    Error, ErrorKind,
    policy::{Hardening, MountPolicy, PortRules, Preset},
    runtime::{
        Cpus, DisplayConfiguration, DisplayMethod, MemorySize, MountMode, PortMapping, Protocol, VolumeMount, labels,
    },
};

fn spec() -> RuntimeSpec {
    RuntimeSpec::new("s", ["true"]).with_image("slate/godot:4".parse().unwrap())
}

fn port(host: u16) -> PortMapping {
    PortMapping { container: 80, host: Some(host), protocol: Protocol::Tcp }
}

fn display(socket: &str) -> DisplayConfiguration {
    DisplayConfiguration {
        method: DisplayMethod::X11,
        display_id: ":1".into(),
        resolution: None,
        refresh_rate: None,
        socket_path: Some(socket.into()),
        auth_token: None,
    }
}

fn volume(name: &str) -> VolumeMount {
    VolumeMount {
        host_path: name.into(),
        container_path: "/saves".into(),
        mode: MountMode::Rw,
        kind: MountType::Volume,
    }
}

/// The path at which it refuses, the grant that opens it, what asks for it.
type Case = (&'static str, fn(&mut SecurityPolicy), fn(&mut RuntimeSpec));

const CASES: &[Case] = &[
    ("env.LD_PRELOAD", |p| p.refused_env.clear(), |s| *s = s.clone().with_env("LD_PRELOAD", "/x.so")),
    (
        "env.NVIDIA_VISIBLE_DEVICES",
        |p| p.refused_env.clear(),
        |s| {
            *s = s.clone().with_env("NVIDIA_VISIBLE_DEVICES", "all");
        },
    ),
    ("ports[0].host", |p| p.ports.lowest = 80, |s| s.ports.push(port(80))),
    ("ports[0].host", |p| p.ports = PortRules::any(), |s| s.ports.push(port(2375))),
    (
        "mounts[0].hostPath",
        |p| p.mounts = MountPolicy::none().with_root("/srv").unwrap(),
        |s| {
            s.mounts.push(VolumeMount::bind("/srv/p", "/app"));
        },
    ),
    ("mounts[0].hostPath", |p| p.volumes = vec!["p1-*".parse().unwrap()], |s| s.mounts.push(volume("p1-saves"))),
    ("display.socketPath", |p| p.displays = true, |s| s.display = Some(display("/tmp/.X11-unix/X1"))),
    ("memory", |p| p.memory = MemorySize::from_gib(65), |s| s.memory = Some(MemorySize::from_gib(65))),
    ("cpus", |p| p.cpus = Cpus::cores(65), |s| s.cpus = Some(Cpus::cores(65))),
    ("pids", |p| p.pids = 10_000, |s| s.pids = Some(10_000)),
    ("disk", |p| p.disk = MemorySize::from_gib(2048), |s| s.disk = Some(MemorySize::from_gib(2048))),
    ("network", |p| p.host_network = true, |s| s.network = NetworkMode::Host),
    ("network", |p| p.networks = vec!["lobby".parse().unwrap()], |s| s.network = NetworkMode::Named("lobby".into())),
    ("user", |p| p.root_user = true, |s| s.user = Some("0".into())),
    ("user", |p| p.root_user = true, |s| s.user = Some("admin".into())),
    ("isolation", |p| p.isolation = vec!["kata*".parse().unwrap()], |s| s.isolation = Some("kata-qemu".into())),
];

#[test]
fn each_refusal_is_opened_by_exactly_its_grant() {
    for (index, (path, grant, ask)) in CASES.iter().enumerate() {
        let (policy, mut spec) = (SecurityPolicy::default(), spec());
        ask(&mut spec);
        spec.validate().unwrap();
        let refusals = policy.judge(&spec).refusals;
        assert_eq!(refusals.len(), 1, "{index}: {refusals:?}");
        assert_eq!(refusals[0].path, *path, "{index}");
        assert!(refusals[0].grant.is_some(), "{index}");
        let mut granted = policy;
        grant(&mut granted);
        assert!(granted.judge(&spec).is_granted(), "{index}: {:?}", granted.judge(&spec));
        // What opens one opens no other kind.
        for (other, (_, _, ask)) in CASES.iter().enumerate().filter(|(_, (other, ..))| other != path) {
            let mut spec = self::spec();
            ask(&mut spec);
            let alike = path.starts_with("env.") && CASES[other].0.starts_with("env.");
            assert!(alike || !granted.judge(&spec).is_granted(), "the grant of {index} opens {other}");
        }
    }
}

#[test]
fn nothing_grants_these() {
    let open = SecurityPolicy::open();
    let cases: [(&str, RuntimeSpec); 6] = [
        ("labels.slate.session", spec().with_label(labels::SESSION, "another")),
        ("labels.Slate.Owner", spec().with_label("Slate.Owner", "me")),
        ("display.socketPath", RuntimeSpec { display: Some(display("/var/run/docker.sock")), ..spec() }),
        ("display.socketPath", RuntimeSpec { display: Some(display("/tmp/.X11-unix/X1/../x")), ..spec() }),
        ("network", RuntimeSpec { network: NetworkMode::Named("container:other".into()), ..spec() }),
        ("network", RuntimeSpec { network: NetworkMode::Named("host".into()), ..spec() }),
    ];
    for (path, spec) in cases {
        let refusals = open.judge(&spec).refusals;
        assert_eq!((refusals.len(), refusals[0].path.as_str()), (1, path), "{refusals:?}");
        assert_eq!(refusals[0].grant, None, "{path}");
    }
}

#[test]
fn every_refusal_is_told_at_once() {
    let mut spec = spec();
    for (_, _, ask) in CASES {
        ask(&mut spec);
    }
    let verdict = SecurityPolicy::default().judge(&spec);
    assert!(verdict.refusals.len() >= 12, "{verdict:?}");
    let error = verdict.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("ports[0].host: port 80 is outside of 1024-65535"), "{error}");
    assert!(error.context().iter().any(|(key, _)| *key == "more"), "{error}");
}

#[test]
fn a_project_has_folders_volumes_and_networks_of_its_own() {
    let policy = SecurityPolicy::from(MountPolicy::none().with_root("/srv/{project}").unwrap())
        .with_volumes(["{project}-*".parse().unwrap()])
        .with_networks(["{project}-lobby".parse().unwrap()]);
    let of = |project: &str| {
        let mut spec = spec().with_mount(VolumeMount::bind(format!("/srv/{project}/x"), "/app"));
        spec.mounts.push(volume(&format!("{project}-saves")));
        spec.network = NetworkMode::Named(format!("{project}-lobby"));
        spec
    };
    assert!(policy.of_project("p1").judge(&of("p1")).is_granted());
    assert_eq!(policy.of_project("p1").judge(&of("p2")).refusals.len(), 3);
    assert_eq!(policy.judge(&of("p1")).refusals.len(), 3, "nobody's project");
}

#[test]
fn a_refusal_repeats_no_value_of_the_environment() {
    let spec = spec().with_secret("LD_PRELOAD", "hunter2");
    let error: Error = SecurityPolicy::default().check(&spec).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn images_come_from_the_list_and_by_digest_where_that_is_asked() {
    let listed = SecurityPolicy::default().with_images(["slate/*".parse().unwrap()]);
    listed.check(&spec()).unwrap();
    let foreign = spec().with_image("evil.example/slate/godot:4".parse().unwrap());
    assert_eq!(listed.judge(&foreign).refusals[0].path, "image");
    let pinned = listed.with_pinned_images(true);
    assert!(pinned.judge(&spec()).refusals[0].reason.contains("digest"));
    let digest = format!("slate/godot@sha256:{}", "a".repeat(64)).parse().unwrap();
    pinned.check(&spec().with_image(digest)).unwrap();
    pinned.check(&RuntimeSpec { image: None, ..spec() }).unwrap();
}

#[test]
fn only_numbers_are_nobody_special() {
    for good in ["1", "10001", "10001:10001", "65534"] {
        assert!(is_unprivileged(good), "{good}");
    }
    for bad in [
        "",
        ":",
        "0",
        "00",
        "+0",
        "-0",
        "root",
        "0:0",
        ":0",
        ":10001",
        "10001:",
        "10001:0",
        "10001:root",
        "admin",
        " 1",
        "1 ",
        "+1",
        "0x1",
        "4294967296",
        "١",
        "1:1:1",
    ] {
        assert!(!is_unprivileged(bad), "{bad:?}");
    }
}

#[test]
fn an_isolation_may_be_demanded() {
    let policy = SecurityPolicy::default().with_isolation(["runsc".parse().unwrap()], true);
    assert_eq!(policy.judge(&spec()).refusals[0].path, "isolation");
    policy.check(&RuntimeSpec { isolation: Some("runsc".into()), ..spec() }).unwrap();
    policy.check(&RuntimeSpec { isolation: Some("runc".into()), ..spec() }).unwrap_err();
}

#[test]
fn ports_may_be_refused_altogether() {
    let policy = SecurityPolicy::default().with_ports(PortRules::none());
    let mut spec = spec();
    spec.ports.push(PortMapping { container: 80, host: None, protocol: Protocol::Tcp });
    assert_eq!(policy.judge(&spec).refusals[0].path, "ports[0]");
    SecurityPolicy::default().check(&spec).unwrap();
}

#[test]
fn the_seeds_policies_close_what_they_are_named_for() {
    let mut asks = spec().with_memory(MemorySize::from_gib(2)).with_cpus(Cpus::cores(1));
    asks.user = Some("0".into());
    asks.network = NetworkMode::Host;
    asks.ports.push(port(22));
    let paths = |policy: &SecurityPolicy| -> Vec<_> {
        policy.judge(&asks).refusals.into_iter().map(|refusal| refusal.path).collect()
    };
    assert_eq!(paths(&SecurityPolicy::open()), Vec::<String>::new());
    assert_eq!(paths(&SecurityPolicy::of(&[Preset::BasicIsolation])), ["user"]);
    assert_eq!(paths(&SecurityPolicy::of(&[Preset::ResourceLimits])), ["memory", "cpus"]);
    assert_eq!(paths(&SecurityPolicy::of(&[Preset::NetworkRestrictions])), ["ports[0].host", "network"]);
    let all = SecurityPolicy::of(Preset::ALL);
    assert_eq!(paths(&all), ["ports[0].host", "memory", "cpus", "network", "user"]);
    // A spec that names nothing doesn't get more than one that names the ceiling.
    let mut silent = spec();
    all.tighten(&mut silent);
    assert_eq!((silent.memory, silent.cpus), (Some(MemorySize::from_gib(1)), Some(Cpus::from_millis(500))));
    all.check(&silent).unwrap();
    let mut silent = spec();
    SecurityPolicy::default().tighten(&mut silent);
    assert_eq!(silent, spec());
}

#[test]
fn a_preset_opens_nothing() {
    let strict = SecurityPolicy::default().with_ports(PortRules::none().with_range(30_000..=31_000));
    let with_all = Preset::ALL.iter().fold(strict.clone(), |policy, preset| policy.with_preset(*preset));
    assert_eq!((&with_all.ports, &with_all.mounts), (&strict.ports, &strict.mounts));
    assert!(with_all.memory <= strict.memory && with_all.pids <= strict.pids);
}

#[test]
fn every_default_of_an_engine_and_every_template_is_granted() {
    use crate::runtime::RuntimeType;
    let now = crate::Timestamp::EPOCH;
    let templates = crate::policy::builtin_templates(&crate::UserId::new("slate").unwrap(), now);
    let specs = RuntimeType::ALL.iter().map(|kind| kind.default_spec("s"));
    for spec in specs.chain(templates.into_iter().map(|template| template.config)) {
        let verdict = SecurityPolicy::default().judge(&spec);
        assert!(verdict.is_granted(), "{spec:?}: {verdict:?}");
    }
    assert!(is_unprivileged(&Hardening::default().user));
}

#[test]
fn it_is_configuration() {
    let text = r#"{"images":["slate/*"],"pinnedImages":true,"mounts":["/srv"],"ports":{"blocked":[8080]},"memory":"1g",
        "isolation":["runsc","kata*"],"gpu":"none"}"#;
    let policy: SecurityPolicy = serde_json::from_str(text).unwrap();
    assert_eq!((policy.memory, policy.gpu, policy.pids), (MemorySize::from_gib(1), GpuGrant::None, 8192));
    assert_eq!(policy.ports.lowest, 1024);
    let again: SecurityPolicy = serde_json::from_str(&serde_json::to_string(&policy).unwrap()).unwrap();
    assert_eq!(again, policy);
    for bad in [r#"{"priviledged":true}"#, r#"{"mounts":["/"]}"#, r#"{"images":["*"]}"#] {
        assert!(serde_json::from_str::<SecurityPolicy>(bad).is_err(), "{bad}");
    }
}
