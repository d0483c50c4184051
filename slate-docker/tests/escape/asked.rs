//! Specs as a stranger sends them: JSON over the wire, judged before anything is made.

use serde_json::{Value, json};
use slate_core::{
    Error, ErrorKind,
    policy::{MountPolicy, SecurityPolicy},
    runtime::RuntimeSpec,
};
use slate_docker::{DockerOptions, EngineHost, NoCredentials, request_body};

/// What an operator of a service would set: some images, one root for projects.
fn policy() -> SecurityPolicy {
    SecurityPolicy::default()
        .with_images(["slate/*".parse().unwrap()])
        .with_mounts(MountPolicy::none().with_root("/srv/slate/projects").unwrap())
}

fn asked(change: &Value) -> Result<RuntimeSpec, Error> {
    let mut spec = json!({ "name": "game", "image": "slate/godot-runtime:4", "command": ["run"] });
    for (key, value) in change.as_object().unwrap() {
        spec[key] = value.clone();
    }
    Ok(serde_json::from_value(spec)?)
}

fn refusal(policy: &SecurityPolicy, change: &Value) -> Option<Error> {
    asked(change).and_then(|spec| policy.check(&spec)).err()
}

fn bind(host: &str) -> Value {
    json!({ "mounts": [{ "hostPath": host, "containerPath": "/app", "mode": "rw" }] })
}

fn over(target: &str) -> Value {
    json!({ "mounts": [{ "hostPath": "/srv/slate/projects/p1", "containerPath": target }] })
}

fn port(host: i64) -> Value {
    json!({ "ports": [{ "container": 7777, "host": host }] })
}

fn env(name: &str, value: &str) -> Value {
    json!({ "env": { name: value } })
}

fn user(user: &str) -> Value {
    json!({ "user": user })
}

