-- +goose Up
-- What an API key may do, in words between spaces.
ALTER TABLE tokens ADD COLUMN permissions TEXT NOT NULL DEFAULT '';

-- Versions of blocks' states. One that is deleted says that its block has none since.
CREATE TABLE states (
    id         TEXT PRIMARY KEY,
    block_id   TEXT NOT NULL REFERENCES blocks (id) ON DELETE CASCADE,
    number     BIGINT NOT NULL,
    serial     BIGINT NOT NULL,
    lineage    TEXT NOT NULL,
    size       BIGINT NOT NULL,
    mac        BYTEA NOT NULL,
    run_id     TEXT NOT NULL,
    deleted    BOOLEAN NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    body       BYTEA NOT NULL,
    UNIQUE (block_id, number)
);

-- The id is that of the block whose state is locked.
CREATE TABLE state_locks (
    id         TEXT PRIMARY KEY REFERENCES blocks (id) ON DELETE CASCADE,
    lock_id    TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    claim_id   TEXT NOT NULL,
    info       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX state_locks_run ON state_locks (run_id);

-- The id is that of the run that made the plan.
CREATE TABLE plans (
    id         TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    block_id   TEXT NOT NULL,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    body       BYTEA NOT NULL
);
CREATE INDEX plans_block ON plans (block_id);
CREATE INDEX plans_created ON plans (created_at);

CREATE TABLE integrations (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    type            TEXT NOT NULL,
    url             TEXT NOT NULL,
    owner           TEXT NOT NULL,
    app_id          TEXT NOT NULL,
    class_id        TEXT NOT NULL,
    hash            TEXT NOT NULL,
    secrets         BYTEA NOT NULL,
    created_at      BIGINT NOT NULL
);
CREATE INDEX integrations_organization ON integrations (organization_id, id);

CREATE TABLE tenants (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    project_id      TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    platform        TEXT NOT NULL,
    platform_id     TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    UNIQUE (project_id, platform)
);
CREATE INDEX tenants_organization ON tenants (organization_id, id);

-- The id is that of the class that other systems' runners may serve. Those claim by the class token that it names.
CREATE TABLE runner_entries (
    id             TEXT PRIMARY KEY REFERENCES resource_classes (id) ON DELETE CASCADE,
    display_name   TEXT NOT NULL,
    public_key     TEXT NOT NULL,
    implementation TEXT NOT NULL,
    capabilities   TEXT NOT NULL,
    self_hosted    BOOLEAN NOT NULL,
    extra          TEXT NOT NULL,
    token_id       TEXT NOT NULL,
    created_at     BIGINT NOT NULL
);
