use super::{Revision, Sha256Hex};
use crate::{
    Error, FileId, ProjectId, Result, Timestamp,
    blob::BlobKey,
    wire::{checked_text, wire_enum},
};
use serde::{Deserialize, Serialize};

/// A file of a project (`slate_files`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRecord {
    /// Its id.
    pub id: FileId,
    /// The project.
    pub project_id: ProjectId,
    /// Its path in the project; unique among the project's live files.
    pub path: ProjectPath,
    /// Its content, or where that is.
    pub content: FileContent,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Sha256Hex,
    /// Its media type, for example `text/plain`.
    pub mime_type: String,
    /// How `content` holds the bytes.
    pub encoding: FileEncoding,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl FileRecord {
    /// The most bytes that a record holds itself; larger content goes to [`Blobs`](crate::blob::Blobs).
    pub const MAX_INLINE: usize = 256 * 1024;

    /// A file whose text is kept in the record.
    ///
    /// # Errors
    /// `LimitExceeded` for more than [`MAX_INLINE`](Self::MAX_INLINE) bytes.
    pub fn text(project_id: ProjectId, path: ProjectPath, text: impl Into<String>, now: Timestamp) -> Result<Self> {
        let text = text.into();
        if text.len() > Self::MAX_INLINE {
            return Err(Error::limit_exceeded("a record holds up to 256 KiB: put larger files into blobs")
                .with("path", &path)
                .with("size", text.len()));
        }
        Ok(Self {
            id: FileId::new(),
            project_id,
            size: text.len() as u64,
            sha256: Sha256Hex::of(text.as_bytes()),
            mime_type: mime_type(path.as_str()).into(),
            path,
            content: FileContent::Inline(text),
            encoding: FileEncoding::Utf8,
            revision: Revision::first(now),
        })
    }

    /// A file whose bytes are under `blob`.
    pub fn blob(
        project_id: ProjectId,
        path: ProjectPath,
        blob: BlobKey,
        size: u64,
        sha256: Sha256Hex,
        now: Timestamp,
    ) -> Self {
        Self {
            id: FileId::new(),
            project_id,
            mime_type: mime_type(path.as_str()).into(),
            path,
            content: FileContent::Blob(blob),
            size,
            sha256,
            encoding: FileEncoding::Binary,
            revision: Revision::first(now),
        }
    }
}

/// Where a file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileContent {
    /// In the record.
    Inline(String),
    /// Under a key of the blobs.
    Blob(BlobKey),
}

wire_enum! {
    /// How a file's content is held.
    FileEncoding {
        /// As UTF-8 text.
        Utf8 = "utf-8",
        /// As bytes.
        Binary = "binary",
    }
}

/// A path within a project: relative, `/` between its parts, up to 1024 bytes; no part is empty, `.` or `..`, or holds a
/// control character, `\`, or `:`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectPath(Box<str>);

impl ProjectPath {
    /// Checks `text` and takes it as a path.
    ///
    /// # Errors
    /// `Invalid` where a rule of the type is broken.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        let part_fits = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || c == '\\' || c == ':')
        };
        if text.len() <= 1024 && text.split('/').all(part_fits) {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid("not a project path: a relative path without '..' is expected")
            .with("value", text.escape_debug().to_string().chars().take(128).collect::<String>()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

checked_text!(ProjectPath);

fn mime_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "tga" => "image/x-tga",
        "hdr" => "image/vnd.radiance",
        "ktx2" => "image/ktx2",
        "gltf" => "model/gltf+json",
        "glb" => "model/gltf-binary",
        "obj" => "model/obj",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "json" => "application/json",
        "toml" => "application/toml",
        "md" => "text/markdown",
        "txt" | "gd" | "cs" | "sh" | "tscn" | "tres" | "godot" | "cfg" => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_project() {
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "a\\b", "C:/x", "a\nb", "./a"] {
            assert!(ProjectPath::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ProjectPath::new("scenes/Level 1.tscn").unwrap().file_name(), "Level 1.tscn");
    }

    #[test]
    fn large_text_is_sent_to_blobs() {
        let path = ProjectPath::new("a.txt").unwrap();
        let large = "x".repeat(FileRecord::MAX_INLINE + 1);
        let error = FileRecord::text(ProjectId::new(), path, large, Timestamp::EPOCH).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::LimitExceeded);
    }
}
