-- What tidying up needs: samples summed up by the hour, kept when the samples themselves are gone, and a quick way to what is
-- old. No session is the nil UUID: a key may not be NULL.

CREATE TABLE slate_metric_rollups (
    session_id BLOB NOT NULL CHECK (length(session_id) = 16),
    metric_type TEXT NOT NULL,
    start INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    sum REAL NOT NULL,
    min REAL NOT NULL,
    max REAL NOT NULL,
    PRIMARY KEY (start, session_id, metric_type)
) STRICT, WITHOUT ROWID;

CREATE INDEX slate_projects_deleted ON slate_projects (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX slate_files_deleted ON slate_files (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX slate_assets_deleted ON slate_assets (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX slate_runtime_sessions_deleted ON slate_runtime_sessions (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX slate_build_jobs_deleted ON slate_build_jobs (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX slate_asset_jobs_deleted ON slate_asset_jobs (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX slate_container_templates_deleted ON slate_container_templates (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX slate_outbox_published ON slate_outbox (at) WHERE published_at IS NOT NULL;
CREATE INDEX slate_idempotency_age ON slate_idempotency (created_at);
