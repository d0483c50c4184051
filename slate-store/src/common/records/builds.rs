use crate::common::{
    Columns, Dialect, Kind, Statement, Value,
    table::{Table, read_lease},
};
use slate_core::{
    BuildId, ProjectId, Result,
    model::{BuildJob, BuildStatus, Lease, Revision, Stage},
    store::BuildQuery,
};

impl Table for BuildJob {
    const NAME: &'static str = "slate_build_jobs";
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("project_id", Kind::Id),
        ("user_id", Kind::Text),
        ("status", Kind::Text),
        ("build_type", Kind::Text),
        ("target_platform", Kind::Text),
        ("options", Kind::Json),
        ("source_commit", Kind::Text),
        ("output_path", Kind::Text),
        ("error_message", Kind::Text),
        ("stage", Kind::Text),
        ("progress", Kind::Int),
        ("artifacts", Kind::Json),
        ("cancel_requested", Kind::Flag),
        ("not_before", Kind::Time),
        ("started_at", Kind::Time),
        ("completed_at", Kind::Time),
        ("metadata", Kind::Json),
    ];
    const OWNERS: &'static [(&'static str, &'static str)] = &[("project_id", "slate_projects")];
    const LEASED: bool = true;
    type Query = BuildQuery;

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

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
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
            lease: read_lease(row)?,
            revision,
        })
    }

    fn conditions<D: Dialect>(query: BuildQuery, list: &mut Statement<D>) {
        list.and_equal("project_id", query.project)
            .and_equal("user_id", query.user.map(Value::text))
            .and_equal("target_platform", query.platform.map(Value::text))
            .and_in("status", query.status);
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    fn ends_lease(&self) -> bool {
        self.status.is_final() || self.status == BuildStatus::Queued
    }
}
