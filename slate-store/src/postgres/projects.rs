use super::{PgStore, error::PLACE};
use async_trait::async_trait;
use slate_core::{
    ProjectId, Result,
    model::Project,
    store::{Page, PageRequest, ProjectQuery, ProjectStore},
};

#[async_trait]
impl ProjectStore for PgStore {
    async fn project(&self, id: ProjectId) -> Result<Project> {
        self.get(id).await.map_err(|error| error.with("project", id).at(PLACE, "project"))
    }

    async fn projects(&self, query: ProjectQuery, page: PageRequest) -> Result<Page<Project>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "projects"))
    }
}
