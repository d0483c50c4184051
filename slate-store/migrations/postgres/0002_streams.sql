-- What is appended, counted and handed on.

-- One table for the lines of sessions, builds and asset jobs. No foreign key: lines may come before their record, and
-- checking each would cost more than writing it.
--
-- A line must be stored once for each (source, seq), however often and however late it is brought: after a crash a session's
-- output is read again from its start, under new ids and new times. A unique key on a partitioned table must hold the
-- partition's column, so time of writing won't do: the same line may come in another month. Therefore lines are partitioned
-- by the time at which their *source* was made, which its UUIDv7 carries in its first 48 bits: all lines of one source are in
-- one partition, where a plain unique index holds for good. A query about a source reads one partition; retention drops a
-- partition when its last line is old enough. Sources whose ids are no UUIDv7 are in the DEFAULT partition, which is
-- purged row by row. Of ids alone, uniqueness is by source too: an id names one line, and SLATE never gives it to two.
CREATE TABLE slate_runtime_logs (
    id uuid NOT NULL,
    source_kind text NOT NULL CHECK (source_kind IN ('session', 'build', 'asset')),
    source_id uuid NOT NULL,
    seq bigint CHECK (seq >= 0),
    level text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    message text NOT NULL,
    timestamp timestamptz NOT NULL,
    metadata jsonb NOT NULL,
    PRIMARY KEY (source_id, id)
) PARTITION BY RANGE (source_id);
CREATE UNIQUE INDEX slate_runtime_logs_seq ON slate_runtime_logs (source_id, seq, source_kind) WHERE seq IS NOT NULL;
-- Listing all lines goes by id, which grows with time; that of lines by time takes a BRIN, which costs nearly nothing to keep.
CREATE INDEX slate_runtime_logs_id ON slate_runtime_logs (id);
CREATE INDEX slate_runtime_logs_age ON slate_runtime_logs USING brin (timestamp);
CREATE TABLE slate_runtime_logs_rest PARTITION OF slate_runtime_logs DEFAULT;

CREATE TABLE slate_runtime_metrics (
    id bigint GENERATED ALWAYS AS IDENTITY,
    session_id uuid,
    metric_type text NOT NULL,
    value double precision NOT NULL,
    unit text NOT NULL,
    timestamp timestamptz NOT NULL,
    PRIMARY KEY (timestamp, id)
) PARTITION BY RANGE (timestamp);
CREATE INDEX slate_runtime_metrics_session ON slate_runtime_metrics (session_id, metric_type, timestamp, id);
CREATE TABLE slate_runtime_metrics_rest PARTITION OF slate_runtime_metrics DEFAULT;

-- Samples by the hour, kept when the samples themselves are gone. No session is the nil UUID: a key may not be NULL.
CREATE TABLE slate_metric_rollups (
    session_id uuid NOT NULL,
    metric_type text NOT NULL,
    start timestamptz NOT NULL,
    count bigint NOT NULL CHECK (count > 0),
    sum double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    PRIMARY KEY (start, session_id, metric_type)
);

CREATE TABLE slate_user_quotas (
    user_id text PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    max_containers bigint NOT NULL CHECK (max_containers >= 0),
    max_memory bigint NOT NULL CHECK (max_memory >= 0),
    max_cpu_millis bigint NOT NULL CHECK (max_cpu_millis >= 0),
    max_storage bigint NOT NULL CHECK (max_storage >= 0),
    used_containers bigint NOT NULL CHECK (used_containers >= 0),
    used_memory bigint NOT NULL CHECK (used_memory >= 0),
    used_cpu_millis bigint NOT NULL CHECK (used_cpu_millis >= 0),
    used_storage bigint NOT NULL CHECK (used_storage >= 0)
);

CREATE TABLE slate_audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    user_id text,
    action text NOT NULL,
    target text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
    detail jsonb NOT NULL
);
CREATE INDEX slate_audit_age ON slate_audit (at, id);
CREATE INDEX slate_audit_user ON slate_audit (user_id, at, id);
CREATE INDEX slate_audit_target ON slate_audit (target, at, id);

CREATE TABLE slate_analytics (
    bucket timestamptz NOT NULL,
    -- Listed in this order, which must be the same wherever the database was made.
    name text COLLATE "C" NOT NULL,
    label text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (bucket, name, label)
);

-- `seq` is given when a row is written, not when it is committed: a slower transaction may commit a lower one later. Whoever
-- reads on from a `seq` must therefore wait for the writers that are under way; see `events.rs`. Events of one aggregate are
-- written after its row was locked, so for these the order of `seq` is the order of their versions.
CREATE TABLE slate_outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    payload jsonb NOT NULL,
    aggregate text,
    aggregate_version bigint,
    headers jsonb NOT NULL,
    at timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX slate_outbox_waiting ON slate_outbox (seq) WHERE published_at IS NULL;
CREATE INDEX slate_outbox_aggregate ON slate_outbox (aggregate, seq) WHERE aggregate IS NOT NULL;
CREATE INDEX slate_outbox_published ON slate_outbox (at) WHERE published_at IS NOT NULL;

CREATE TABLE slate_idempotency (
    scope text NOT NULL,
    key text NOT NULL,
    request text NOT NULL CHECK (length(request) = 64),
    result jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX slate_idempotency_age ON slate_idempotency (created_at);

-- A row stays when the lease is given up, for its term: the next one must be greater.
CREATE TABLE slate_leases (
    name text PRIMARY KEY,
    worker text,
    until timestamptz,
    term bigint NOT NULL CHECK (term >= 1)
);
