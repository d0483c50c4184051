-- The members of warm pools.

CREATE TABLE slate_pool_members (
    id uuid PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    pool text NOT NULL,
    spec_hash text NOT NULL,
    backend text NOT NULL,
    instance_id text,
    state text NOT NULL CHECK (state IN ('warming', 'ready', 'claimed', 'quarantined', 'draining', 'gone')),
    owner text,
    session_id uuid,
    claim_key text,
    ready_at timestamptz,
    claimed_at timestamptz,
    reason text
);

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
