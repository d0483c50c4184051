use super::{SqliteStore, error::PLACE, sql::Statement};
use crate::common::Columns;
use async_trait::async_trait;
use slate_core::{
    BuildId, Error, ProjectId, Result,
    model::{BuildJob, BuildStatistics},
    store::{BuildQuery, BuildStore, Page, PageRequest},
};

#[async_trait]
impl BuildStore for SqliteStore {
    async fn build(&self, id: BuildId) -> Result<BuildJob> {
        self.get(id).await.map_err(|error| error.with("build", id).at(PLACE, "build"))
    }

    async fn builds(&self, query: BuildQuery, page: PageRequest) -> Result<Page<BuildJob>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "builds"))
    }

    async fn build_statistics(&self, project: Option<ProjectId>) -> Result<BuildStatistics> {
        let mut select = Statement::new(
            "SELECT count(*) AS total, \
             count(*) FILTER (WHERE status = 'completed') AS completed, \
             count(*) FILTER (WHERE status = 'failed') AS failed, \
             count(*) FILTER (WHERE status = 'canceled') AS canceled, \
             avg(max(completed_at - started_at, 0) / 1e6) FILTER (WHERE status = 'completed') AS duration \
             FROM slate_build_jobs WHERE deleted_at IS NULL",
        );
        select.and_equal("project_id", project);
        let read = async {
            let Some(row) = select.row(&self.readers).await? else { return Ok(BuildStatistics::default()) };
            Ok(BuildStatistics {
                total: row.number("total")?,
                completed: row.number("completed")?,
                failed: row.number("failed")?,
                canceled: row.number("canceled")?,
                average_duration: row.maybe_real("duration")?,
            })
        };
        read.await.map_err(|error: Error| error.at(PLACE, "build_statistics"))
    }
}
