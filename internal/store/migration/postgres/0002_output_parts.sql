-- +goose Up
-- A part is some of an attempt's bytes in one object of the bucket. Its pieces say where in the object each lies.
CREATE TABLE parts (
    attempt_id TEXT NOT NULL,
    start      BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    stored     BIGINT NOT NULL,
    name       TEXT NOT NULL,
    pieces     BYTEA NOT NULL,
    PRIMARY KEY (attempt_id, start)
);

-- Which parts hold bytes of a step: the first of them in its stream, and how many.
CREATE TABLE part_steps (
    attempt_id TEXT NOT NULL,
    step       BIGINT NOT NULL,
    step_start BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    start      BIGINT NOT NULL,
    PRIMARY KEY (attempt_id, step, step_start)
);

-- Objects that nothing refers to any more, or, with a slash at the end, all of an attempt's.
CREATE TABLE doomed (
    name TEXT PRIMARY KEY
);

-- What lies before moved is in parts; rows of chunks below it are dead. tail is how many bytes the others hold, held
-- what chunks and parts take up, objects how many parts there are; parted says that the bucket may hold something.
ALTER TABLE outputs ADD COLUMN moved BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outputs ADD COLUMN tail BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outputs ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outputs ADD COLUMN objects BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outputs ADD COLUMN parted BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE outputs SET tail = kept, held = kept;
CREATE INDEX outputs_full ON outputs (attempt_id) WHERE tail >= 1048576;
