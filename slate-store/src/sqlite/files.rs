use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Statement, Value},
    table::{self, Table},
};
use async_trait::async_trait;
use slate_core::{
    Error, FileId, ProjectId, Result,
    model::{FileContent, FileRecord, ProjectPath, Revision},
    store::{FileQuery, FileStore, Page, PageRequest},
};

impl Table for FileRecord {
    const NAME: &'static str = "slate_files";
    const COLUMNS: &'static [&'static str] =
        &["project_id", "path", "content", "blob", "size", "sha256", "mime_type", "encoding"];
    const OWNERS: &'static [(&'static str, &'static str)] = &[("project_id", "slate_projects")];

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        let (content, blob) = match &self.content {
            FileContent::Inline(text) => (Value::text(text), Value::Null),
            FileContent::Blob(key) => (Value::Null, Value::text(key)),
            other => {
                return Err(
                    Error::unsupported("this store can't keep such content").with("content", format!("{other:?}"))
                );
            }
        };
        Ok(vec![
            self.project_id.into(),
            Value::text(&self.path),
            content,
            blob,
            Value::number(self.size),
            Value::text(&self.sha256),
            Value::text(&self.mime_type),
            Value::text(self.encoding),
        ])
    }

    fn read(row: &Columns<'_>, revision: Revision) -> Result<Self> {
        let content = match row.maybe_parse("blob")? {
            Some(key) => FileContent::Blob(key),
            None => FileContent::Inline(row.text("content")?),
        };
        Ok(Self {
            id: row.id("id", FileId::from_u128)?,
            project_id: row.id("project_id", ProjectId::from_u128)?,
            path: row.parse("path")?,
            content,
            size: row.number("size")?,
            sha256: row.parse("sha256")?,
            mime_type: row.text("mime_type")?,
            encoding: row.parse("encoding")?,
            revision,
        })
    }
}

#[async_trait]
impl FileStore for SqliteStore {
    async fn file(&self, id: FileId) -> Result<FileRecord> {
        table::get(&self.readers, id).await.map_err(|error| error.with("file", id).at(PLACE, "file"))
    }

    async fn files(&self, query: FileQuery, page: PageRequest) -> Result<Page<FileRecord>> {
        let conditions = |list: &mut Statement| {
            list.and_equal("project_id", query.project).and_starts_with("path", query.prefix);
        };
        table::list(&self.readers, &page, conditions).await.map_err(|error| error.at(PLACE, "files"))
    }

    async fn file_at(&self, project: ProjectId, path: &ProjectPath) -> Result<FileRecord> {
        let mut select = Statement::new("SELECT * FROM slate_files WHERE deleted_at IS NULL");
        select.and_equal("project_id", Some(project)).and_equal("path", Some(path.as_str()));
        let found = match select.row(&self.readers).await {
            Ok(Some(row)) => table::read(&row),
            Ok(None) => Err(Error::not_found("no such file").with("project", project).with("path", path)),
            Err(error) => Err(error),
        };
        found.map_err(|error| error.at(PLACE, "file_at"))
    }
}
