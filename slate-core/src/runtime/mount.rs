use crate::{Error, Result, wire::wire_enum};
use serde::{Deserialize, Serialize};

wire_enum! {
    /// Whether an instance may write to a mount.
    MountMode {
        /// Read only.
        Ro = "ro",
        /// Read and write.
        Rw = "rw",
    }
}

wire_enum! {
    /// What a mount is made of.
    MountType {
        /// A folder or file of the host.
        Bind = "bind",
        /// A volume that the backend manages, named by `host_path`.
        Volume = "volume",
        /// Memory; `host_path` is empty.
        Tmpfs = "tmpfs",
    }
}

/// Something of the host that an instance sees at a path of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeMount {
    /// The path on the host, the volume's name, or empty for tmpfs.
    #[serde(default, alias = "host")]
    pub host_path: String,
    /// The path in the instance: absolute, without `..`.
    #[serde(alias = "container")]
    pub container_path: String,
    /// Whether it may be written; default read only.
    #[serde(default = "read_only")]
    pub mode: MountMode,
    /// What it is; default a bind mount.
    #[serde(rename = "type", default = "bind")]
    pub kind: MountType,
}

fn read_only() -> MountMode {
    MountMode::Ro
}

fn bind() -> MountType {
    MountType::Bind
}

/// Paths of an instance that a mount must neither be, lie below, nor lie above.
const SYSTEM_PATHS: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr",
    "/var/run",
];

/// Exceptions from [`SYSTEM_PATHS`]: sockets and shared memory that games need.
const SYSTEM_EXCEPTIONS: [&str; 2] = ["/dev/shm", "/run/user"];

impl VolumeMount {
    /// A folder of the host, writable.
    pub fn bind(host_path: impl Into<String>, container_path: impl Into<String>) -> Self {
        Self {
            host_path: host_path.into(),
            container_path: container_path.into(),
            mode: MountMode::Rw,
            kind: MountType::Bind,
        }
    }

    /// The same mount, read only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.mode = MountMode::Ro;
        self
    }

    /// Checks the form of both paths and that the path in the instance is no system path.
    ///
    /// Whether the host path lies under an allowed root is the policy's question, asked again when the instance is created.
    ///
    /// # Errors
    /// `Invalid` for a malformed path, `PermissionDenied` for a system path.
    pub fn validate(&self) -> Result<()> {
        check_absolute("containerPath", &self.container_path)?;
        let path = self.container_path.trim_end_matches('/');
        let within = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        let excepted = SYSTEM_EXCEPTIONS.iter().any(|root| within(root));
        if path.is_empty() || (!excepted && SYSTEM_PATHS.iter().any(|root| within(root))) {
            return Err(Error::permission_denied("a mount must not cover a system path of the instance")
                .with("containerPath", &self.container_path));
        }
        match self.kind {
            MountType::Bind => check_absolute("hostPath", &self.host_path),
            MountType::Volume => check_volume_name(&self.host_path),
            MountType::Tmpfs if self.host_path.is_empty() => Ok(()),
            MountType::Tmpfs => Err(Error::invalid("a tmpfs mount has no hostPath").with("hostPath", &self.host_path)),
        }
    }
}

fn check_absolute(field: &'static str, path: &str) -> Result<()> {
    let sound = path.starts_with('/')
        && path.len() <= 4096
        && !path.contains('\0')
        && !path.contains(['\n', '\r', ':'])
        && path.split('/').all(|part| part != ".." && part != ".");
    if sound {
        return Ok(());
    }
    Err(Error::invalid(format!("{field} is an absolute path without '.', '..', ':' or line breaks"))
        .with("value", path.escape_debug().to_string().chars().take(128).collect::<String>()))
}

fn check_volume_name(name: &str) -> Result<()> {
    let sound = (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if sound {
        return Ok(());
    }
    Err(Error::invalid("a volume's name is 1 to 128 letters, digits, '_', '.' or '-'")
        .with("hostPath", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn system_paths_are_refused() {
        for bad in ["/", "//", "/etc", "/etc/passwd", "/proc/1", "/usr/bin/", "/dev", "/var/run/docker.sock"] {
            let error = VolumeMount::bind("/srv/x", bad).validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{bad}");
        }
        for good in ["/app/project", "/dev/shm", "/run/user/1000/wayland-0", "/etcetera", "/tmp/.X11-unix/X1"] {
            VolumeMount::bind("/srv/x", good).validate().unwrap();
        }
    }

    #[test]
    fn malformed_paths_are_refused() {
        for bad in ["", "app", "/app/../etc", "/a:b", "/a\nb", "/./a"] {
            assert_eq!(VolumeMount::bind("/srv", bad).validate().unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
            assert_eq!(VolumeMount::bind(bad, "/app").validate().unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn the_seed_names_are_read() {
        let mount: VolumeMount =
            serde_json::from_str(r#"{"hostPath":"/srv","containerPath":"/app","mode":"rw","type":"bind"}"#).unwrap();
        assert_eq!(mount, VolumeMount::bind("/srv", "/app"));
        let tmpfs: VolumeMount = serde_json::from_str(r#"{"containerPath":"/tmp","type":"tmpfs"}"#).unwrap();
        tmpfs.validate().unwrap();
    }
}
