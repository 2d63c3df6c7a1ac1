-- Environments that a person has frozen or locked. A row whose time is over is no hold any more; it stays until it is
-- lifted or replaced.
CREATE TABLE holds (
    environment TEXT NOT NULL,
    -- 'freeze' or 'lock'.
    kind TEXT NOT NULL,
    -- The run in whose journal it stands.
    run_id BIGINT NOT NULL,
    -- JSON.
    by_actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- Null until it is lifted.
    until BIGINT,
    PRIMARY KEY (environment, kind)
);
