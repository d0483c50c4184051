//! What the defaults stop, tried from inside a real container.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{SOON, backend, lines_of, printed, spec, squeezed, unique};
use slate_core::{
    Component, ErrorKind,
    runtime::{
        ExecOptions, NetworkMode, PortMapping, Protocol, RemoveOptions, RuntimeBackend, RuntimeBackendExt, labels,
    },
};
use slate_docker::NetworkOptions;
use std::{
    io::{Read, Write},
    net::TcpListener,
};

/// Each line tries something and says `no` or `DONE`.
const TRIES: &[(&str, &str)] = &[
    ("be root", "[ $(id -u) = 0 ]"),
    ("write to the image", "touch /data/x || touch /bin/x || touch /x"),
    ("mount", "mount -t tmpfs none /tmp"),
    ("mount the host's disk", "mkdir /tmp/m && mount /dev/vda /tmp/m"),
    ("make a device", "mknod /tmp/d b 8 0"),
    ("run from scratch", "cp /bin/busybox /tmp/b && /tmp/b true"),
    ("change the host's name", "hostname other"),
    ("set the clock", "date -s 2001-01-01; [ $(date +%Y) = 2001 ]"),
    ("give files away", "touch /tmp/f && chown 0:0 /tmp/f"),
    ("change the kernel's settings", "echo 1 >/proc/sys/kernel/panic"),
    ("see the host's processes", "[ $(ls -d /proc/[0-9]* | wc -l) -gt 12 ]"),
    ("trigger the kernel", "echo b >/proc/sysrq-trigger"),
    ("load a module", "modprobe dummy || insmod /bin/busybox"),
    ("a raw socket", "ping -c 1 -W 1 127.0.0.1"),
    ("a privileged group", "grep -q 'CapEff:.*[1-9a-f]' /proc/self/status"),
    ("gain capabilities later", "grep -q 'CapBnd:.*[1-9a-f]' /proc/self/status"),
    ("new privileges", "grep -q 'NoNewPrivs:.*0' /proc/self/status"),
    ("no filter of system calls", "grep -q 'Seccomp:.*0' /proc/self/status"),
    ("change the root", "chroot / true"),
    ("new namespaces", "unshare -m true"),
    ("the engine's socket", "[ -e /var/run/docker.sock ] || [ -e /run/docker.sock ]"),
    ("more files than allowed", "ulimit -n 100000"),
    ("core files", "[ $(ulimit -c) != 0 ]"),
    ("other networks", "ip link | grep -v lo: | grep -q '^[0-9]'"),
];

#[tokio::test]
async fn the_defaults_stop_each_attempt() {
    let Some(backend) = backend().await else { return };
    let script: String = TRIES
        .iter()
        .map(|(what, try_it)| format!("if ( {try_it} ) >/dev/null 2>&1; then echo \"DONE {what}\"; else echo no; fi\n"))
        .collect();
    let lines = lines_of(&backend, &spec("tries", &script)).await;
    assert_eq!(lines, vec!["no"; TRIES.len()]);
}

#[tokio::test]
async fn what_must_be_written_can_be() {
    let Some(backend) = backend().await else { return };
    let script = "echo x >/tmp/x && cat /tmp/x; echo y >/dev/shm/y && cat /dev/shm/y; id -u; \
                  dd if=/dev/zero of=/tmp/big bs=1M count=100 2>/dev/null || echo full";
    assert_eq!(lines_of(&backend, &spec("scratch", script)).await, ["x", "y", "10001", "full"]);
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_container() {
    let Some(backend) = backend().await else { return };
    let spec = spec("bomb", "echo ready; f() { f | f & }; (f) & exec sleep 600").with_pids(32);
    let id = backend.run(&spec).await.unwrap();
    printed(&backend, &id, "ready").await;
    backend.ping().await.unwrap();
    assert!(backend.sample(&id).await.is_ok_and(|sample| sample.pids <= 32));
    backend.remove(&id, RemoveOptions::default().with_force(true)).await.unwrap();
}

#[tokio::test]
async fn a_memory_bomb_is_called_what_it_is() {
    let Some(backend) = backend().await else { return };
    let exit = squeezed(&backend, "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}").await;
    assert!(exit.out_of_memory, "{exit:?}");
    assert_eq!(exit.describe(), "killed: out of memory");
}

/// A server of this host, on all of its addresses, as the host's own services are.
fn server() -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        if let Ok((mut peer, _)) = listener.accept() {
            // The peer may have gone.
            let _told = peer.write_all(b"REACHED\n");
        }
    });
    (port, served)
}

