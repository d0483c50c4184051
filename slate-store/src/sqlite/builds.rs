use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Statement, Value},
    table::{self, Table},
};
use async_trait::async_trait;
use slate_core::{
    BuildId, ProjectId, Result,
    model::{BuildJob, BuildStatistics, BuildStatus, Lease, Revision, Stage},
    store::{BuildQuery, BuildStore, Page, PageRequest},
};
use sqlx::Row;

impl Table for BuildJob {
    const NAME: &'static str = "slate_build_jobs";
    const COLUMNS: &'static [&'static str] = &[
        "project_id",
        "user_id",
        "status",
        "build_type",
        "target_platform",
        "options",
        "source_commit",
        "output_path",
        "error_message",
        "stage",
        "progress",
        "artifacts",
        "cancel_requested",
        "not_before",
        "started_at",
        "completed_at",
        "metadata",
    ];
    const OWNERS: &'static [(&'static str, &'static str)] = &[("project_id", "slate_projects")];

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![
            self.project_id.into(),
            Value::text(&self.user_id),
            Value::text(self.status),
            Value::text(self.build_type),
            Value::text(self.target_platform),
            Value::json(&self.options)?,
            self.source_commit.as_deref().into(),
            self.output_path.as_deref().into(),
            self.error_message.as_deref().into(),
            self.stage.map(Stage::as_str).into(),
            Value::Int(self.progress.into()),
            Value::json(&self.artifacts)?,
            self.cancel_requested.into(),
            self.not_before.into(),
            self.started_at.into(),
            self.completed_at.into(),
            Value::json(&self.metadata)?,
        ])
    }

    fn read(row: &Columns<'_>, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", BuildId::from_u128)?,
            project_id: row.id("project_id", ProjectId::from_u128)?,
            user_id: row.parse("user_id")?,
            status: row.parse("status")?,
            build_type: row.parse("build_type")?,
            target_platform: row.parse("target_platform")?,
            options: row.json("options")?,
            source_commit: row.maybe_text("source_commit")?,
            output_path: row.maybe_text("output_path")?,
            error_message: row.maybe_text("error_message")?,
            stage: row.maybe_parse("stage")?,
            progress: row.number("progress")?,
            artifacts: row.json("artifacts")?,
            cancel_requested: row.flag("cancel_requested")?,
            not_before: row.maybe_time("not_before")?,
            started_at: row.maybe_time("started_at")?,
            completed_at: row.maybe_time("completed_at")?,
            metadata: row.json("metadata")?,
            lease: table::read_lease(row)?,
            revision,
        })
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    fn ends_lease(&self) -> bool {
        self.status.is_final() || self.status == BuildStatus::Queued
    }
}

#[async_trait]
impl BuildStore for SqliteStore {
    async fn build(&self, id: BuildId) -> Result<BuildJob> {
        table::get(&self.readers, id).await.map_err(|error| error.with("build", id).at(PLACE, "build"))
    }

    async fn builds(&self, query: BuildQuery, page: PageRequest) -> Result<Page<BuildJob>> {
        let conditions = |list: &mut Statement| {
            list.and_equal("project_id", query.project)
                .and_equal("user_id", query.user.map(Value::text))
                .and_equal("target_platform", query.platform.map(Value::text))
                .and_in("status", query.status);
        };
        table::list(&self.readers, &page, conditions).await.map_err(|error| error.at(PLACE, "builds"))
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
        let read = async {
            let row = select.and_equal("project_id", project).row(&self.readers).await?;
            let Some(row) = row else { return Ok(BuildStatistics::default()) };
            let columns = Columns(&row);
            Ok(BuildStatistics {
                total: columns.number("total")?,
                completed: columns.number("completed")?,
                failed: columns.number("failed")?,
                canceled: columns.number("canceled")?,
                average_duration: row.try_get("duration").map_err(super::error::failed)?,
            })
        };
        read.await.map_err(|error: slate_core::Error| error.at(PLACE, "build_statistics"))
    }
}
