-- What is appended, counted and handed on.

-- One table for the lines of sessions, builds and asset jobs. No foreign key: lines may come before their record, and
-- checking each would cost more than writing it.
CREATE TABLE slate_runtime_logs (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    source_kind TEXT NOT NULL CHECK (source_kind IN ('session', 'build', 'asset')),
    source_id BLOB NOT NULL CHECK (length(source_id) = 16),
    seq INTEGER CHECK (seq >= 0),
    level TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    message TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    metadata TEXT NOT NULL CHECK (json_valid(metadata))
) STRICT, WITHOUT ROWID;
CREATE INDEX slate_runtime_logs_source ON slate_runtime_logs (source_kind, source_id, id);
CREATE UNIQUE INDEX slate_runtime_logs_seq ON slate_runtime_logs (source_kind, source_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX slate_runtime_logs_age ON slate_runtime_logs (timestamp, id);

CREATE TABLE slate_runtime_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id BLOB,
    metric_type TEXT NOT NULL,
    value REAL NOT NULL,
    unit TEXT NOT NULL,
    timestamp INTEGER NOT NULL
) STRICT;
CREATE INDEX slate_runtime_metrics_age ON slate_runtime_metrics (timestamp, id);
CREATE INDEX slate_runtime_metrics_session ON slate_runtime_metrics (session_id, metric_type, timestamp, id);

CREATE TABLE slate_user_quotas (
    user_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    max_containers INTEGER NOT NULL CHECK (max_containers >= 0),
    max_memory INTEGER NOT NULL CHECK (max_memory >= 0),
    max_cpu_millis INTEGER NOT NULL CHECK (max_cpu_millis >= 0),
    max_storage INTEGER NOT NULL CHECK (max_storage >= 0),
    used_containers INTEGER NOT NULL CHECK (used_containers >= 0),
    used_memory INTEGER NOT NULL CHECK (used_memory >= 0),
    used_cpu_millis INTEGER NOT NULL CHECK (used_cpu_millis >= 0),
    used_storage INTEGER NOT NULL CHECK (used_storage >= 0)
) STRICT;

CREATE TABLE slate_audit (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at INTEGER NOT NULL,
    user_id TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
    detail TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;
CREATE INDEX slate_audit_age ON slate_audit (at, id);
CREATE INDEX slate_audit_user ON slate_audit (user_id, at, id);
CREATE INDEX slate_audit_target ON slate_audit (target, at, id);

CREATE TABLE slate_analytics (
    bucket INTEGER NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (bucket, name, label)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a `seq` must never be given twice, not even after a purge, or whoever reads on from one would miss events.
CREATE TABLE slate_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    subject TEXT NOT NULL,
    payload TEXT NOT NULL CHECK (json_valid(payload)),
    aggregate TEXT,
    aggregate_version INTEGER,
    headers TEXT NOT NULL CHECK (json_valid(headers)),
    at INTEGER NOT NULL,
    published_at INTEGER
) STRICT;
CREATE INDEX slate_outbox_waiting ON slate_outbox (seq) WHERE published_at IS NULL;
CREATE INDEX slate_outbox_aggregate ON slate_outbox (aggregate, seq) WHERE aggregate IS NOT NULL;

CREATE TABLE slate_idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL CHECK (length(request) = 64),
    result TEXT NOT NULL CHECK (json_valid(result)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE slate_leases (
    name TEXT NOT NULL PRIMARY KEY,
    worker TEXT,
    until INTEGER,
    term INTEGER NOT NULL CHECK (term >= 1)
) STRICT;
