-- +goose Up
-- What a claim may not take is out of the index that it walks: a main lane is closed while its project is at its limit, as
-- a side lane is while its group is. Lanes of one organization that need the same capabilities are of one kind: by
-- lanes_kind a claim goes from kind to kind, where the first in the order of turns may not run.
ALTER TABLE lanes ADD COLUMN organization_id TEXT NOT NULL DEFAULT '';
UPDATE lanes SET organization_id = (SELECT p.organization_id FROM projects p WHERE p.id = lanes.project_id);
UPDATE lanes SET closed = TRUE WHERE concurrency_group = ''
    AND EXISTS (SELECT 1 FROM projects p WHERE p.id = lanes.project_id AND p.task_limit > 0 AND p.running >= p.task_limit);

DROP INDEX lanes_next;
CREATE INDEX lanes_next ON lanes (class_id, level, turn_at, id) WHERE waits AND NOT closed;
CREATE INDEX lanes_kind ON lanes (class_id, organization_id, capabilities, level, turn_at, id) WHERE waits AND NOT closed;
DROP INDEX lanes_key;
CREATE UNIQUE INDEX lanes_key ON lanes (project_id, class_id, concurrency_group, capabilities);

-- +goose StatementBegin
CREATE TRIGGER lanes_of_project AFTER INSERT ON lanes
BEGIN
    UPDATE lanes SET organization_id = p.organization_id,
        closed = CASE WHEN lanes.concurrency_group = '' THEN p.task_limit > 0 AND p.running >= p.task_limit ELSE lanes.closed END
        FROM projects p WHERE lanes.id = NEW.id AND p.id = NEW.project_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER limit_of_project AFTER UPDATE OF running, task_limit ON projects
WHEN (OLD.task_limit > 0 AND OLD.running >= OLD.task_limit) <> (NEW.task_limit > 0 AND NEW.running >= NEW.task_limit)
BEGIN
    UPDATE lanes SET closed = NEW.task_limit > 0 AND NEW.running >= NEW.task_limit
        WHERE project_id = NEW.id AND concurrency_group = '';
END;
-- +goose StatementEnd
