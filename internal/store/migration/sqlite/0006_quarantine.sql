-- +goose Up
-- quarantined: the runner said that it is unfit. resume_asked: the number of the order to leave quarantine that it has
-- not carried out yet; 0 for none.
ALTER TABLE runners ADD COLUMN quarantined BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE runners ADD COLUMN resume_asked BIGINT NOT NULL DEFAULT 0;
