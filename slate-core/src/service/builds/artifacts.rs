use super::Context;
use crate::{
    Error, ErrorKind, Result,
    blob::BlobKey,
    model::{Artifact, ProjectPath, Sha256Hex},
    task::blocking,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

const CHUNK: usize = 256 * 1024;

/// Every file of the output, by path, with its size and hash, and its bytes kept in the blobs.
pub(super) async fn collect(context: &Context, output: &Path) -> Result<Vec<Artifact>> {
    let (root, limit) = (output.to_owned(), context.options.max_artifacts);
    let found = blocking(move || walk(&root, limit)).await?;
    let mut artifacts = Vec::with_capacity(found.len());
    for (path, file) in found {
        let (size, sha256) = {
            let file = file.clone();
            blocking(move || hash(&file)).await?
        };
        let blob = BlobKey::for_content("artifacts", &sha256)?;
        match context.blobs.head(&blob).await {
            Ok(info) if info.size == size => {}
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => drop(context.blobs.put(&blob, chunks(&file)?).await?),
        }
        let name = path.file_name().to_owned();
        artifacts.push(Artifact { name, path: path.to_string(), size, sha256, blob: Some(blob) });
    }
    Ok(artifacts)
}

fn walk(root: &Path, limit: usize) -> Result<Vec<(ProjectPath, PathBuf)>> {
    let failed = |error| Error::io("read the build's output", error);
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((ProjectPath::new(relative)?, path));
            }
            if found.len() > limit {
                return Err(Error::limit_exceeded("the build's output has too many files").with("limit", limit));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn hash(path: &Path) -> Result<(u64, Sha256Hex)> {
    let failed = |error| Error::io("read an artifact", error).with("path", path.display());
    let mut file = fs::File::open(path).map_err(failed)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, Sha256Hex::from_bytes(hash.finalize().into()))),
            Ok(count) => {
                hash.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn chunks(path: &Path) -> Result<crate::BoxStream<Result<Bytes>>> {
    let file =
        fs::File::open(path).map_err(|error| Error::io("read an artifact", error).with("path", path.display()))?;
    Ok(stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK);
            match (&mut file).take(CHUNK as u64).read_to_end(&mut chunk) {
                Ok(_) => Ok((chunk, file)),
                Err(error) => Err(Error::io("read an artifact", error)),
            }
        });
        match read.await {
            Ok((chunk, _)) if chunk.is_empty() => None,
            Ok((chunk, file)) => Some((Ok(chunk.into()), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed())
}
