-- The processes that share the database. A process renews its row; once the time in it has passed, by the database's own
-- clock, another may delete it. What bears a name without a row is anybody's to take.
CREATE TABLE replicas (
    name TEXT PRIMARY KEY,
    until BIGINT NOT NULL
);

-- A run lives on one process, `lease_owner`, for as long as that one is alive; this says whether it is at work on the run
-- right now.
ALTER TABLE runs ADD COLUMN driven BIGINT NOT NULL DEFAULT 0;

-- What one process does for all: `telling` is the one that speaks to Slack.
CREATE TABLE duties (
    duty TEXT PRIMARY KEY,
    owner TEXT NOT NULL
);

-- Who works on the request; null for those of before.
ALTER TABLE inbox ADD COLUMN owner TEXT;
