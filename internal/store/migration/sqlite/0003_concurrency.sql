-- +goose Up
-- How many tasks of a project run at once under one name, whatever their classes.
CREATE TABLE groups (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    task_limit BIGINT NOT NULL,
    running    BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

ALTER TABLE tasks ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN capabilities TEXT NOT NULL DEFAULT '';
CREATE INDEX tasks_group ON tasks (group_id, id) WHERE group_id <> '' AND state IN ('waiting', 'queued', 'running');

-- A lane is homogeneous: whoever may claim one of its tasks may claim each. The main lanes of a project in a class have
-- no group, and carry what the project's turns go by; the side lane of a group has its main lane's capabilities.
-- The table is made anew, since SQLite does not let go of a unique constraint.
ALTER TABLE lanes RENAME TO lanes_before;
CREATE TABLE lanes (
    id                TEXT PRIMARY KEY,
    class_id          TEXT NOT NULL REFERENCES resource_classes (id) ON DELETE CASCADE,
    project_id        TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    concurrency_group TEXT NOT NULL,
    queued            BIGINT NOT NULL,
    running           BIGINT NOT NULL,
    capabilities      TEXT NOT NULL DEFAULT '',
    group_id          TEXT NOT NULL DEFAULT '',
    main_id           TEXT NOT NULL DEFAULT '',
    head              BIGINT NOT NULL DEFAULT 0,
    closed            BOOLEAN NOT NULL DEFAULT FALSE,
    project_running   BIGINT NOT NULL DEFAULT 0,
    weight            BIGINT NOT NULL DEFAULT 1,
    level             BIGINT NOT NULL DEFAULT 0,
    turns             BIGINT NOT NULL DEFAULT 0,
    turn_at           BIGINT NOT NULL DEFAULT 0,
    waits             BOOLEAN NOT NULL DEFAULT FALSE
);
INSERT INTO lanes
    SELECT l.id, l.class_id, l.project_id, l.concurrency_group, l.queued, l.running, '', '', l.id, 0, FALSE,
        l.running, p.weight, l.running / p.weight, 0, 0, l.queued > 0
    FROM lanes_before l JOIN projects p ON p.id = l.project_id;
DROP TABLE lanes_before;
CREATE UNIQUE INDEX lanes_key ON lanes (class_id, project_id, concurrency_group, capabilities);
CREATE INDEX lanes_queued ON lanes (class_id) WHERE queued > 0;
CREATE INDEX lanes_next ON lanes (class_id, level, turn_at, id) WHERE waits;
CREATE INDEX lanes_side ON lanes (main_id, head, id) WHERE group_id <> '' AND queued > 0 AND NOT closed;
CREATE INDEX lanes_group ON lanes (group_id) WHERE group_id <> '';
