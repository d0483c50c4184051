use crate::common::{
    Columns, Dialect, Kind, Statement, Value,
    table::{Table, read_lease},
};
use slate_core::{
    AssetId, AssetJobId, FileId, ProjectId, Result,
    model::{Asset, AssetJob, AssetJobStatus, Lease, Revision},
    store::{AssetJobQuery, AssetQuery},
};

impl Table for Asset {
    const NAME: &'static str = "slate_assets";
    const COLUMNS: &'static [(&'static str, Kind)] =
        &[("project_id", Kind::Id), ("file_id", Kind::Id), ("type", Kind::Text), ("metadata", Kind::Json)];
    const OWNERS: &'static [(&'static str, &'static str)] = &[("project_id", "slate_projects")];
    const REFERENCE: Option<(&'static str, &'static str)> = Some(("file_id", "slate_files"));
    type Query = AssetQuery;

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![self.project_id.into(), self.file_id.into(), Value::text(self.kind), Value::json(&self.metadata)?])
    }

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", AssetId::from_u128)?,
            project_id: row.id("project_id", ProjectId::from_u128)?,
            file_id: row.maybe_id("file_id", FileId::from_u128)?,
            kind: row.parse("type")?,
            metadata: row.json("metadata")?,
            revision,
        })
    }

    fn conditions<D: Dialect>(query: AssetQuery, list: &mut Statement<D>) {
        list.and_equal("project_id", query.project).and_equal("type", query.kind.map(Value::text));
    }
}

impl Table for AssetJob {
    const NAME: &'static str = "slate_asset_jobs";
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("asset_id", Kind::Id),
        ("project_id", Kind::Id),
        ("user_id", Kind::Text),
        ("status", Kind::Text),
        ("options", Kind::Json),
        ("progress", Kind::Int),
        ("output", Kind::Json),
        ("error_message", Kind::Text),
        ("cancel_requested", Kind::Flag),
        ("not_before", Kind::Time),
        ("started_at", Kind::Time),
        ("completed_at", Kind::Time),
    ];
    const OWNERS: &'static [(&'static str, &'static str)] =
        &[("project_id", "slate_projects"), ("asset_id", "slate_assets")];
    const LEASED: bool = true;
    type Query = AssetJobQuery;

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

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
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
            lease: read_lease(row)?,
            revision,
        })
    }

    fn conditions<D: Dialect>(query: AssetJobQuery, list: &mut Statement<D>) {
        list.and_equal("project_id", query.project).and_equal("asset_id", query.asset).and_in("status", query.status);
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    fn ends_lease(&self) -> bool {
        self.status.is_final() || self.status == AssetJobStatus::Queued
    }
}
