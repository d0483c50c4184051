use super::{PgStore, error::PLACE, sql::Statement};
use crate::common::table;
use async_trait::async_trait;
use slate_core::{
    Error, FileId, ProjectId, Result,
    model::{FileRecord, ProjectPath},
    store::{FileQuery, FileStore, Page, PageRequest},
};

#[async_trait]
impl FileStore for PgStore {
    async fn file(&self, id: FileId) -> Result<FileRecord> {
        self.get(id).await.map_err(|error| error.with("file", id).at(PLACE, "file"))
    }

    async fn files(&self, query: FileQuery, page: PageRequest) -> Result<Page<FileRecord>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "files"))
    }

    async fn file_at(&self, project: ProjectId, path: &ProjectPath) -> Result<FileRecord> {
        let mut select = Statement::new("SELECT * FROM slate_files WHERE deleted_at IS NULL");
        select.and_equal("project_id", Some(project)).and_equal("path", Some(path.as_str()));
        let found = match self.read_row(&select).await {
            Ok(Some(row)) => table::read(&row),
            Ok(None) => Err(Error::not_found("no such file").with("project", project).with("path", path)),
            Err(error) => Err(error),
        };
        found.map_err(|error| error.at(PLACE, "file_at"))
    }
}
