//! The host, its metadata address, and other projects, seen from a container.

use crate::common::{backend, lines_of, printed, skipped, spec, unique};
use slate_core::runtime::{NetworkMode, RuntimeBackendExt, labels};
use slate_docker::NetworkOptions;
use std::{
    io::Write,
    net::{Ipv4Addr, TcpListener},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

/// A server of the host on all of its addresses, one of them a cloud's metadata address where this user may add it.
struct Metadata {
    port: u16,
    stop: std::sync::Arc<AtomicBool>,
    served: Option<std::thread::JoinHandle<()>>,
    added: bool,
}

const ADDRESS: &str = "169.254.169.254";

fn ip(words: &[&str]) -> bool {
    let ran = Command::new("ip").args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

impl Metadata {
    fn serve() -> Self {
        // A label of its own tells an address that this test added from one that the host has.
        let added = ip(&["addr", "add", &format!("{ADDRESS}/32"), "dev", "lo"]);
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let ended = std::sync::Arc::clone(&stop);
        let served = std::thread::spawn(move || {
            for peer in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(mut peer) = peer {
                    // The peer may have gone.
                    let _told = peer.write_all(b"REACHED\n");
                }
            }
        });
        Self { port, stop, served: Some(served), added }
    }

    fn answers(&self, address: &str) -> bool {
        std::net::TcpStream::connect((address, self.port)).is_ok()
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(served) = self.served.take() {
            drop(served.join());
        }
        if self.added {
            ip(&["addr", "del", &format!("{ADDRESS}/32"), "dev", "lo"]);
        }
    }
}

fn knock(port: u16) -> String {
    format!(
        "ip=$(ip -4 addr show eth0 | awk '/inet /{{print $2}}' | cut -d/ -f1); echo \"address ${{ip:+given}}\"; \
         for host in {ADDRESS} ${{ip%.*}}.1 $(ip route | awk '/default/{{print $3}}'); do \
         timeout 2 nc $host {port} </dev/null 2>/dev/null; done; echo end"
    )
}

#[tokio::test]
async fn neither_the_gateway_nor_a_metadata_address_is_reached() {
    let Some(backend) = backend().await else { return };
    let metadata = Metadata::serve();
    if !metadata.answers(ADDRESS) {
        skipped("this user can't give the host a metadata address");
        return;
    }
    let project = unique("metadata");
    let closed = spec("closed", &knock(metadata.port)).with_label(labels::PROJECT, &project);
    assert_eq!(lines_of(&backend, &closed).await, ["address given", "end"]);
    backend.remove_network(&format!("slate-test-{project}")).await.unwrap();

    // From a network whose bridge has an address both are: the attempt is one.
    let open = unique("open");
    backend.create_network(&open, NetworkOptions::default().with_outbound(true)).await.unwrap();
    let mut reaching = spec("open", &knock(metadata.port));
    reaching.network = NetworkMode::Named(open.clone());
    let lines = lines_of(&backend, &reaching).await;
    assert!(lines.iter().filter(|line| *line == "REACHED").count() >= 2, "{lines:?}");
    backend.remove_network(&open).await.unwrap();
}

#[tokio::test]
async fn another_project_is_not_reached_even_by_its_address() {
    let Some(backend) = backend().await else { return };
    let (victim, attacker) = (unique("victim"), unique("attacker"));
    let script = "ip -4 addr show eth0 | awk '/inet /{print \"at \" $2}' | cut -d/ -f1; echo ready; \
                  while :; do echo REACHED | nc -l -p 7000; done";
    let served = backend.run(&spec("victim", script).with_label(labels::PROJECT, &victim)).await.unwrap();
    printed(&backend, &served, "ready").await;
    let lines = crate::common::lines(&backend, &served, slate_core::runtime::LogOptions::default()).await;
    let address = lines.iter().find_map(|line| line.strip_prefix("at ")).unwrap().to_owned();
    // From its own project as well, since peers are not granted.
    for project in [&attacker, &victim] {
        let script = format!("timeout 2 nc {address} 7000 </dev/null 2>/dev/null; echo end");
        let knocks = spec("attacker", &script).with_label(labels::PROJECT, project);
        assert_eq!(lines_of(&backend, &knocks).await, ["end"], "{project}");
    }
    backend.remove_if_there(&served).await.unwrap();
    for project in [attacker, victim] {
        backend.remove_network(&format!("slate-test-{project}")).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_project_there_is_no_network() {
    let Some(backend) = backend().await else { return };
    let lines = lines_of(&backend, &spec("alone", "ls /sys/class/net; cat /proc/net/route | wc -l")).await;
    assert_eq!(lines, ["lo", "1"]);
}
