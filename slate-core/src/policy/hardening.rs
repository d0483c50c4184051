use crate::runtime::{Cpus, MemorySize};
use serde::{Deserialize, Serialize};

/// What every container gets, whatever its spec asks for: the least that a program needs.
///
/// Plain data; a backend translates it into its engine's words. The defaults are meant for programs of strangers. Each
/// field says what loosening it gives away. Not in here because nothing loosens them: every container has all capabilities
/// dropped, no new privileges, the engine's default system call filter, an init that reaps orphans, no host namespace, no
/// privileged mode and no device of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Hardening {
    /// Whom a program runs as where its spec names nobody, as `uid:gid`; default `10001:10001`, who owns nothing.
    pub user: String,
    /// Whether a spec may name user 0 or `root`; default `false`.
    pub root_user: bool,
    /// Whether the image's files can't be written; default `true`.
    pub read_only: bool,
    /// Folders of memory that may be written, with their sizes; default `/tmp` with 64 MiB. They belong to the user, hold
    /// no device and no set-uid program.
    pub scratch: Vec<Scratch>,
    /// Size of `/dev/shm`; default 64 MiB.
    pub shared_memory: MemorySize,
    /// Most memory where a spec names none; default 2 GiB. There is no swap beyond it.
    pub memory: MemorySize,
    /// Most processor time where a spec names none; default 2 cores, or all of a smaller host.
    pub cpus: Cpus,
    /// Most processes and threads where a spec names none; default 256.
    pub pids: u32,
    /// Most open files of a process; default 4096.
    pub open_files: u32,
    /// Whether instances of one project reach each other over its network; default `false`.
    pub peers: bool,
    /// Whether instances reach other networks; default `false`.
    pub outbound: bool,
    /// Whether a spec may ask for the host's own network; default `false`.
    pub host_network: bool,
    /// The host's address on which ports are published; default `127.0.0.1`.
    pub publish_on: String,
    /// How much the kernel prefers to kill the program when the host's memory is short, 0 to 1000; default 500, so that
    /// the service itself goes last.
    pub oom_score: u16,
}

/// A folder of memory that a program may write to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scratch {
    /// The folder in the container, absolute.
    pub path: String,
    /// How much fits in; it counts as memory of the program.
    pub size: MemorySize,
    /// Whether programs in it may be run; default `false`. Wine and .NET need it.
    #[serde(default)]
    pub executable: bool,
}

impl Scratch {
    /// A folder in which nothing may be run.
    pub fn new(path: impl Into<String>, size: MemorySize) -> Self {
        Self { path: path.into(), size, executable: false }
    }
}

impl Default for Hardening {
    fn default() -> Self {
        Self {
            user: "10001:10001".into(),
            root_user: false,
            read_only: true,
            scratch: vec![Scratch::new("/tmp", MemorySize::from_mib(64))],
            shared_memory: MemorySize::from_mib(64),
            memory: MemorySize::from_gib(2),
            cpus: Cpus::cores(2),
            pids: 256,
            open_files: 4096,
            peers: false,
            outbound: false,
            host_network: false,
            publish_on: "127.0.0.1".into(),
            oom_score: 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_record_keeps_the_other_defaults() {
        let read: Hardening = serde_json::from_str(r#"{"pids":64,"memory":"512m"}"#).unwrap();
        assert_eq!((read.pids, read.memory), (64, MemorySize::from_mib(512)));
        assert_eq!(Hardening { pids: 256, memory: MemorySize::from_gib(2), ..read }, Hardening::default());
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        assert!(serde_json::from_str::<Hardening>(r#"{"readonly":false}"#).is_err());
    }
}
