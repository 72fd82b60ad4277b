-- +goose Up
-- What a claim may not take is out of the index that it walks: a main lane is closed while its project is at its limit, as
-- a side lane is while its group is. Lanes of one organization that need the same capabilities are of one kind: by
-- lanes_kind a claim goes from kind to kind, where the first in the order of turns may not run.
LOCK TABLE projects, lanes IN SHARE ROW EXCLUSIVE MODE; -- nobody counts between what is read here and the triggers
ALTER TABLE lanes ADD COLUMN organization_id TEXT NOT NULL DEFAULT '';
UPDATE lanes SET organization_id = p.organization_id,
        closed = CASE WHEN lanes.concurrency_group = '' THEN p.task_limit > 0 AND p.running >= p.task_limit ELSE lanes.closed END
    FROM projects p WHERE p.id = lanes.project_id;

DROP INDEX lanes_next, lanes_key;
CREATE INDEX lanes_next ON lanes (class_id, level, turn_at, id) WHERE waits AND NOT closed;
CREATE INDEX lanes_kind ON lanes (class_id, organization_id, capabilities, level, turn_at, id) WHERE waits AND NOT closed;
CREATE UNIQUE INDEX lanes_key ON lanes (project_id, class_id, concurrency_group, capabilities);

-- Triggers, so that a control plane of the version before need not know.
-- +goose StatementBegin
CREATE FUNCTION lanes_of_project() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    p projects;
BEGIN
    SELECT * INTO p FROM projects WHERE id = NEW.project_id;
    NEW.organization_id := p.organization_id;
    IF NEW.concurrency_group = '' THEN
        NEW.closed := p.task_limit > 0 AND p.running >= p.task_limit;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER lanes_of_project BEFORE INSERT ON lanes FOR EACH ROW EXECUTE FUNCTION lanes_of_project();

-- The project's row is locked before its lanes are: by whoever counts in both.
-- +goose StatementBegin
CREATE FUNCTION limit_of_project() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_full boolean := NEW.task_limit > 0 AND NEW.running >= NEW.task_limit;
BEGIN
    IF is_full <> (OLD.task_limit > 0 AND OLD.running >= OLD.task_limit) THEN
        UPDATE lanes SET closed = is_full WHERE project_id = NEW.id AND concurrency_group = '';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER limit_of_project AFTER UPDATE OF running, task_limit ON projects FOR EACH ROW EXECUTE FUNCTION limit_of_project();
