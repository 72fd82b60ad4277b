-- +goose Up
-- What is looked at of tasks and attempts by how they stand: SQLite has a partial index of each. Here such an index would make
-- every move of a row an entry in each of its indexes, since a row that stays on its page (HOT) must change in none of
-- them. So each is a table of its own, which triggers keep: whoever writes tasks and attempts, also a control plane of
-- the version before, need not know. Pages are filled by half, so that a row has room to move twice.
ALTER TABLE tasks SET (fillfactor = 50);
ALTER TABLE attempts SET (fillfactor = 50);

CREATE TABLE queued_tasks (
    id          TEXT NOT NULL,
    lane_id     TEXT NOT NULL,
    rank        BIGINT NOT NULL,
    queue_until BIGINT NOT NULL,
    PRIMARY KEY (lane_id, rank, id)
);
CREATE INDEX queued_tasks_overdue ON queued_tasks (queue_until);

CREATE TABLE grouped_tasks (
    id       TEXT NOT NULL,
    group_id TEXT NOT NULL,
    PRIMARY KEY (group_id, id)
);

CREATE TABLE ended_tasks (
    id              TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    ended_at        BIGINT NOT NULL,
    state           TEXT NOT NULL,
    submitted_at    BIGINT NOT NULL,
    started_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, ended_at, id)
);
CREATE INDEX ended_tasks_failed ON ended_tasks (ended_at, organization_id, id) WHERE state = 'failed';

CREATE TABLE live_attempts (
    id        TEXT NOT NULL,
    runner_id TEXT NOT NULL,
    PRIMARY KEY (runner_id, id)
);

-- Nobody writes between what is read here and the triggers.
LOCK TABLE tasks, attempts IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO queued_tasks SELECT id, lane_id, rank, queue_until FROM tasks WHERE state = 'queued';
INSERT INTO grouped_tasks SELECT id, group_id FROM tasks WHERE group_id <> '' AND state IN ('waiting', 'queued', 'running');
INSERT INTO ended_tasks SELECT id, organization_id, ended_at, state, submitted_at, started_at FROM tasks WHERE ended_at > 0;
INSERT INTO live_attempts SELECT id, runner_id FROM attempts WHERE state IN ('claimed', 'begun');

-- Conditions of triggers (WHEN) would be read anew for every statement.
-- +goose StatementBegin
CREATE FUNCTION keep_sets_of_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state AND OLD.ended_at = NEW.ended_at AND OLD.lane_id = NEW.lane_id AND OLD.rank = NEW.rank
            AND OLD.queue_until = NEW.queue_until AND OLD.group_id = NEW.group_id AND OLD.started_at = NEW.started_at THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        IF OLD.state = 'queued' THEN
            DELETE FROM queued_tasks WHERE lane_id = OLD.lane_id AND rank = OLD.rank AND id = OLD.id;
        END IF;
        IF OLD.group_id <> '' THEN
            DELETE FROM grouped_tasks WHERE group_id = OLD.group_id AND id = OLD.id;
        END IF;
        IF OLD.ended_at > 0 THEN
            DELETE FROM ended_tasks WHERE organization_id = OLD.organization_id AND ended_at = OLD.ended_at AND id = OLD.id;
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF NEW.state = 'queued' THEN
            INSERT INTO queued_tasks (id, lane_id, rank, queue_until) VALUES (NEW.id, NEW.lane_id, NEW.rank, NEW.queue_until);
        END IF;
        IF NEW.group_id <> '' AND NEW.state IN ('waiting', 'queued', 'running') THEN
            INSERT INTO grouped_tasks (id, group_id) VALUES (NEW.id, NEW.group_id);
        END IF;
        IF NEW.ended_at > 0 THEN
            INSERT INTO ended_tasks (id, organization_id, ended_at, state, submitted_at, started_at)
                VALUES (NEW.id, NEW.organization_id, NEW.ended_at, NEW.state, NEW.submitted_at, NEW.started_at);
        END IF;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER keep_sets AFTER INSERT OR UPDATE OR DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION keep_sets_of_tasks();

-- +goose StatementBegin
CREATE FUNCTION keep_live_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state AND OLD.runner_id = NEW.runner_id THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        IF OLD.state IN ('claimed', 'begun') THEN
            DELETE FROM live_attempts WHERE runner_id = OLD.runner_id AND id = OLD.id;
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF NEW.state IN ('claimed', 'begun') THEN
            INSERT INTO live_attempts (id, runner_id) VALUES (NEW.id, NEW.runner_id);
        END IF;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER keep_sets AFTER INSERT OR UPDATE OR DELETE ON attempts FOR EACH ROW EXECUTE FUNCTION keep_live_attempts();

DROP INDEX tasks_queue, tasks_overdue, tasks_group, tasks_ended, tasks_failed;
CREATE INDEX attempts_runner ON attempts (runner_id, id);
DROP INDEX attempts_live, attempts_sign, attempts_over;
-- A claim inserts its attempt while it holds the task.
ALTER TABLE attempts DROP CONSTRAINT attempts_task_id_fkey;
