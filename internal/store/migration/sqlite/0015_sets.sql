-- +goose Up
-- What is looked at of tasks and attempts by how they stand. Here each is what a partial index has; PostgreSQL keeps them as
-- tables, so that a row is not written to every index each time it moves.
CREATE VIEW queued_tasks AS SELECT id, lane_id, rank, queue_until FROM tasks WHERE state = 'queued';
CREATE VIEW grouped_tasks AS SELECT id, group_id FROM tasks WHERE group_id <> '' AND state IN ('waiting', 'queued', 'running');
CREATE VIEW ended_tasks AS SELECT id, organization_id, ended_at, state, submitted_at, started_at FROM tasks WHERE ended_at > 0;
CREATE VIEW live_attempts AS SELECT id, runner_id FROM attempts WHERE state IN ('claimed', 'begun');
