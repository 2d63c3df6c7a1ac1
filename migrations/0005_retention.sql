-- What stays of journals whose time was over: each row stands for a stretch of runs that were removed.
CREATE TABLE removed (
    first_run BIGINT PRIMARY KEY,
    last_run BIGINT NOT NULL,
    -- The hash of the last one's first event, which the next run's first event is chained to.
    hash TEXT NOT NULL,
    -- How many events there were.
    events BIGINT NOT NULL,
    -- When the newest of them was removed.
    removed_at BIGINT NOT NULL,
    -- Over all of it, by the installation's key.
    signature TEXT NOT NULL
);
