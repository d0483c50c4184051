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
    /// Opens `path`, which has no `..`, through no symbolic link on its whole way: what is written below an allowed root is
    /// below it. Only folders and files are opened, or with `socket` only sockets.
    pub(super) fn open(path: &Path, socket: bool) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let top = open("/", flags | OFlags::DIRECTORY, Mode::empty()).map_err(refusal)?;
        let below = path.strip_prefix("/").map_err(|_| Error::invalid("a folder of the host is an absolute path"))?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 0;
        let fd = loop {
            match openat2(&top, below, flags | OFlags::NOFOLLOW, Mode::empty(), resolve) {
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                opened => break opened.map_err(refusal)?,
            }
        };
        let about = fstat(&fd).map_err(refusal)?;
        let kind = FileType::from_raw_mode(about.st_mode);
        let fits = match kind {
            FileType::Socket => socket,
            FileType::Directory => !socket,
            // Another name of a file may lie outside of the root.
            FileType::RegularFile => !socket && about.st_nlink == 1,
            // `NOFOLLOW` opens a link itself where it is the last part.
            FileType::Symlink => return Err(refusal(Errno::LOOP)),
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

fn refusal(errno: Errno) -> Error {
    let error = match errno {
        Errno::LOOP => Error::permission_denied("the way to this folder leads over a symbolic link"),
        Errno::NOENT | Errno::NOTDIR => Error::not_found("this folder isn't there"),
        Errno::ACCESS | Errno::PERM => Error::permission_denied("this folder can't be opened by the service"),
        Errno::NOSYS => Error::unsupported("mounts need a kernel of 5.6 or newer"),
        errno => Error::io("open the folder", errno.into()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::ErrorKind;
    use std::{os::unix::process::CommandExt, process::Command};

    const FOLDER: &str = "SLATE_TEST_FOLDER";

    /// What a service that isn't root is told. Run by the test below, as nobody.
    #[test]
    fn as_nobody() {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let error = prepare(&Path::new(&folder).join("staging/one")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert!(error.to_string().contains("`Binding::CheckedPaths`"), "{error}");
        println!("told");
    }

    #[test]
    fn without_the_right_to_mount_it_is_said_what_to_do() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can become nobody");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        rustix::fs::chmod(folder.path(), Mode::from_raw_mode(0o777)).unwrap();
        // A copy, since the way to this program may be closed to others.
        let program = folder.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let ran = Command::new(&program)
            .args(["--exact", "binds::hold::tests::as_nobody", "--nocapture"])
            .env(FOLDER, folder.path())
            .current_dir("/")
            .uid(65534)
            .gid(65534)
            .output();
        let Ok(ran) = ran else {
            println!("skipped: nothing can be run in the folder for temporary files");
            return;
        };
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && text.contains("told"), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    }

    #[test]
    fn a_place_that_is_somebody_else_s_is_refused() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can give a folder away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        rustix::fs::chown(&theirs, Some(rustix::process::Uid::from_raw(65534)), None).unwrap();
        prepare(&theirs.join("one")).unwrap_err();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        rustix::fs::chmod(&open, Mode::from_raw_mode(0o777)).unwrap();
        prepare(&open.join("one")).unwrap_err();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        prepare(&link.join("one")).unwrap_err();
        take_away(&folder.path().join("nothing")).unwrap();
    }
}
