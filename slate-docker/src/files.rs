//! Files in containers: as archives through the engine, and through a command where the engine doesn't see them.
//!
//! The engine reads and writes a container's image and mounts, but not its folders of memory: those exist only inside, while
//! it runs.

use crate::{
    DockerBackend,
    backend::Shared,
    error::{PLACE, translate},
    exec, instance,
};
use async_trait::async_trait;
use bollard::{
    models::ContainerInspectResponse,
    query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions},
};
use bytes::Bytes;
use futures_util::StreamExt;
use slate_core::{
    Error, InstanceId, Result,
    runtime::{Command, ExecOptions, Files, InstanceState},
};
use std::{io::Read, sync::Arc};

/// What an archive of one file has beside the file: two headers, padding, the end.
const AROUND: u64 = 16 * 1024;
/// The longest path; the kernel's own limit.
const LONGEST: usize = 4096;
/// The largest file that is written at once; default of no other limit.
const LARGEST: usize = 1 << 30;

/// Written aside and moved, so that the file is there whole or not at all. 44: no such folder.
const PUT: &str = r#"
folder=${1%/*}
[ -d "${folder:-/}" ] || exit 44
cat >"$1.slate-part" || { rm -f "$1.slate-part"; exit 45; }
mv -f "$1.slate-part" "$1" || { rm -f "$1.slate-part"; exit 45; }"#;

/// 44: no such file.
const GET: &str = r#"[ -e "$1" ] || exit 44; [ -f "$1" ] || exit 46; cat "$1""#;

/// A user and group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    user: u64,
    group: u64,
}

impl Owner {
    /// `None` for one that is named by name, whose number only the image knows.
    pub(crate) fn parse(user: &str) -> Option<Self> {
        let (user, group) = user.split_once(':').unwrap_or((user, user));
        Some(Self { user: user.parse().ok()?, group: group.parse().ok()? })
    }
}

/// An archive of so many folders, named by numbers from 0, that belong to `owner`.
pub(crate) fn folders_archive(count: usize, owner: Owner) -> Result<Bytes> {
    let folder = |number: usize| (tar::EntryType::Directory, 0o755, format!("{number}/"), Bytes::new());
    archive((0..count).map(folder), owner)
}

fn file_archive(name: &str, owner: Owner, content: &Bytes) -> Result<Bytes> {
    archive([(tar::EntryType::Regular, 0o644, name.to_owned(), content.clone())], owner)
}

fn archive(entries: impl IntoIterator<Item = (tar::EntryType, u32, String, Bytes)>, owner: Owner) -> Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, mode, name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.user);
        header.set_gid(owner.group);
        header.set_size(content.len() as u64);
        let packed = archive.append_data(&mut header, name, &content[..]);
        packed.map_err(|error| Error::io("pack the file", error))?;
    }
    Ok(archive.into_inner().map_err(|error| Error::io("pack the file", error))?.into())
}

/// The first file of an archive.
fn unpack(bytes: &[u8], limit: u64) -> Result<Bytes> {
    let damaged = |error| Error::corrupt("the engine's archive is damaged").because(error);
    let mut archive = tar::Archive::new(bytes);
    let mut entries = archive.entries().map_err(damaged)?;
    let entry = entries.next().ok_or_else(|| Error::corrupt("the engine's archive is empty"))?.map_err(damaged)?;
    if !entry.header().entry_type().is_file() {
        return Err(Error::invalid("this is no file"));
    }
    let mut content = Vec::new();
    entry.take(limit + 1).read_to_end(&mut content).map_err(damaged)?;
    if content.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(content.into())
}

fn too_large(limit: u64) -> Error {
    Error::limit_exceeded("the file is larger than its limit").with("limit", limit)
}

fn check(path: &str) -> Result<(&str, &str)> {
    let sound = path.starts_with('/')
        && path.len() <= LONGEST
        && !path.contains('\0')
        && path.split('/').all(|part| part != ".." && part != ".");
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    if sound && !name.is_empty() {
        return Ok((if folder.is_empty() { "/" } else { folder }, name));
    }
    Err(Error::invalid("a file's path is absolute, without '.' and '..'").with("path", path.escape_debug()))
}

/// Whether a path lies in a folder of memory, where only the container itself sees it.
fn in_memory(container: &ContainerInspectResponse, path: &str) -> bool {
    let within = |folder: &str| {
        let folder = folder.trim_end_matches('/');
        path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')).then_some(folder.len())
    };
    let config = container.host_config.as_ref();
    let folders = config.and_then(|config| config.tmpfs.as_ref()).into_iter().flatten().map(|(folder, _)| folder);
    let shared = ["/dev".to_owned()];
    let memory = folders.chain(&shared).filter_map(|folder| within(folder)).max();
    // A mount may lie within a folder of memory, and the other way round: the inner one counts.
    let mounts = container.mounts.iter().flatten().filter(|mount| mount.typ.as_deref() != Some("tmpfs"));
    let mounted = mounts.filter_map(|mount| within(mount.destination.as_deref()?)).max();
    memory.is_some_and(|memory| mounted.is_none_or(|mounted| memory > mounted))
}

impl Shared {
    /// Runs a script of this module with `path`; its output, and what its exit code means.
    async fn script(
        self: &Arc<Self>,
        id: &str,
        script: &str,
        path: &str,
        input: Option<Bytes>,
        limit: u64,
    ) -> Result<Bytes> {
        let command = Command::new(["sh", "-c", script, "sh", path]);
        let options = ExecOptions::default()
            .with_stdin(input.is_some())
            .with_working_dir(Some("/".into()))
            .with_timeout(Some(self.options.timeout));
        let mut running = exec::exec(Arc::clone(self), id, &command, options).await?;
        if let (Some(mut stdin), Some(mut rest)) = (running.stdin.take(), input) {
            // In parts: a script that has ended early takes no more.
            while !rest.is_empty() {
                let part = rest.split_to(rest.len().min(64 << 10));
                if stdin.write(part).await.is_err() {
                    break;
                }
            }
        }
        let (stdout, stderr, exit) =
            running.collect(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(4096)).await?;
        let said = String::from_utf8_lossy(&stderr).trim().chars().take(200).collect::<String>();
        match exit.code {
            Some(0) if stdout.len() as u64 > limit => Err(too_large(limit)),
            Some(0) => Ok(stdout.into()),
            Some(44) => Err(Error::not_found("no such file or folder")),
            Some(46) => Err(Error::invalid("this is no file")),
            Some(126 | 127) => Err(Error::unsupported("the image has no shell to reach this file by")),
            _ if said.contains("No space left") => Err(Error::resource_exhausted("the folder is full")),
            _ if said.contains("denied") || said.contains("Read-only") => {
                Err(Error::permission_denied("the container's user may not do this"))
            }
            _ => Err(Error::internal("the file can't be reached").with("said", said)),
        }
    }

    async fn put(self: &Arc<Self>, id: &str, path: &str, content: Bytes) -> Result<()> {
        let (folder, name) = check(path)?;
        if content.len() > LARGEST {
            return Err(too_large(LARGEST as u64));
        }
        let container = self.owned(id).await?;
        if in_memory(&container, path) {
            self.needs_to_run(&container)?;
            return self.script(id, PUT, path, Some(content), 4096).await.map(drop);
        }
        let user = container.config.as_ref().and_then(|config| config.user.as_deref()).unwrap_or_default();
        let owner = Owner::parse(user).unwrap_or(Owner { user: 0, group: 0 });
        let options = UploadToContainerOptions { path: folder.into(), ..UploadToContainerOptions::default() };
        let body = bollard::body_full(file_archive(name, owner, &content)?);
        let put = self.docker.upload_to_container(id, Some(options), body).await;
        put.map_err(|error| translate(error, "put"))
    }

    async fn get(self: &Arc<Self>, id: &str, path: &str, limit: u64) -> Result<Bytes> {
        check(path)?;
        let container = self.owned(id).await?;
        if in_memory(&container, path) {
            self.needs_to_run(&container)?;
            return self.script(id, GET, path, None, limit).await;
        }
        let options = ContainerArchiveInfoOptions { path: path.into() };
        let found = self.docker.get_container_archive_info(id, Some(options)).await;
        let found = found.map_err(|error| translate(error, "get"))?;
        if u64::try_from(found.size).unwrap_or_default() > limit {
            return Err(too_large(limit));
        }
        let mut archive = Vec::new();
        let options = DownloadFromContainerOptions { path: path.into() };
        let mut parts = Box::pin(self.docker.download_from_container(id, Some(options)));
        while let Some(part) = parts.next().await {
            archive.extend_from_slice(&part.map_err(|error| translate(error, "get"))?);
            // It may have grown, or be a folder.
            if archive.len() as u64 > limit.saturating_add(AROUND) {
                return Err(too_large(limit));
            }
        }
        unpack(&archive, limit)
    }

    fn needs_to_run(&self, container: &ContainerInspectResponse) -> Result<()> {
        if instance::state(container) == InstanceState::Running {
            return Ok(());
        }
        Err(Error::wrong_state("this folder exists only while the instance runs"))
    }
}

#[async_trait]
impl Files for DockerBackend {
    async fn put(&self, id: &InstanceId, path: &str, content: Bytes) -> Result<()> {
        let put = self.0.put(id.as_str(), path, content).await;
        put.map_err(|error| error.with("instance", id).with("path", path.escape_debug()).at(PLACE, "put"))
    }

    async fn get(&self, id: &InstanceId, path: &str, limit: u64) -> Result<Bytes> {
        let got = self.0.get(id.as_str(), path, limit).await;
        got.map_err(|error| error.with("instance", id).with("path", path.escape_debug()).at(PLACE, "get"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let owner = Owner::parse("10001:10002").unwrap();
        let packed = file_archive("a.txt", owner, &Bytes::from_static(b"hello")).unwrap();
        assert_eq!(unpack(&packed, 5).unwrap(), "hello");
        assert_eq!(unpack(&packed, 4).unwrap_err().kind(), slate_core::ErrorKind::LimitExceeded);
        assert_eq!(unpack(&folders_archive(1, owner).unwrap(), 5).unwrap_err().kind(), slate_core::ErrorKind::Invalid);
        assert!(unpack(b"nonsense", 5).is_err());
    }

    #[test]
    fn paths_are_checked() {
        assert_eq!(check("/a/b").unwrap(), ("/a", "b"));
        assert_eq!(check("/b").unwrap(), ("/", "b"));
        for bad in ["", "/", "a", "/a/", "/a/../b", "/a\0b"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
