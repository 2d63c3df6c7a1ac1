-- The second factors of approvers. No secret is here: it follows from the installation's key, the person and the
-- generation.
CREATE TABLE step_up (
    user_id TEXT PRIMARY KEY,
    -- Grows with every reset, so that the old secret is worth nothing.
    generation BIGINT NOT NULL,
    -- When the first right code was shown; null until then.
    confirmed_at BIGINT,
    -- The newest step whose code was spent: a code counts once.
    last_step BIGINT,
    -- Wrong codes in a row, and when the last one was.
    wrong BIGINT NOT NULL,
    wrong_at BIGINT
);
