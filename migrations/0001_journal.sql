-- Times are microseconds since 1970 in UTC; flags are 0 and 1. Only what SQLite and PostgreSQL understand alike.

CREATE TABLE runs (
    id BIGINT PRIMARY KEY,
    environment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- The journal's newest event.
    head_seq BIGINT NOT NULL,
    head_hash TEXT NOT NULL,
    -- When the engine has something to do; null once the run has ended, and for rollbacks, which it does not drive.
    wake_at BIGINT,
    -- When checks were last made; kept here because a look that found nothing new is no event.
    polled_at BIGINT,
    -- Who drives the run, until when; the fence grows with every claim.
    lease_owner TEXT,
    lease_until BIGINT,
    fence BIGINT NOT NULL,
    -- 1 until the run has ended.
    live BIGINT NOT NULL,
    -- How far Slack knows the journal.
    projected_seq BIGINT NOT NULL
);
CREATE INDEX runs_wake ON runs (wake_at);
CREATE INDEX runs_live ON runs (live, id);

CREATE TABLE events (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- One row: the last run's number and the hash of its first event, which the next run's first event is chained to.
CREATE TABLE last_run (
    id BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO last_run (id, hash) VALUES (0, '');

CREATE TABLE locks (
    environment TEXT PRIMARY KEY,
    run_id BIGINT NOT NULL,
    since BIGINT NOT NULL
);

-- Requests are recorded here before they are acknowledged. The key is what makes a repeat the same request.
CREATE TABLE inbox (
    key TEXT PRIMARY KEY,
    received_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    -- The run that it became, if any.
    run_id BIGINT,
    done_at BIGINT
);
CREATE INDEX inbox_open ON inbox (done_at, received_at);

-- The messages of a run in Slack. Recorded before the post; without ts it is not known whether it was posted.
CREATE TABLE slack_messages (
    run_id BIGINT NOT NULL,
    key TEXT NOT NULL,
    channel TEXT NOT NULL,
    thread_ts TEXT,
    ts TEXT,
    digest TEXT NOT NULL,
    intended_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, key)
);
