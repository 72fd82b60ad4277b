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
ALTER TABLE lanes DROP CONSTRAINT lanes_class_id_project_id_concurrency_group_key;
ALTER TABLE lanes
    ADD COLUMN capabilities    TEXT NOT NULL DEFAULT '',
    ADD COLUMN group_id        TEXT NOT NULL DEFAULT '',
    ADD COLUMN main_id         TEXT NOT NULL DEFAULT '',
    ADD COLUMN head            BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN closed          BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN project_running BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN weight          BIGINT NOT NULL DEFAULT 1,
    ADD COLUMN level           BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN turns           BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN turn_at         BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN waits           BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE lanes SET main_id = lanes.id, project_running = lanes.running, weight = p.weight, level = lanes.running / p.weight, waits = lanes.queued > 0
    FROM projects p WHERE p.id = lanes.project_id;
CREATE UNIQUE INDEX lanes_key ON lanes (class_id, project_id, concurrency_group, capabilities);
CREATE INDEX lanes_next ON lanes (class_id, level, turn_at, id) WHERE waits;
CREATE INDEX lanes_side ON lanes (main_id, head, id) WHERE group_id <> '' AND queued > 0 AND NOT closed;
CREATE INDEX lanes_group ON lanes (group_id) WHERE group_id <> '';
