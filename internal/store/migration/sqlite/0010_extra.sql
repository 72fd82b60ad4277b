-- +goose Up
-- What another system's format says of an organization or project beyond ours: a JSON object, empty for none.
ALTER TABLE organizations ADD COLUMN extra TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN extra TEXT NOT NULL DEFAULT '';
