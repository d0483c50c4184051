use std::{path::PathBuf, time::Duration};

/// How a [`ProcessBackend`](crate::ProcessBackend) works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessOptions {
    /// The folder that holds every instance. Made where it isn't there; readable for its owner alone.
    pub root: PathBuf,
    /// The supervisor's program; default [`Shim::Auto`].
    pub shim: Shim,
    /// What is kept of each instance's output.
    pub log: LogLimits,
    /// Whether limits are enforced by control groups; default [`Cgroups::Auto`].
    pub cgroups: Cgroups,
    /// Names of the service's own environment variables that instances get, with the values of when they are created;
    /// default `PATH`, `HOME`, `LANG`, `TZ`, `TMPDIR`. The spec's own values win.
    pub inherited_env: Vec<String>,
    /// Time that a supervisor may take to start a program; default 10 s.
    pub start_timeout: Duration,
    /// Time between two looks at the disk where output or changes are followed; default 50 ms.
    pub poll: Duration,
}

impl ProcessOptions {
    /// The defaults, with this root.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            shim: Shim::Auto,
            log: LogLimits::default(),
            cgroups: Cgroups::Auto,
            inherited_env: ["PATH", "HOME", "LANG", "TZ", "TMPDIR"].map(str::to_owned).into(),
            start_timeout: Duration::from_secs(10),
            poll: Duration::from_millis(50),
        }
    }

    /// Sets the supervisor's program.
    #[must_use]
    pub fn with_shim(mut self, shim: Shim) -> Self {
        self.shim = shim;
        self
    }

    /// Sets what is kept of each instance's output.
    #[must_use]
    pub fn with_log(mut self, log: LogLimits) -> Self {
        self.log = log;
        self
    }

    /// Sets whether limits are enforced by control groups.
    #[must_use]
    pub fn with_cgroups(mut self, cgroups: Cgroups) -> Self {
        self.cgroups = cgroups;
        self
    }

    /// Sets which of the service's environment variables instances get.
    #[must_use]
    pub fn with_inherited_env(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.inherited_env = names.into_iter().map(Into::into).collect();
        self
    }
}

/// Which program supervises instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shim {
    /// This executable, if [`shim::run_if_asked`](crate::shim::run_if_asked) was called at its start; else `slate-shim`
    /// beside it; else `open` fails with `Unsupported`.
    #[default]
    Auto,
    /// This program: the `slate-shim` of this crate, or one that calls `run_if_asked`.
    Path(PathBuf),
}

/// How much of an instance's output is kept. The oldest segments go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct LogLimits {
    /// Bytes of one segment; default 4 MiB.
    pub segment_bytes: u64,
    /// Bytes of all segments together; default 64 MiB. At least two segments are kept.
    pub total_bytes: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { segment_bytes: 4 << 20, total_bytes: 64 << 20 }
    }
}

impl LogLimits {
    /// Limits of these sizes in bytes; a segment has at least 256 KiB.
    pub fn new(segment_bytes: u64, total_bytes: u64) -> Self {
        let segment_bytes = segment_bytes.max(256 << 10);
        Self { segment_bytes, total_bytes: total_bytes.max(2 * segment_bytes) }
    }
}

/// Whether limits are enforced by control groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cgroups {
    /// Where this process may make groups below its own.
    #[default]
    Auto,
    /// Never. The supervisor then watches processes and memory, which a fast program outruns; `capabilities` says so.
    Off,
    /// Below this group of the unified hierarchy, which somebody delegated to this user. No process may be in it.
    Under(PathBuf),
}
