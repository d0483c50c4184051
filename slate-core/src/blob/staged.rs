use crate::{BoxStream, Error, Result, task::blocking};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes what `body` yields to the file `target`: aside, synced, then renamed into its place, with the folders above it made.
/// Whoever reads sees the old file or the new one; a failed or dropped write leaves nothing behind.
///
/// # Errors
/// The first error of `body`, and those of the file system.
pub async fn write_file(target: impl Into<PathBuf>, mut body: BoxStream<Result<Bytes>>) -> Result<()> {
    let target = target.into();
    let folder = target.parent().map_or_else(PathBuf::new, Path::to_owned);
    let failed = |error, target: &Path| Error::io("write the file", error).with("path", target.display());
    fs::create_dir_all(&folder).map_err(|error| failed(error, &target))?;
    let mut staged = Staged::in_folder(&folder)?;
    while let Some(chunk) = body.next().await {
        staged.file().write_all(&chunk?).map_err(|error| failed(error, &target))?;
    }
    blocking(move || staged.persist(&target).map_err(|error| failed(error, &target))).await
}

/// A file being written, removed when dropped before it is put in its place.
pub(super) struct Staged {
    file: fs::File,
    path: PathBuf,
}

impl Staged {
    /// A new file in `folder`, hidden and of a name that nobody else has, so that writers never meet.
    pub(super) fn in_folder(folder: &Path) -> Result<Self> {
        let path = folder.join(format!(".{}", uuid::Uuid::now_v7()));
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        file.map(|file| Self { file, path: path.clone() })
            .map_err(|error| Error::io("open a file to be written", error).with("path", path.display()))
    }

    pub(super) fn file(&mut self) -> &mut fs::File {
        &mut self.file
    }

    pub(super) fn persist(&self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        fs::rename(&self.path, target)?;
        // The rename itself is durable only once the folder is.
        fs::File::open(parent)?.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn body(parts: Vec<Result<Bytes>>) -> BoxStream<Result<Bytes>> {
        stream::iter(parts).boxed()
    }

    #[tokio::test]
    async fn writers_of_one_stem_never_meet() {
        let folder = tempfile::tempdir().unwrap();
        let targets = ["a/hero.ktx2", "a/hero.wav", "a/hero.glb"].map(|name| folder.path().join(name));
        let writes = targets.clone().map(|target| {
            let name = target.to_string_lossy().into_owned();
            write_file(target, body((0..50).map(|_| Ok(name.clone().into())).collect()))
        });
        for result in futures_util::future::join_all(writes).await {
            result.unwrap();
        }
        for target in &targets {
            assert_eq!(fs::read_to_string(target).unwrap(), target.to_string_lossy().repeat(50));
        }
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        write_file(&target, body(vec![Ok("old".into())])).await.unwrap();
        write_file(&target, body(vec![Ok("new".into()), Err(Error::corrupt("no"))])).await.unwrap_err();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
