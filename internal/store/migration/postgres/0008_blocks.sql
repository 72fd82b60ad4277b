-- +goose Up
-- Another organization that sees a job's tasks beside its own; empty for none.
ALTER TABLE jobs ADD COLUMN reader_id TEXT NOT NULL DEFAULT '';

CREATE TABLE definitions (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name            TEXT NOT NULL,
    access          TEXT NOT NULL,
    target          TEXT NOT NULL,
    transparent     BOOLEAN NOT NULL,
    spec            TEXT NOT NULL,
    created_at      BIGINT NOT NULL
);
CREATE INDEX definitions_organization ON definitions (organization_id, id);

CREATE TABLE definition_access (
    definition_id   TEXT NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    PRIMARY KEY (definition_id, organization_id)
);

CREATE TABLE versions (
    id            TEXT PRIMARY KEY,
    definition_id TEXT NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
    number        BIGINT NOT NULL,
    state         TEXT NOT NULL,
    class_id      TEXT NOT NULL,
    spec          TEXT NOT NULL,
    secrets       BYTEA,
    created_at    BIGINT NOT NULL,
    released_at   BIGINT NOT NULL,
    UNIQUE (definition_id, number)
);
CREATE INDEX versions_class ON versions (class_id);

CREATE TABLE blocks (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id      TEXT NOT NULL,
    tenant_id       TEXT NOT NULL,
    name            TEXT NOT NULL,
    definition_id   TEXT NOT NULL REFERENCES definitions (id),
    version_id      TEXT NOT NULL REFERENCES versions (id),
    status          TEXT NOT NULL,
    missing         TEXT NOT NULL,
    detail          TEXT NOT NULL,
    lifecycle       TEXT NOT NULL,
    given           TEXT NOT NULL,
    resolved        TEXT NOT NULL,
    outputs         TEXT NOT NULL,
    secrets         BYTEA,
    applied         BOOLEAN NOT NULL,
    drifted         BOOLEAN NOT NULL,
    force_purge     BOOLEAN NOT NULL,
    run_count       BIGINT NOT NULL,
    live_run        TEXT NOT NULL,
    next_run        TEXT NOT NULL,
    latest_run      TEXT NOT NULL,
    latest_dry_run  TEXT NOT NULL,
    drift_at        BIGINT NOT NULL,
    author          TEXT NOT NULL,
    created_by      TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    deletion_at     BIGINT NOT NULL,
    deletion_by     TEXT NOT NULL,
    deleted_at      BIGINT NOT NULL
);
CREATE INDEX blocks_organization ON blocks (organization_id, id);
CREATE INDEX blocks_definition ON blocks (definition_id, id);
CREATE INDEX blocks_version ON blocks (version_id, id);
CREATE INDEX blocks_tenant ON blocks (tenant_id, id) WHERE tenant_id <> '';
CREATE INDEX blocks_live ON blocks (live_run) WHERE live_run <> '';
CREATE INDEX blocks_drift ON blocks (drift_at) WHERE drift_at <> 0;

CREATE TABLE block_parents (
    block_id  TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    parent_id TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    position  BIGINT NOT NULL,
    PRIMARY KEY (block_id, parent_id)
);
CREATE INDEX block_parents_parent ON block_parents (parent_id, block_id);

CREATE TABLE runs (
    id           TEXT PRIMARY KEY,
    block_id     TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    version_id   TEXT NOT NULL,
    number       BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    behavior     TEXT NOT NULL,
    run_trigger  TEXT NOT NULL,
    author       TEXT NOT NULL,
    status       TEXT NOT NULL,
    detail       TEXT NOT NULL,
    task_id      TEXT NOT NULL,
    job_id       TEXT NOT NULL,
    gate         BOOLEAN NOT NULL,
    changes      BIGINT NOT NULL,
    plan         TEXT NOT NULL,
    approval     TEXT NOT NULL,
    approved_by  TEXT NOT NULL,
    plan_of      TEXT NOT NULL,
    script       TEXT NOT NULL,
    inputs       BYTEA,
    state_number BIGINT NOT NULL,
    outputs      TEXT NOT NULL,
    secrets      BYTEA,
    messages     TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    UNIQUE (block_id, number)
);
CREATE INDEX runs_task ON runs (task_id) WHERE task_id <> '';
CREATE INDEX runs_live ON runs (id) WHERE ended_at = 0;
CREATE INDEX runs_approval ON runs (approval, id) WHERE approval <> '';

-- What reports of a run: the pipeline that was started, and those that it started.
CREATE TABLE run_sources (
    id         TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    position   BIGINT NOT NULL,
    status     TEXT NOT NULL,
    spec       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (run_id, name)
);

-- How far whoever settles things has read the events.
CREATE TABLE readers (
    id       TEXT PRIMARY KEY,
    event_id BIGINT NOT NULL
);
