-- The records of SLATE, with the names that the seeds give them.
--
-- Ids are UUIDv7 as 16-byte BLOBs: a third of the text's size in every index, and compared byte by byte they sort by the
-- time they were made. `hex(id)` shows them. Times are INTEGER microseconds since 1970-01-01T00:00:00Z, JSON is TEXT.
-- `updated_at` and `version` are set by the statements that write; there is no trigger to be surprised by.
--
-- Where the seeds contradict themselves or leave gaps:
-- * seed 001 lists `deleted_at` for sessions and builds, seed 000's CREATE TABLE has none: every record has it.
-- * seed 002's `containers` are seed 000's `slate_runtime_sessions` seen from the engine: one table.
-- * seed 002's `users.containers TEXT[]`, `projects.containers TEXT[]` repeat what a query tells: dropped.
-- * seed 002's quota column `current_used JSON` can't be added to without a race: four counted columns.
-- * statuses were free text: CHECKs hold the words of the model.
-- * `runtime_metrics.id TEXT` for each sample: a row number does.

CREATE TABLE slate_projects (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    settings TEXT NOT NULL CHECK (json_valid(settings))
) STRICT;
CREATE INDEX slate_projects_live ON slate_projects (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_projects_owner ON slate_projects (owner_id, created_at, id) WHERE deleted_at IS NULL;

CREATE TABLE slate_files (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    project_id BLOB NOT NULL REFERENCES slate_projects (id),
    path TEXT NOT NULL,
    -- Small text is kept here, anything else in the blob store under `blob`; one of the two.
    content TEXT,
    blob TEXT,
    size INTEGER NOT NULL CHECK (size >= 0),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    mime_type TEXT NOT NULL,
    encoding TEXT NOT NULL CHECK (encoding IN ('utf-8', 'binary')),
    CHECK ((content IS NULL) <> (blob IS NULL))
) STRICT;
CREATE UNIQUE INDEX slate_files_path ON slate_files (project_id, path) WHERE deleted_at IS NULL;
CREATE INDEX slate_files_live ON slate_files (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_files_project ON slate_files (project_id, created_at, id) WHERE deleted_at IS NULL;

CREATE TABLE slate_assets (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    project_id BLOB NOT NULL REFERENCES slate_projects (id),
    file_id BLOB REFERENCES slate_files (id),
    type TEXT NOT NULL,
    metadata TEXT NOT NULL CHECK (json_valid(metadata))
) STRICT;
CREATE INDEX slate_assets_live ON slate_assets (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_assets_project ON slate_assets (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_assets_file ON slate_assets (file_id);

CREATE TABLE slate_runtime_sessions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    project_id BLOB NOT NULL REFERENCES slate_projects (id),
    user_id TEXT NOT NULL,
    runtime_type TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('creating', 'starting', 'running', 'stopping', 'stopped', 'failed', 'error')),
    stop_requested INTEGER NOT NULL CHECK (stop_requested IN (0, 1)),
    backend TEXT NOT NULL,
    container_id TEXT,
    container_config TEXT NOT NULL CHECK (json_valid(container_config)),
    started_at INTEGER,
    stopped_at INTEGER,
    error_message TEXT,
    exit TEXT CHECK (exit IS NULL OR json_valid(exit)),
    restarts INTEGER NOT NULL CHECK (restarts >= 0),
    restart_requested INTEGER NOT NULL CHECK (restart_requested IN (0, 1)),
    starting_at INTEGER,
    reserved TEXT NOT NULL CHECK (json_valid(reserved)),
    metadata TEXT NOT NULL CHECK (json_valid(metadata)),
    lease_owner TEXT,
    lease_until INTEGER,
    attempt INTEGER NOT NULL CHECK (attempt >= 0)
) STRICT;
CREATE INDEX slate_runtime_sessions_live ON slate_runtime_sessions (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_runtime_sessions_project
    ON slate_runtime_sessions (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_runtime_sessions_user ON slate_runtime_sessions (user_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_runtime_sessions_active ON slate_runtime_sessions (created_at, id)
    WHERE deleted_at IS NULL AND status IN ('creating', 'starting', 'running', 'stopping');

CREATE TABLE slate_build_jobs (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    project_id BLOB NOT NULL REFERENCES slate_projects (id),
    user_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'canceled')),
    build_type TEXT NOT NULL,
    target_platform TEXT NOT NULL,
    options TEXT NOT NULL CHECK (json_valid(options)),
    source_commit TEXT,
    output_path TEXT,
    error_message TEXT,
    stage TEXT,
    progress INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),
    artifacts TEXT NOT NULL CHECK (json_valid(artifacts)),
    cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
    not_before INTEGER,
    started_at INTEGER,
    completed_at INTEGER,
    metadata TEXT NOT NULL CHECK (json_valid(metadata)),
    lease_owner TEXT,
    lease_until INTEGER,
    attempt INTEGER NOT NULL CHECK (attempt >= 0)
) STRICT;
CREATE INDEX slate_build_jobs_live ON slate_build_jobs (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_build_jobs_project ON slate_build_jobs (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_build_jobs_active ON slate_build_jobs (created_at, id)
    WHERE deleted_at IS NULL AND status IN ('queued', 'running');

CREATE TABLE slate_asset_jobs (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    asset_id BLOB NOT NULL REFERENCES slate_assets (id),
    project_id BLOB NOT NULL REFERENCES slate_projects (id),
    user_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'canceled')),
    options TEXT NOT NULL CHECK (json_valid(options)),
    progress INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),
    output TEXT CHECK (output IS NULL OR json_valid(output)),
    error_message TEXT,
    cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
    not_before INTEGER,
    started_at INTEGER,
    completed_at INTEGER,
    lease_owner TEXT,
    lease_until INTEGER,
    attempt INTEGER NOT NULL CHECK (attempt >= 0)
) STRICT;
CREATE INDEX slate_asset_jobs_live ON slate_asset_jobs (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_asset_jobs_project ON slate_asset_jobs (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_asset_jobs_asset ON slate_asset_jobs (asset_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_asset_jobs_active ON slate_asset_jobs (created_at, id)
    WHERE deleted_at IS NULL AND status IN ('queued', 'running');

CREATE TABLE slate_container_templates (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    tags TEXT NOT NULL CHECK (json_valid(tags)),
    -- The seed's separate `image` column is `config`'s image.
    config TEXT NOT NULL CHECK (json_valid(config)),
    is_public INTEGER NOT NULL CHECK (is_public IN (0, 1)),
    created_by TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX slate_container_templates_name
    ON slate_container_templates (created_by, name) WHERE deleted_at IS NULL;
CREATE INDEX slate_container_templates_live ON slate_container_templates (created_at, id) WHERE deleted_at IS NULL;