/// The attempt, what is sent, and words of the reason it must be refused for.
fn attempts() -> Vec<(&'static str, Value, &'static str)> {
    let display = |socket: &str| json!({ "display": { "method": "x11", "displayId": ":0", "socketPath": socket } });
    vec![
        // Words that a spec doesn't have.
        ("privileged mode", json!({ "privileged": true }), "unknown field `privileged`"),
        ("an added capability", json!({ "capAdd": ["SYS_ADMIN"] }), "unknown field `capAdd`"),
        ("a device of the host", json!({ "devices": ["/dev/sda"] }), "unknown field `devices`"),
        ("kernel settings", json!({ "sysctls": { "kernel.core_pattern": "|/x" } }), "unknown field `sysctls`"),
        ("the host's processes", json!({ "pidMode": "host" }), "unknown field `pidMode`"),
        ("the host's shared memory", json!({ "ipcMode": "host" }), "unknown field `ipcMode`"),
        ("the host's name", json!({ "utsMode": "host" }), "unknown field `utsMode`"),
        ("the host's users", json!({ "usernsMode": "host" }), "unknown field `usernsMode`"),
        ("no filter of calls", json!({ "securityOpt": ["seccomp=unconfined"] }), "unknown field `securityOpt`"),
        ("another control group", json!({ "cgroupParent": "/" }), "unknown field `cgroupParent`"),
        ("another container's files", json!({ "volumesFrom": ["victim"] }), "unknown field `volumesFrom`"),
        ("the engine's own words", json!({ "hostConfig": { "Privileged": true } }), "unknown field `hostConfig`"),
        ("anything else", json!({ "extra": { "Privileged": true } }), "unknown field `extra`"),
        (
            "mounts that travel",
            json!({ "mounts": [{ "hostPath": "/srv/slate/projects/p", "containerPath": "/a", "propagation": "shared" }] }),
            "unknown field `propagation`",
        ),
        ("a port on another address", json!({ "ports": [{ "container": 1, "hostIp": "0.0.0.0" }] }), "unknown field"),
        // Networks.
        ("the host's network", json!({ "network": "host" }), "the host's own network is not granted"),
        ("the host's network by name", json!({ "network": { "named": "host" } }), "no network of its own"),
        ("another's namespace", json!({ "network": { "named": "container:victim" } }), "can't be joined"),
        ("another project's network", json!({ "network": { "named": "slate-victim" } }), "is not granted"),
        // Folders of the host.
        ("bind of /", bind("/"), "under no allowed root"),
        ("bind of the engine's socket", bind("/var/run/docker.sock"), "under no allowed root"),
        ("bind of a device", bind("/dev/sda"), "under no allowed root"),
        ("bind of /proc", bind("/proc"), "under no allowed root"),
        ("bind of /sys", bind("/sys/fs/cgroup"), "under no allowed root"),
        ("bind of /etc", bind("/etc"), "under no allowed root"),
        ("bind of the engine's data", bind("/var/lib/docker"), "under no allowed root"),
        ("`..` out of the root", bind("/srv/slate/projects/../../../etc"), "without '.', '..'"),
        ("a neighbour of the root", bind("/srv/slate/projects-of-others"), "under no allowed root"),
        ("above the root", bind("/srv/slate"), "under no allowed root"),
        ("options in a path", bind("/srv/slate/projects/p1:/etc:rw"), "':'"),
        ("a relative path", bind("projects/p1"), "absolute path"),
        ("over /", over("/"), "system path"),
        ("over /etc", over("/etc/passwd"), "system path"),
        ("over /proc", over("/proc/sys"), "system path"),
        ("over /dev", over("/dev"), "system path"),
        ("over the programs", over("/usr/bin"), "system path"),
        ("over the engine's socket", over("/var/run/docker.sock"), "system path"),
        ("`..` inside", over("/app/../etc"), "without '.', '..'"),
        (
            "another tenant's volume",
            json!({ "mounts": [{ "hostPath": "victim-saves", "containerPath": "/a", "type": "volume" }] }),
            "the volume victim-saves is not granted",
        ),
        ("the engine's socket as a display", display("/var/run/docker.sock"), "a display's socket is"),
        ("the host's display", display("/tmp/.X11-unix/X0"), "a display of the host is not granted"),
        // Amounts.
        ("memory that turns over", json!({ "memory": u64::MAX }), "memory is at most"),
        ("huge memory", json!({ "memory": "512g" }), "512g is more than 64g"),
        ("negative memory", json!({ "memory": -1 }), "did not match"),
        ("no memory", json!({ "memory": 0 }), "memory is at least"),
        ("negative processors", json!({ "cpus": -2 }), "cpus is a number of cores"),
        ("no processor", json!({ "cpus": 0 }), "cpus is a number of cores"),
        ("every processor", json!({ "cpus": 4096 }), "4096 is more than 64"),
        ("no processes", json!({ "pids": 0 }), "pids is at least 1"),
        ("endless processes", json!({ "pids": -1 }), "invalid value"),
        ("too many processes", json!({ "pids": 4_000_000_000_u32 }), "is more than 8192"),
        ("the whole disk", json!({ "disk": "100t" }), "100t is more than 1t"),
        // Ports.
        ("a port below 1024", port(80), "port 80 is outside of 1024-65535"),
        ("the port of remote shells", port(22), "port 22 is outside"),
        ("the engine's port", port(2375), "port 2375 is blocked"),
        ("the cluster's port", port(6443), "port 6443 is blocked"),
        ("port 0", port(0), "a port is 1 to 65535"),
        ("a port beyond", port(65_536), "invalid value"),
        // Environment.
        ("a line break in a name", env("A\nB", "c"), "an environment variable's name"),
        ("a value in a name", env("A=B", "c"), "an environment variable's name"),
        ("a NUL in a name", env("A\0B", "c"), "an environment variable's name"),
        ("an empty name", env("", "c"), "an environment variable's name"),
        ("a NUL in a value", env("A", "c\0B=d"), "without NUL"),
        ("a library in every program", env("LD_PRELOAD", "/app/x.so"), "this variable changes more"),
        ("a graphics processor by the environment", env("NVIDIA_VISIBLE_DEVICES", "all"), "this variable changes more"),
        ("SLATE's own variables", env("SLATE_EXEC", "x"), "this variable changes more"),
        // Labels: by them instances are found, owned, swept and connected.
        ("another session's label", json!({ "labels": { "slate.session": "victim" } }), "SLATE's own"),
        ("another project's label", json!({ "labels": { "slate.project": "victim" } }), "SLATE's own"),
        ("another owner", json!({ "labels": { "slate.owner": "me" } }), "SLATE's own"),
        ("another realm", json!({ "labels": { "slate.realm": "other" } }), "SLATE's own"),
        ("staged mounts of another", json!({ "labels": { "slate.staged": "x" } }), "SLATE's own"),
        ("capital letters", json!({ "labels": { "SLATE.session": "victim" } }), "SLATE's own"),
        ("a label in a label", json!({ "labels": { "a": "b\nslate.session=victim" } }), "a label is up to"),
        // Images.
        ("an image off the list", json!({ "image": "alpine:3" }), "not on the list"),
        ("a look-alike", json!({ "image": "evil.example/slate/godot-runtime:4" }), "not on the list"),
        ("a look-alike of the folder", json!({ "image": "slate-evil/godot-runtime:4" }), "not on the list"),
        ("options in an image", json!({ "image": "slate/x --privileged" }), "not an image"),
        // Who it runs as.
        ("user 0", user("0"), "is root or may be"),
        ("user 0 in disguise", user("+00"), "is root or may be"),
        ("root by name", user("root"), "is root or may be"),
        ("a name that the image makes root", user("toor"), "is root or may be"),
        ("nobody, which is root", user(":0"), "is root or may be"),
        ("group 0", user("1000:0"), "is root or may be"),
        ("an empty user", user(""), "must not be empty"),
        // What isolates it.
        ("a weaker isolation", json!({ "isolation": "runc" }), "runc is not granted"),
        ("a program of the host as the isolation", json!({ "isolation": "/srv/slate/projects/p/x" }), "is not granted"),
        // Names that become parts of paths and requests.
        ("a name that climbs", json!({ "name": "../../x" }), "a name is"),
        ("a name with options", json!({ "name": "x?force=1" }), "a name is"),
        ("a folder that climbs", json!({ "workingDir": "../x" }), "absolute path"),
        ("a NUL in the command", json!({ "command": ["a\0b"] }), "NUL"),
    ]
}