#[tokio::test]
async fn a_project_s_network_reaches_neither_host_nor_world() {
    let Some(backend) = backend().await else { return };
    let (port, _served) = server();
    let project = unique("project");
    // The bridge's own address, the host by its routes, a metadata address.
    let script = format!(
        "ip=$(ip -4 addr show eth0 | awk '/inet /{{print $2}}' | cut -d/ -f1); echo \"address ${{ip:+given}}\"; \
         for host in ${{ip%.*}}.1 $(ip route | awk '/default/{{print $3}}') 169.254.169.254 172.17.0.1; do \
         timeout 2 nc $host {port} </dev/null 2>/dev/null; done; echo end"
    );
    let spec = spec("closed", &script).with_label(labels::PROJECT, &project);
    assert_eq!(lines_of(&backend, &spec).await, ["address given", "end"]);
    let network = format!("slate-test-{project}");
    assert!(backend.networks().await.unwrap().contains(&network));
    backend.remove_network(&network).await.unwrap();
    backend.remove_network(&network).await.unwrap();
    assert!(!backend.networks().await.unwrap().contains(&network));
}

#[tokio::test]
async fn instances_meet_where_that_is_wanted_only() {
    let Some(backend) = backend().await else { return };
    for (peers, expected) in [(false, vec!["end"]), (true, vec!["hello", "end"])] {
        let network = unique("meeting");
        backend.create_network(&network, NetworkOptions::default().with_peers(peers)).await.unwrap();
        let mut server = spec("server", "echo ready; while :; do echo hello | nc -l -p 7000; done");
        server.network = NetworkMode::Named(network.clone());
        let (name, served) = (format!("slate-test-{}", server.name), backend.run(&server).await.unwrap());
        printed(&backend, &served, "ready").await;
        let script =
            format!("for i in 1 2 3; do timeout 2 nc {name} 7000 </dev/null 2>/dev/null && break; done; echo end");
        let mut client = spec("client", &script);
        client.network = NetworkMode::Named(network.clone());
        assert_eq!(lines_of(&backend, &client).await, expected, "peers: {peers}");
        assert_eq!(backend.remove_network(&network).await.unwrap_err().kind(), ErrorKind::WrongState);
        backend.remove_if_there(&served).await.unwrap();
        backend.remove_network(&network).await.unwrap();
    }
}

#[tokio::test]
async fn a_port_is_published_on_this_host_alone_and_reported() {
    let Some(backend) = backend().await else { return };
    let mut spec = spec("port", "echo ready; while :; do echo hello | nc -l -p 7000; done");
    spec.ports = vec![PortMapping { container: 7000, host: None, protocol: Protocol::Tcp }];
    let id = backend.run(&spec).await.unwrap();
    printed(&backend, &id, "ready").await;
    let port = backend.inspect(&id).await.unwrap().host_port(7000, Protocol::Tcp).unwrap();
    let told = tokio::task::spawn_blocking(move || {
        let deadline = std::time::Instant::now() + SOON;
        loop {
            let mut text = String::new();
            if let Ok(mut peer) = std::net::TcpStream::connect(("127.0.0.1", port)) {
                // A connection to a server that is just starting anew is cut off.
                let _read = peer.read_to_string(&mut text);
            }
            if !text.is_empty() || std::time::Instant::now() > deadline {
                return text;
            }
        }
    });
    assert_eq!(told.await.unwrap(), "hello\n");
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test]
async fn commands_are_held_to_the_same() {
    let Some(backend) = backend().await else { return };
    let id = backend.run(&spec("exec", "echo ready; sleep 600")).await.unwrap();
    printed(&backend, &id, "ready").await;
    let command = slate_core::runtime::Command::new(["sh", "-c", "id -u; grep CapEff /proc/self/status; touch /x"]);
    let (stdout, _, exit) = backend.exec_all(&id, &command, ExecOptions::default()).await.unwrap();
    assert_eq!(String::from_utf8(stdout).unwrap(), "10001\nCapEff:\t0000000000000000\n");
    assert_ne!(exit.code, Some(0));
    backend.remove_if_there(&id).await.unwrap();
}
