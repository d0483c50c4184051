//! The files of an instance's folder.

use crate::{LogLimits, cgroup::Groups, proc::ProcessKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use slate_core::{
    Error, InstanceId, Result, Timestamp,
    runtime::{ExitStatus, PortMapping},
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// `instance.json`: what is shown of an instance. Written once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) format: u32,
    pub(crate) id: InstanceId,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) ports: Vec<PortMapping>,
    pub(crate) memory: Option<u64>,
    pub(crate) created_at: Timestamp,
}

/// `launch.json`: what the shim needs. Holds secrets, hence no `Debug`, and nobody but the owner may read it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) id: InstanceId,
    pub(crate) words: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) folder: String,
    pub(crate) memory: Option<u64>,
    pub(crate) pids: Option<u32>,
    pub(crate) cpu_millis: Option<u32>,
    pub(crate) log: LogLimits,
    pub(crate) groups: Groups,
}

/// `state.json`: how the instance is. Written by its shim, whole or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// Counts the starts, from 1.
    pub(crate) run: u64,
    pub(crate) shim: ProcessKey,
    pub(crate) program: ProcessKey,
    pub(crate) started_at: Timestamp,
    pub(crate) finished: Option<(Timestamp, ExitStatus)>,
}

pub(crate) const RECORD: &str = "instance.json";
pub(crate) const LAUNCH: &str = "launch.json";
pub(crate) const STATE: &str = "state.json";
pub(crate) const LOG: &str = "log";
pub(crate) const WORK: &str = "work";
pub(crate) const CONTROL: &str = "control";

/// The variable that marks every process of an instance.
pub(crate) const MARK: &str = "SLATE_INSTANCE";

/// The format of the files; another one is refused as `Corrupt`.
pub(crate) const FORMAT: u32 = 1;

/// Room that `state.json` always takes, so that the end can be written on a full disk.
const STATE_BYTES: usize = 4096;

/// Reads a file; `None` where it isn't there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read an instance's record", error).with("path", path.display())),
    };
    // The message of serde_json could quote what it read, and that may be a secret.
    let damaged = |_| Error::corrupt("an instance's record is damaged").with("path", path.display());
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// Writes a file, whole or not at all, for its owner alone.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec(value)?;
    write_bytes(path, &bytes).map_err(|error| Error::io("write an instance's record", error))
}

/// Writes the state. Where the disk is full, over the old one in place: its room is there already.
pub(crate) fn write_state(path: &Path, state: &State) -> Result<()> {
    let mut bytes = serde_json::to_vec(state)?;
    bytes.resize(bytes.len().max(STATE_BYTES), b' ');
    match write_bytes(path, &bytes) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull && path.exists() => {
            let in_place = OpenOptions::new().write(true).open(path);
            let written = in_place.and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            });
            written.map_err(|error| Error::io("write an instance's state", error))
        }
        result => result.map_err(|error| Error::io("write an instance's state", error)),
    }
}

fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    })();
    if written.is_err() {
        // Nothing half-written stays; the first error is the one to tell.
        let _: io::Result<()> = fs::remove_file(&aside);
        return written;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
