-- +goose Up
-- The bytes of an attempt in the order in which they arrived: start counts those of all its steps, step_start those
-- of one.
CREATE TABLE chunks (
    attempt_id TEXT NOT NULL,
    start      BIGINT NOT NULL,
    step       BIGINT NOT NULL,
    step_start BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (attempt_id, start)
);
CREATE UNIQUE INDEX chunks_step ON chunks (attempt_id, step, step_start);

CREATE TABLE streams (
    attempt_id TEXT NOT NULL,
    step       BIGINT NOT NULL,
    length     BIGINT NOT NULL,
    source     BIGINT NOT NULL,
    checksum   BIGINT NOT NULL,
    closed     BOOLEAN NOT NULL,
    PRIMARY KEY (attempt_id, step)
);

CREATE TABLE outputs (
    attempt_id TEXT PRIMARY KEY,
    length     BIGINT NOT NULL,
    kept       BIGINT NOT NULL
);

