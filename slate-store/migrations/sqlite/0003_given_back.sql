-- How often a worker gave a job back because its service ended: such claims don't count among a job's tries.

ALTER TABLE slate_runtime_sessions ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0 CHECK (given_back >= 0);
ALTER TABLE slate_build_jobs ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0 CHECK (given_back >= 0);
ALTER TABLE slate_asset_jobs ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0 CHECK (given_back >= 0);
