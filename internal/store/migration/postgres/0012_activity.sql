-- +goose Up
-- What came to an end lately, and how long it had waited, is told from this index alone. Tasks are not in it before they
-- end, so that a claim does not write to it.
CREATE INDEX tasks_ended ON tasks (organization_id, ended_at, state, submitted_at, started_at) WHERE ended_at > 0;
CREATE INDEX tasks_failed ON tasks (ended_at, organization_id, id) WHERE state = 'failed';
