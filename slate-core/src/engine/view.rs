use super::Engine;
use crate::{Error, Result, model::ProjectPath};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// A project's files as an engine sees them: every path with its size, and the text of the few files that tell what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectView {
    files: BTreeMap<ProjectPath, u64>,
    texts: BTreeMap<ProjectPath, String>,
}

impl ProjectView {
    /// The most files of a project.
    pub const MAX_FILES: usize = 200_000;
    /// The most bytes of a file whose text is read.
    pub const MAX_TEXT: u64 = 1 << 20;
    /// The deepest folder.
    pub const MAX_DEPTH: usize = 64;

    /// A view of these files.
    pub fn new(files: impl IntoIterator<Item = (ProjectPath, u64)>) -> Self {
        Self { files: files.into_iter().collect(), texts: BTreeMap::new() }
    }

    /// Adds a file with its text.
    #[must_use]
    pub fn with_text(mut self, path: ProjectPath, text: impl Into<String>) -> Self {
        let text = text.into();
        self.files.insert(path.clone(), text.len() as u64);
        self.texts.insert(path, text);
        self
    }

    /// Reads a folder: its files without hidden ones, symbolic links and `ignore`d folders, and the texts that the engines
    /// want to see.
    ///
    /// # Errors
    /// Those of the file system; `LimitExceeded` for too many files or too deep folders; names that are no project paths are
    /// left out.
    pub fn read<'a>(root: &Path, engines: impl IntoIterator<Item = &'a dyn Engine>, ignore: &[&str]) -> Result<Self> {
        let mut view = Self::default();
        view.walk(root, ignore)?;
        let markers: Vec<_> = engines.into_iter().flat_map(Engine::markers).collect();
        let wanted: Vec<_> =
            view.files.keys().filter(|path| markers.iter().any(|m| is_marker(m, path))).cloned().collect();
        for path in wanted {
            if view.files[&path] <= Self::MAX_TEXT {
                let bytes = fs::read(root.join(path.as_str()))
                    .map_err(|error| Error::io("read a project file", error).with("path", &path))?;
                view.texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(view)
    }

    fn walk(&mut self, root: &Path, ignore: &[&str]) -> Result<()> {
        let mut folders: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let failed =
                |error: io::Error| Error::io("read the project's folder", error).with("path", folder.display());
            if depth > Self::MAX_DEPTH {
                return Err(
                    Error::limit_exceeded("the project's folders are nested too deep").with("path", folder.display())
                );
            }
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let top_ignored = depth == 0 && ignore.contains(&&*name);
                if name.starts_with('.') || kind.is_symlink() || top_ignored {
                    continue;
                }
                if kind.is_dir() {
                    folders.push((entry.path(), depth + 1));
                    continue;
                }
                let path = entry.path();
                let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
                if let Ok(relative) = ProjectPath::new(&*relative) {
                    self.files.insert(relative, entry.metadata().map_err(failed)?.len());
                }
                if self.files.len() > Self::MAX_FILES {
                    return Err(Error::limit_exceeded("the project has too many files").with("limit", Self::MAX_FILES));
                }
            }
        }
        Ok(())
    }

    /// Whether there is a file at this path.
    pub fn contains(&self, path: &str) -> bool {
        ProjectPath::new(path).is_ok_and(|path| self.files.contains_key(&path))
    }

    /// Every file with its size in bytes, by path.
    pub fn files(&self) -> impl Iterator<Item = (&ProjectPath, u64)> {
        self.files.iter().map(|(path, size)| (path, *size))
    }

    /// The text of a file that an engine wanted to see.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(&ProjectPath::new(path).ok()?).map(String::as_str)
    }
}

fn is_marker(marker: &str, path: &ProjectPath) -> bool {
    match marker.strip_prefix('*') {
        Some(suffix) => !path.as_str().contains('/') && path.as_str().ends_with(suffix),
        None => path.as_str() == marker,
    }
}
