//! Handles of folders, and their mounts: what the kernel is asked for.

use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, fstat, fstatvfs, open, openat2},
    io::Errno,
    mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount},
};
use slate_core::{Error, Result};
use std::{
    fs::{self, DirBuilder},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Tries of an opening that the kernel gave up because something was renamed meanwhile.
const TRIES: usize = 64;

/// A folder or file of the host, open.
#[derive(Debug)]
pub(super) struct Handle {
    fd: OwnedFd,
    folder: bool,
}

impl Handle {
    /// Opens `below` under `root`, through no symbolic link; `root` itself is the operator's word and may be one. Only
    /// folders and files are opened, or with `socket` only sockets.
    pub(super) fn open(root: &Path, below: &Path, socket: bool) -> Result<Self> {
        let path = OFlags::PATH | OFlags::CLOEXEC;
        let root = open(root, path | OFlags::DIRECTORY, Mode::empty()).map_err(|errno| refusal(errno, "its root"))?;
        let fd = if below.as_os_str().is_empty() {
            root
        } else {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            let mut tries = 0;
            loop {
                match openat2(&root, below, path | OFlags::NOFOLLOW, Mode::empty(), resolve) {
                    Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                    opened => break opened.map_err(|errno| refusal(errno, "it"))?,
                }
            }
        };
        let about = fstat(&fd).map_err(|errno| refusal(errno, "it"))?;
        let kind = FileType::from_raw_mode(about.st_mode);
        let fits = match kind {
            FileType::Socket => socket,
            FileType::Directory => !socket,
            // Another name of a file may lie outside of the root.
            FileType::RegularFile => !socket && about.st_nlink == 1,
            // `NOFOLLOW` opens a link itself where it is the last part.
            FileType::Symlink => return Err(refusal(Errno::LOOP, "it")),
            _ => false,
        };
        if fits {
            return Ok(Self { fd, folder: kind == FileType::Directory });
        }
        Err(Error::permission_denied(match kind {
            FileType::RegularFile => "a file with several names may not be mounted",
            _ if socket => "this is no socket",
            _ => "only folders and files may be mounted, no devices, pipes or sockets",
        }))
    }

    /// The path under which the kernel knows it now.
    pub(super) fn path(&self) -> Result<PathBuf> {
        let path = fs::read_link(self.place()).map_err(|error| Error::io("find an open folder's path", error))?;
        if path.is_absolute() && !path.to_string_lossy().ends_with(" (deleted)") {
            return Ok(path);
        }
        Err(Error::not_found("the folder was removed"))
    }

    /// Mounts it on `target`, which is made. No set-uid program and no device works there, and what was mounted more
    /// strictly stays so. Mounts below it are not seen.
    pub(super) fn mount_on(&self, target: &Path, read_only: bool) -> Result<()> {
        let made = if self.folder { DirBuilder::new().mode(0o700).create(target) } else { fs::write(target, b"") };
        made.map_err(|error| Error::io("make a place for a mount", error))?;
        mount_bind(self.place(), target).map_err(not_mounted)?;
        let had = fstatvfs(&self.fd).map_err(not_mounted)?.f_flag;
        let mut flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
        for (of, flag) in [
            (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
            (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
            (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
            (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
            (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
        ] {
            flags.set(flag, had.contains(of));
        }
        flags.set(MountFlags::RDONLY, read_only || had.contains(StatVfsMountFlags::RDONLY));
        mount_remount(target, flags, "").map_err(not_mounted)
    }

    fn place(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd()).into()
    }
}

fn refusal(errno: Errno, what: &str) -> Error {
    let error = match errno {
        Errno::LOOP => Error::permission_denied("the way to this folder leads over a symbolic link"),
        Errno::XDEV => Error::permission_denied("the way to this folder leads out of its root"),
        Errno::NOENT | Errno::NOTDIR => Error::not_found("this folder isn't there"),
        Errno::ACCESS | Errno::PERM => Error::permission_denied("this folder can't be opened by the service"),
        Errno::NOSYS => Error::unsupported("mounts need a kernel of 5.6 or newer"),
        errno => Error::io(&format!("open {what}"), errno.into()),
    };
    error.because(std::io::Error::from(errno))
}

fn not_mounted(errno: Errno) -> Error {
    let text = match errno {
        Errno::PERM | Errno::ACCESS => {
            "folders can't be staged: the service may not mount (it needs CAP_SYS_ADMIN); run it as root, or accept the gap \
             between check and use with `Binding::CheckedPaths`"
        }
        _ => "a folder can't be staged",
    };
    let kind = if matches!(errno, Errno::PERM | Errno::ACCESS) {
        slate_core::ErrorKind::Unsupported
    } else {
        slate_core::ErrorKind::Internal
    };
    Error::new(kind, text).because(std::io::Error::from(errno))
}

/// Makes the place for one container's mounts: memory of its own, so that an engine which doesn't see this process's mounts
/// finds nothing there instead of an empty folder.
pub(super) fn prepare(place: &Path) -> Result<()> {
    let folder = place.parent().unwrap_or(place);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let made = made.and_then(|()| {
        let about = fs::symlink_metadata(folder)?;
        let ours = about.is_dir() && about.uid() == rustix::process::geteuid().as_raw() && about.mode() & 0o022 == 0;
        if ours { DirBuilder::new().mode(0o700).create(place) } else { Err(Errno::PERM.into()) }
    });
    made.map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => not_mounted(Errno::PERM).with("folder", folder.display()),
        _ => Error::io("make the staging folder", error).with("folder", folder.display()),
    })?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("slate", place, "tmpfs", flags, c"size=1m,nr_inodes=256,mode=0700").map_err(|errno| {
        // Nothing is mounted on it, so this takes nothing with it.
        let _stays = fs::remove_dir(place);
        not_mounted(errno).with("folder", folder.display())
    })
}

/// Takes a container's place away with its mounts; one that isn't there is `Ok`. What is mounted in the place of containers
/// that still run stays with them.
pub(super) fn take_away(place: &Path) -> Result<()> {
    loop {
        match unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // Nothing is mounted any more.
            Err(Errno::INVAL) => break,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(Error::io("take a staged mount away", errno.into())),
        }
    }
    // Never with what is in it: if it isn't empty, something is mounted that must not be touched.
    match fs::remove_dir(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("take a staging folder away", error).with("folder", place.display()))
        }
        _ => Ok(()),
    }
}

/// The places below `folder` that were made at least this long ago.
pub(super) fn staged(folder: &Path, older_than: Duration) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read the staging folder", error)),
    };
    let now = SystemTime::now();
    let old = |place: &PathBuf| {
        let made = fs::symlink_metadata(place).and_then(|about| about.modified());
        made.is_ok_and(|made| now.duration_since(made).unwrap_or_default() >= older_than)
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(old).collect())
}
