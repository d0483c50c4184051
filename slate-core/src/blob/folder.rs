use super::{BlobInfo, BlobKey, Blobs, staged::Staged};
use crate::{
    BoxStream, Component, ComponentKind, Descriptor, Error, Result, Timestamp, model::Sha256Hex, task::blocking,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

const COMPONENT: &str = "blobs.folder";
const CHUNK: usize = 256 * 1024;
/// Keys never start with a dot, so that no key names a file in here.
const STAGING: &str = ".staging";

/// Blobs as files below one folder: each is written aside, synced, and renamed into place.
#[derive(Clone, Debug)]
pub struct FolderBlobs {
    root: PathBuf,
}

impl FolderBlobs {
    /// Blobs in `root`, which is made where it isn't there. Half-written files of a crash are removed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let staging = root.join(STAGING);
        fs::create_dir_all(&staging)
            .map_err(|error| Error::io("make the blobs' folder", error).with("path", root.display()))?;
        let day_ago = Timestamp::now() - std::time::Duration::from_secs(24 * 3600);
        for entry in fs::read_dir(&staging).map_err(|error| Error::io("read the staging folder", error))?.flatten() {
            // Another process may be writing into the same folder now: only what is old is left over.
            let left_over = entry.metadata().and_then(|m| m.modified()).is_ok_and(|at| Timestamp::from(at) < day_ago);
            if left_over {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { root })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the bytes of `key` are, or would be.
    pub fn path(&self, key: &BlobKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn info(&self, key: &BlobKey) -> Result<BlobInfo> {
        let metadata = fs::metadata(self.path(key))
            .and_then(|metadata| if metadata.is_file() { Ok(metadata) } else { Err(io::ErrorKind::NotFound.into()) });
        let metadata = metadata.map_err(|error| Error::io("find the blob", missing(error)).with("key", key))?;
        let modified_at = metadata.modified().map(Timestamp::from).unwrap_or(Timestamp::EPOCH);
        Ok(BlobInfo { key: key.clone(), size: metadata.len(), sha256: None, modified_at })
    }
}

#[async_trait]
impl Component for FolderBlobs {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Blobs, "folder").with_detail(self.root.display().to_string())
    }

    async fn ping(&self) -> Result<()> {
        let mut staged = Staged::in_folder(&self.root.join(STAGING))?;
        staged.file().write_all(b"ping").map_err(|error| Error::io("write to the blobs' folder", error))
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, key: &BlobKey, mut body: BoxStream<Result<Bytes>>) -> Result<BlobInfo> {
        let mut staged = Staged::in_folder(&self.root.join(STAGING)).map_err(|error| error.at(COMPONENT, "put"))?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            hash.update(&chunk);
            size += chunk.len() as u64;
            staged.file().write_all(&chunk).map_err(|error| Error::io("write the blob", error).with("key", key))?;
        }
        let target = self.path(key);
        let key = key.clone();
        blocking(move || {
            staged.persist(&target).map_err(|error| Error::io("store the blob", error).with("key", &key))?;
            let sha256 = Some(Sha256Hex::from_bytes(hash.finalize().into()));
            Ok(BlobInfo { key, size, sha256, modified_at: Timestamp::now() })
        })
        .await
        .map_err(|error| error.at(COMPONENT, "put"))
    }

    fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> BoxStream<Result<Bytes>> {
        let (path, key) = (self.path(key), key.clone());
        let range = range.unwrap_or(0..u64::MAX);
        let open = blocking(move || {
            let open = || {
                let mut file = fs::File::open(&path)?;
                if !file.metadata()?.is_file() {
                    return Err(io::ErrorKind::NotFound.into());
                }
                file.seek(SeekFrom::Start(range.start))?;
                Ok(file.take(range.end.saturating_sub(range.start)))
            };
            open().map_err(|error| Error::io("open the blob", missing(error)).with("key", &key).at(COMPONENT, "get"))
        });
        stream::once(open)
            .flat_map(|opened| match opened {
                Ok(file) => stream::unfold(Some(file), read_chunk).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed()
    }

    async fn head(&self, key: &BlobKey) -> Result<BlobInfo> {
        self.info(key).map_err(|error| error.at(COMPONENT, "head"))
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(Error::io("delete the blob", error).with("key", key).at(COMPONENT, "delete"))
            }
            _ => Ok(()),
        }
    }

    fn list(&self, prefix: &str) -> BoxStream<Result<BlobInfo>> {
        let (this, prefix) = (self.clone(), prefix.to_owned());
        let listing = blocking(move || {
            let mut keys = Vec::new();
            let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
            if folder.is_empty() || BlobKey::new(folder).is_ok() {
                collect_keys(&this.root.join(folder), folder, &prefix, &mut keys)
                    .map_err(|error| Error::io("list the blobs", error).at(COMPONENT, "list"))?;
            }
            keys.sort();
            // A blob deleted since it was listed is none.
            Ok(keys.iter().filter_map(|key| this.info(key).ok()).collect::<Vec<_>>())
        });
        stream::once(listing)
            .flat_map(|listed| match listed {
                Ok(infos) => stream::iter(infos.into_iter().map(Ok).collect::<Vec<_>>()),
                Err(error) => stream::iter(vec![Err(error)]),
            })
            .boxed()
    }
}

type Chunked = Option<io::Take<fs::File>>;

async fn read_chunk(file: Chunked) -> Option<(Result<Bytes>, Chunked)> {
    let mut file = file?;
    let read = blocking(move || {
        let mut chunk = vec![0; CHUNK];
        let mut filled = 0;
        while filled < chunk.len() {
            match file.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read the blob", error).at(COMPONENT, "get")),
            }
        }
        chunk.truncate(filled);
        Ok((chunk, file))
    });
    match read.await {
        Ok((chunk, _)) if chunk.is_empty() => None,
        Ok((chunk, file)) => Some((Ok(chunk.into()), Some(file))),
        Err(error) => Some((Err(error), None)),
    }
}

/// A key below another key's file isn't there: for a file system that is another error.
fn missing(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotADirectory { io::ErrorKind::NotFound.into() } else { error }
}

fn collect_keys(folder: &Path, name: &str, prefix: &str, keys: &mut Vec<BlobKey>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Some(part) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let Ok(key) = BlobKey::new(if name.is_empty() { part } else { format!("{name}/{part}") }) else { continue };
        if entry.file_type()?.is_dir() {
            if key.as_str().starts_with(prefix) || prefix.starts_with(key.as_str()) {
                collect_keys(&entry.path(), key.as_str(), prefix, keys)?;
            }
        } else if key.as_str().starts_with(prefix) {
            keys.push(key);
        }
    }
    Ok(())
}
