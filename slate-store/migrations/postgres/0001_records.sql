-- The records of SLATE, with the names that the seeds give them.
--
-- Ids are UUIDv7 made by SLATE, so that they sort by the time they were made. Times are timestamptz: microseconds, as SLATE
-- counts them. Whole numbers are bigint throughout, so that a statement's parameters have one type whatever their value.
-- `updated_at` and `version` are set by the statements that write; there is no trigger to be surprised by. Foreign keys
-- keep a purge from removing what something points to; whether an owner is live is asked by the statement that inserts.
--
-- Where the seeds contradict themselves or leave gaps:
-- * seed 001 lists `deleted_at` for sessions and builds, seed 000's CREATE TABLE has none: every record has it.
-- * seed 002's `containers` are seed 000's `slate_runtime_sessions` seen from the engine: one table.
-- * seed 002's `users.containers TEXT[]`, `projects.containers TEXT[]` repeat what a query tells: dropped.
-- * seed 002's quota column `current_used JSON` can't be added to without a race: four counted columns.
-- * statuses were free text: CHECKs hold the words of the model.
-- * `runtime_metrics.id TEXT` for each sample: a number does.

CREATE TABLE slate_projects (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    name text NOT NULL,
    description text NOT NULL,
    owner_id text NOT NULL,
    settings jsonb NOT NULL
);
CREATE INDEX slate_projects_live ON slate_projects (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_projects_owner ON slate_projects (owner_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_projects_deleted ON slate_projects (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE slate_files (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    project_id uuid NOT NULL REFERENCES slate_projects (id),
    path text NOT NULL,
    -- Small text is kept here, anything else in the blob store under `blob`; one of the two.
    content text,
    blob text,
    size bigint NOT NULL CHECK (size >= 0),
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    mime_type text NOT NULL,
    encoding text NOT NULL CHECK (encoding IN ('utf-8', 'binary')),
    CHECK ((content IS NULL) <> (blob IS NULL))
);
CREATE UNIQUE INDEX slate_files_path ON slate_files (project_id, path) WHERE deleted_at IS NULL;
CREATE INDEX slate_files_live ON slate_files (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_files_project ON slate_files (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_files_deleted ON slate_files (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE slate_assets (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    project_id uuid NOT NULL REFERENCES slate_projects (id),
    file_id uuid REFERENCES slate_files (id),
    type text NOT NULL,
    metadata jsonb NOT NULL
);
CREATE INDEX slate_assets_live ON slate_assets (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_assets_project ON slate_assets (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_assets_file ON slate_assets (file_id);
CREATE INDEX slate_assets_deleted ON slate_assets (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE slate_runtime_sessions (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    project_id uuid NOT NULL REFERENCES slate_projects (id),
    user_id text NOT NULL,
    runtime_type text NOT NULL,
    status text NOT NULL
        CHECK (status IN ('creating', 'starting', 'running', 'stopping', 'stopped', 'failed', 'error')),
    stop_requested boolean NOT NULL,
    backend text NOT NULL,
    container_id text,
    container_config jsonb NOT NULL,
    started_at timestamptz,
    stopped_at timestamptz,
    error_message text,
    exit jsonb,
    restarts bigint NOT NULL CHECK (restarts >= 0),
    restart_requested boolean NOT NULL,
    starting_at timestamptz,
    reserved jsonb NOT NULL,
    metadata jsonb NOT NULL,
    lease_owner text,
    lease_until timestamptz,
    attempt bigint NOT NULL CHECK (attempt >= 0),
    -- How often a worker gave a job back because its service ended: such claims don't count among a job's tries.
    given_back bigint NOT NULL CHECK (given_back >= 0)
);
CREATE INDEX slate_runtime_sessions_live ON slate_runtime_sessions (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_runtime_sessions_project
    ON slate_runtime_sessions (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_runtime_sessions_user ON slate_runtime_sessions (user_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_runtime_sessions_active ON slate_runtime_sessions (created_at, id)
    WHERE deleted_at IS NULL AND status IN ('creating', 'starting', 'running', 'stopping');
CREATE INDEX slate_runtime_sessions_deleted ON slate_runtime_sessions (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE slate_build_jobs (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    project_id uuid NOT NULL REFERENCES slate_projects (id),
    user_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'canceled')),
    build_type text NOT NULL,
    target_platform text NOT NULL,
    options jsonb NOT NULL,
    source_commit text,
    output_path text,
    error_message text,
    stage text,
    progress bigint NOT NULL CHECK (progress BETWEEN 0 AND 100),
    artifacts jsonb NOT NULL,
    cancel_requested boolean NOT NULL,
    not_before timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    metadata jsonb NOT NULL,
    lease_owner text,
    lease_until timestamptz,
    attempt bigint NOT NULL CHECK (attempt >= 0),
    -- How often a worker gave a job back because its service ended: such claims don't count among a job's tries.
    given_back bigint NOT NULL CHECK (given_back >= 0)
);
CREATE INDEX slate_build_jobs_live ON slate_build_jobs (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_build_jobs_project ON slate_build_jobs (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_build_jobs_active ON slate_build_jobs (created_at, id)
    WHERE deleted_at IS NULL AND status IN ('queued', 'running');
CREATE INDEX slate_build_jobs_deleted ON slate_build_jobs (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE slate_asset_jobs (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    asset_id uuid NOT NULL REFERENCES slate_assets (id),
    project_id uuid NOT NULL REFERENCES slate_projects (id),
    user_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'canceled')),
    options jsonb NOT NULL,
    progress bigint NOT NULL CHECK (progress BETWEEN 0 AND 100),
    output jsonb,
    error_message text,
    cancel_requested boolean NOT NULL,
    not_before timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    lease_owner text,
    lease_until timestamptz,
    attempt bigint NOT NULL CHECK (attempt >= 0),
    -- How often a worker gave a job back because its service ended: such claims don't count among a job's tries.
    given_back bigint NOT NULL CHECK (given_back >= 0)
);
CREATE INDEX slate_asset_jobs_live ON slate_asset_jobs (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_asset_jobs_project ON slate_asset_jobs (project_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_asset_jobs_asset ON slate_asset_jobs (asset_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_asset_jobs_active ON slate_asset_jobs (created_at, id)
    WHERE deleted_at IS NULL AND status IN ('queued', 'running');
CREATE INDEX slate_asset_jobs_deleted ON slate_asset_jobs (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE slate_container_templates (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    name text NOT NULL,
    description text NOT NULL,
    category text NOT NULL,
    tags jsonb NOT NULL,
    -- The seed's separate `image` column is `config`'s image.
    config jsonb NOT NULL,
    is_public boolean NOT NULL,
    created_by text NOT NULL
);
CREATE UNIQUE INDEX slate_container_templates_name
    ON slate_container_templates (created_by, name) WHERE deleted_at IS NULL;
CREATE INDEX slate_container_templates_live ON slate_container_templates (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_container_templates_deleted ON slate_container_templates (deleted_at) WHERE deleted_at IS NOT NULL;
