-- +goose Up
-- A token that expires registers nobody from then on; 0 for never. A single-use one registers one runner, used_by, once.
ALTER TABLE tokens ADD COLUMN single_use BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE tokens ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN used_by TEXT NOT NULL DEFAULT '';
