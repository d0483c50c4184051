use crate::common::{
    Columns, Dialect, Kind, Statement, Value,
    table::{Table, read_lease},
};
use slate_core::{
    InstanceId, ProjectId, Result, SessionId,
    model::{Lease, Revision, RuntimeSession},
    store::SessionQuery,
};

impl Table for RuntimeSession {
    const NAME: &'static str = "slate_runtime_sessions";
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("project_id", Kind::Id),
        ("user_id", Kind::Text),
        ("runtime_type", Kind::Text),
        ("status", Kind::Text),
        ("stop_requested", Kind::Flag),
        ("backend", Kind::Text),
        ("container_id", Kind::Text),
        ("container_config", Kind::Json),
        ("started_at", Kind::Time),
        ("stopped_at", Kind::Time),
        ("error_message", Kind::Text),
        ("exit", Kind::Json),
        ("restarts", Kind::Int),
        ("restart_requested", Kind::Flag),
        ("starting_at", Kind::Time),
        ("reserved", Kind::Json),
        ("metadata", Kind::Json),
    ];
    const OWNERS: &'static [(&'static str, &'static str)] = &[("project_id", "slate_projects")];
    const LEASED: bool = true;
    type Query = SessionQuery;

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
            Value::text(self.runtime_type),
            Value::text(self.status),
            self.stop_requested.into(),
            Value::text(&self.backend),
            self.container_id.as_ref().map(InstanceId::as_str).into(),
            Value::json(&self.container_config)?,
            self.started_at.into(),
            self.stopped_at.into(),
            self.error_message.as_deref().into(),
            self.exit.as_ref().map(Value::json).transpose()?.unwrap_or(Value::Null),
            Value::Int(self.restarts.into()),
            self.restart_requested.into(),
            self.starting_at.into(),
            Value::json(&self.reserved)?,
            Value::json(&self.metadata)?,
        ])
    }

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", SessionId::from_u128)?,
            project_id: row.id("project_id", ProjectId::from_u128)?,
            user_id: row.parse("user_id")?,
            runtime_type: row.parse("runtime_type")?,
            status: row.parse("status")?,
            stop_requested: row.flag("stop_requested")?,
            backend: row.text("backend")?,
            container_id: row.maybe_parse("container_id")?,
            container_config: row.json("container_config")?,
            started_at: row.maybe_time("started_at")?,
            stopped_at: row.maybe_time("stopped_at")?,
            error_message: row.maybe_text("error_message")?,
            exit: row.maybe_json("exit")?,
            restarts: row.number("restarts")?,
            restart_requested: row.flag("restart_requested")?,
            starting_at: row.maybe_time("starting_at")?,
            reserved: row.json("reserved")?,
            metadata: row.json("metadata")?,
            lease: read_lease(row)?,
            revision,
        })
    }

    fn conditions<D: Dialect>(query: SessionQuery, list: &mut Statement<D>) {
        list.and_equal("project_id", query.project)
            .and_equal("user_id", query.user.map(Value::text))
            .and_in("status", query.status);
    }

    fn lease(&self) -> Option<&Lease> {
        Some(&self.lease)
    }

    fn ends_lease(&self) -> bool {
        self.status.is_final()
    }
}
