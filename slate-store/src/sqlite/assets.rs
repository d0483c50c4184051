use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Statement, Value},
    table::{self, Table},
};
use async_trait::async_trait;
use slate_core::{
    AssetId, AssetJobId, FileId, ProjectId, Result,
    model::{Asset, AssetJob, AssetJobStatus, Lease, Revision},
    store::{AssetJobQuery, AssetQuery, AssetStore, Page, PageRequest},
};

impl Table for Asset {
    const NAME: &'static str = "slate_assets";
    const COLUMNS: &'static [&'static str] = &["project_id", "file_id", "type", "metadata"];
    const OWNERS: &'static [(&'static str, &'static str)] = &[("project_id", "slate_projects")];
    const REFERENCE: Option<(&'static str, &'static str)> = Some(("file_id", "slate_files"));

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![self.project_id.into(), self.file_id.into(), Value::text(self.kind), Value::json(&self.metadata)?])
    }

    fn read(row: &Columns<'_>, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", AssetId::from_u128)?,
            project_id: row.id("project_id", ProjectId::from_u128)?,
            file_id: row.maybe_id("file_id", FileId::from_u128)?,
            kind: row.parse("type")?,
            metadata: row.json("metadata")?,
            revision,
        })
    }
}

impl Table for AssetJob {
    const NAME: &'static str = "slate_asset_jobs";
    const COLUMNS: &'static [&'static str] = &[
        "asset_id",
        "project_id",
        "user_id",
        "status",
        "options",
        "progress",
        "output",
        "error_message",
        "cancel_requested",
        "not_before",
        "started_at",
        "completed_at",
    ];
    const OWNERS: &'static [(&'static str, &'static str)] =
        &[("project_id", "slate_projects"), ("asset_id", "slate_assets")];

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![
            self.asset_id.into(),
            self.project_id.into(),
            Value::text(&self.user_id),
            Value::text(self.status),
            Value::json(&self.options)?,
            Value::Int(self.progress.into()),
            self.output.as_ref().map(Value::json).transpose()?.unwrap_or(Value::Null),
            self.error_message.as_deref().into(),
            self.cancel_requested.into(),
            self.not_before.into(),
            self.started_at.into(),
            self.completed_at.into(),
        ])
    }

    fn read(row: &Columns<'_>, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", AssetJobId::from_u128)?,
            asset_id: row.id("asset_id", AssetId::from_u128)?,
            project_id: row.id("project_id", ProjectId::from_u128)?,
            user_id: row.parse("user_id")?,
            status: row.parse("status")?,
            options: row.json("options")?,
            progress: row.number("progress")?,
            output: row.maybe_json("output")?,
            error_message: row.maybe_text("error_message")?,
            cancel_requested: row.flag("cancel_requested")?,
            not_before: row.maybe_time("not_before")?,
            started_at: row.maybe_time("started_at")?,
            completed_at: row.maybe_time("completed_at")?,
            lease: table::read_lease(row)?,
            revision,
        })
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    fn ends_lease(&self) -> bool {
        self.status.is_final() || self.status == AssetJobStatus::Queued
    }
}

#[async_trait]
impl AssetStore for SqliteStore {
    async fn asset(&self, id: AssetId) -> Result<Asset> {
        table::get(&self.readers, id).await.map_err(|error| error.with("asset", id).at(PLACE, "asset"))
    }

    async fn assets(&self, query: AssetQuery, page: PageRequest) -> Result<Page<Asset>> {
        let conditions = |list: &mut Statement| {
            list.and_equal("project_id", query.project).and_equal("type", query.kind.map(Value::text));
        };
        table::list(&self.readers, &page, conditions).await.map_err(|error| error.at(PLACE, "assets"))
    }

    async fn asset_job(&self, id: AssetJobId) -> Result<AssetJob> {
        table::get(&self.readers, id).await.map_err(|error| error.with("job", id).at(PLACE, "asset_job"))
    }

    async fn asset_jobs(&self, query: AssetJobQuery, page: PageRequest) -> Result<Page<AssetJob>> {
        let conditions = |list: &mut Statement| {
            list.and_equal("project_id", query.project)
                .and_equal("asset_id", query.asset)
                .and_in("status", query.status);
        };
        table::list(&self.readers, &page, conditions).await.map_err(|error| error.at(PLACE, "asset_jobs"))
    }
}