#[test]
fn each_attempt_is_refused_for_its_reason() {
    let attempts = attempts();
    assert!(refusal(&policy(), &json!({})).is_none(), "what asks for nothing is granted");
    assert!(attempts.len() >= 25);
    let mut wrong = Vec::new();
    for (what, change, reason) in &attempts {
        match refusal(&policy(), change) {
            None => wrong.push(format!("{what}: granted")),
            Some(error) if !error.to_string().contains(reason) => wrong.push(format!("{what}: {error}")),
            Some(error) if !matches!(error.kind(), ErrorKind::Invalid | ErrorKind::PermissionDenied) => {
                wrong.push(format!("{what}: {}", error.kind()));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "of {}:\n{}", attempts.len(), wrong.join("\n"));
}

#[test]
fn a_tag_is_refused_where_a_digest_is_demanded() {
    let pinned = policy().with_pinned_images(true);
    let error = refusal(&pinned, &json!({})).unwrap();
    assert!(error.to_string().contains("by its digest"), "{error}");
    let digest = format!("slate/godot-runtime@sha256:{}", "1".repeat(64));
    assert!(refusal(&pinned, &json!({ "image": digest })).is_none());
}

/// Behind a door that stands open the backend still refuses what no operator can mean.
#[test]
fn the_backend_refuses_on_its_own() {
    let open = SecurityPolicy::open();
    let options = DockerOptions::default().with_credentials(NoCredentials);
    let host = EngineHost::new(slate_core::runtime::Cpus::cores(8));
    for change in [
        json!({ "network": "host" }),
        json!({ "network": { "named": "container:victim" } }),
        user("0"),
        user("toor"),
        user(":0"),
        user("1000:0"),
        over("/etc"),
        json!({ "labels": { "slate.realm": "other" } }),
        json!({ "labels": { "slate.staged": "../../etc" } }),
        json!({ "isolation": "/srv/x" }),
        json!({ "memory": u64::MAX }),
    ] {
        let spec = asked(&change).unwrap();
        assert!(request_body(&spec, &options, host).is_err(), "{change}");
    }
    // What such a door grants is what it says: the hardening of a container is not the door's to loosen.
    let spec = asked(&json!({ "pids": 100_000 })).unwrap();
    open.check(&spec).unwrap();
    let body = request_body(&spec, &options, host).unwrap();
    assert_eq!((&body["HostConfig"]["CapDrop"], &body["HostConfig"]["Privileged"]), (&json!(["ALL"]), &json!(false)));
}
