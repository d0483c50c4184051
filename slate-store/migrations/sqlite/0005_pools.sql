-- The members of warm pools.

CREATE TABLE slate_pool_members (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    pool TEXT NOT NULL,
    spec_hash TEXT NOT NULL,
    backend TEXT NOT NULL,
    instance_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('warming', 'ready', 'claimed', 'quarantined', 'draining', 'gone')),
    owner TEXT,
    session_id BLOB CHECK (length(session_id) = 16),
    claim_key TEXT,
    ready_at INTEGER,
    claimed_at INTEGER,
    reason TEXT
) STRICT;

-- What is claimed from, those that have waited longest first.
CREATE INDEX slate_pool_members_ready ON slate_pool_members (pool, spec_hash, ready_at, id)
    WHERE deleted_at IS NULL AND state = 'ready';
-- Makes claiming twice as good as once.
CREATE UNIQUE INDEX slate_pool_members_claim ON slate_pool_members (claim_key)
    WHERE deleted_at IS NULL AND state = 'claimed';
CREATE INDEX slate_pool_members_session ON slate_pool_members (session_id)
    WHERE deleted_at IS NULL AND session_id IS NOT NULL;
CREATE INDEX slate_pool_members_live ON slate_pool_members (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX slate_pool_members_deleted ON slate_pool_members (deleted_at) WHERE deleted_at IS NOT NULL;
