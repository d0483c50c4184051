use super::{Journal, journal::event_about};
use crate::{
    Error, ErrorKind, ProjectId, Result, UserId, Version,
    asset::AssetKind,
    blob::{BlobKey, Blobs, BlobsExt},
    bus::event::{AssetEvent, AssetEventKind, FileEvent, FileEventKind, ProjectEvent, ProjectEventKind},
    engine::ProjectView,
    model::{Asset, FileRecord, Project, ProjectPath, Sha256Hex},
    store::{ChangeSet, PageRequest, ProjectQuery},
};
use std::{path::Path, sync::Arc};

/// Makes projects and takes their files in.
#[derive(Clone)]
pub struct Projects {
    journal: Journal,
    blobs: Arc<dyn Blobs>,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Files that were not there before.
    pub created: usize,
    /// Files whose content changed.
    pub updated: usize,
    /// Files that are as they were.
    pub unchanged: usize,
    /// Assets that were not there before.
    pub assets: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Files whose records are written in one change.
const BATCH: usize = 200;

impl Projects {
    /// Projects recorded in this journal, with large files in these blobs.
    pub fn new(journal: Journal, blobs: Arc<dyn Blobs>) -> Self {
        Self { journal, blobs }
    }

    /// Records a project, with the event that tells of it.
    ///
    /// # Errors
    /// `Invalid` for a malformed one.
    pub async fn create(&self, project: Project) -> Result<Project> {
        project.validate()?;
        let event = ProjectEvent::new(
            ProjectEventKind::Created,
            project.id,
            project.owner_id.clone(),
            project.revision.created_at,
        )
        .with_data(serde_json::json!({ "name": project.name }));
        let event = event_about(event, project.id, Version::FIRST)?;
        self.journal.apply(ChangeSet::new().create(project.clone()).event(event)).await?;
        Ok(project)
    }

    /// The owner's project of this name, the first of them; `None` where there is none.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    pub async fn find(&self, owner: &UserId, name: &str) -> Result<Option<Project>> {
        let query = ProjectQuery::all().owned_by(owner.clone()).named(name.to_owned());
        Ok(self.journal.store().projects(query, PageRequest::first(1)).await?.items.pop())
    }

    /// Takes the files of a folder into the project: texts up to 256 KiB into their records, the others into the blobs by
    /// their content. Files that are there already are compared by hash. Doing it twice is as good as once.
    ///
    /// # Errors
    /// Those of the file system, the blobs and the store. What was taken in before the error stays.
    pub async fn import(&self, project: ProjectId, user: &UserId, root: &Path, view: &ProjectView) -> Result<Imported> {
        let mut imported = Imported::default();
        let paths: Vec<ProjectPath> = view.files().map(|(path, _)| path.clone()).collect();
        for batch in paths.chunks(BATCH) {
            let mut set = ChangeSet::new();
            for path in batch {
                set = self.take(set, project, user, root, path, &mut imported).await?;
            }
            if !set.changes.is_empty() {
                self.journal.apply(set).await?;
            }
        }
        Ok(imported)
    }

    async fn take(
        &self,
        set: ChangeSet,
        project: ProjectId,
        user: &UserId,
        root: &Path,
        path: &ProjectPath,
        imported: &mut Imported,
    ) -> Result<ChangeSet> {
        let now = self.journal.now();
        let source = root.join(path.as_str());
        let bytes = tokio::fs::read(&source)
            .await
            .map_err(|error| Error::io("read a project file", error).with("path", path))?;
        let hash = Sha256Hex::of(&bytes);
        imported.bytes += bytes.len() as u64;
        let known = match self.journal.store().file_at(project, path).await {
            Ok(known) => Some(known),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if known.as_ref().is_some_and(|known| known.sha256 == hash) {
            imported.unchanged += 1;
            return Ok(set);
        }
        let kind = AssetKind::of_path(path.as_str());
        let processed = matches!(kind, AssetKind::Texture | AssetKind::Model | AssetKind::Audio);
        let text = (bytes.len() <= FileRecord::MAX_INLINE && !processed).then(|| String::from_utf8(bytes.clone()).ok());
        let record = match text.flatten() {
            Some(text) if !text.contains('\0') => FileRecord::text(project, path.clone(), text, now)?,
            _ => {
                let key = BlobKey::for_content("files", &hash)?;
                let info = self.blobs.put_bytes(&key, bytes.into()).await?;
                FileRecord::blob(project, path.clone(), key, info.size, hash, now)
            }
        };
        if let Some(known) = known {
            imported.updated += 1;
            let version = known.revision.version.next();
            let event = FileEvent::new(FileEventKind::ContentChanged, known.id, project, user.clone(), now);
            let record = FileRecord { id: known.id, revision: known.revision, ..record };
            return Ok(set.event(event_about(event, record.id, version)?).update(record));
        }
        imported.created += 1;
        let event = FileEvent::new(FileEventKind::Created, record.id, project, user.clone(), now)
            .with_data(serde_json::json!({ "path": path, "size": record.size }));
        let mut set = set.event(event_about(event, record.id, Version::FIRST)?);
        let asset = (kind != AssetKind::Other).then(|| {
            let mut asset = Asset::new(project, Some(record.id), kind, now);
            asset.metadata = serde_json::json!({ "path": path });
            asset
        });
        set = set.create(record);
        if let Some(asset) = asset {
            imported.assets += 1;
            let event = AssetEvent::new(AssetEventKind::Created, asset.id, project, user.clone(), now)
                .with_data(serde_json::json!({ "type": kind, "path": path }));
            set = set.event(event_about(event, asset.id, Version::FIRST)?).create(asset);
        }
        Ok(set)
    }
}

impl std::fmt::Debug for Projects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Projects").field(&self.journal).finish()
    }
}
