-- +goose Up
-- A lane without live tasks goes after a while, and a group without lanes with it. idle_since is when it was first seen
-- so, 0 once a task is queued in it.
ALTER TABLE lanes ADD COLUMN idle_since BIGINT NOT NULL DEFAULT 0;

-- A job outlives its group: what it said of it is what its tasks show, and what one that is retried makes it anew by.
ALTER TABLE jobs ADD COLUMN concurrency_group TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN concurrency_limit BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET concurrency_group = g.name, concurrency_limit = g.task_limit
    FROM tasks t JOIN groups g ON g.id = t.group_id WHERE t.job_id = jobs.id AND t.group_id <> '';
