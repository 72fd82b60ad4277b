-- +goose Up
CREATE TABLE organizations (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    vcs_name   TEXT NOT NULL,
    task_limit BIGINT NOT NULL,
    running    BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE namespaces (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL UNIQUE REFERENCES organizations (id),
    created_at      BIGINT NOT NULL
);

CREATE TABLE projects (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    visibility      TEXT NOT NULL,
    builds_forks    BOOLEAN NOT NULL,
    task_limit      BIGINT NOT NULL,
    weight          BIGINT NOT NULL,
    running         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    UNIQUE (organization_id, name)
);

CREATE TABLE resource_classes (
    id           TEXT PRIMARY KEY,
    namespace_id TEXT NOT NULL REFERENCES namespaces (id),
    name         TEXT NOT NULL,
    description  TEXT NOT NULL,
    access       TEXT NOT NULL,
    task_limit   BIGINT NOT NULL,
    allow_forks  BOOLEAN NOT NULL,
    lost_after   BIGINT NOT NULL,
    running      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    UNIQUE (namespace_id, name)
);

CREATE TABLE class_access (
    class_id        TEXT NOT NULL REFERENCES resource_classes (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    PRIMARY KEY (class_id, organization_id)
);

CREATE TABLE tokens (
    id              TEXT PRIMARY KEY,
    kind            TEXT NOT NULL,
    hash            BYTEA NOT NULL UNIQUE,
    nickname        TEXT NOT NULL,
    class_id        TEXT REFERENCES resource_classes (id) ON DELETE CASCADE,
    organization_id TEXT REFERENCES organizations (id) ON DELETE CASCADE,
    role            TEXT NOT NULL,
    created_by      TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    last_used_at    BIGINT NOT NULL,
    revoked_at      BIGINT NOT NULL
);
CREATE INDEX tokens_class ON tokens (class_id);

CREATE TABLE runners (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    hostname      TEXT NOT NULL,
    version       TEXT NOT NULL,
    os            TEXT NOT NULL,
    arch          TEXT NOT NULL,
    ip            TEXT NOT NULL,
    slots         BIGINT NOT NULL,
    capabilities  TEXT NOT NULL,
    public_key    BYTEA NOT NULL,
    token_hash    BYTEA NOT NULL UNIQUE,
    ready         BOOLEAN NOT NULL,
    reason        TEXT NOT NULL,
    draining      BOOLEAN NOT NULL,
    drain_asked   BOOLEAN NOT NULL,
    paused        BOOLEAN NOT NULL,
    registered_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    last_used_at  BIGINT NOT NULL,
    silent_at     BIGINT NOT NULL,
    gone_at       BIGINT NOT NULL
);

CREATE INDEX runners_heard ON runners (silent_at) WHERE gone_at = 0;

CREATE TABLE runner_classes (
    runner_id TEXT NOT NULL REFERENCES runners (id) ON DELETE CASCADE,
    class_id  TEXT NOT NULL REFERENCES resource_classes (id) ON DELETE CASCADE,
    token_id  TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    PRIMARY KEY (runner_id, class_id)
);
CREATE INDEX runner_classes_class ON runner_classes (class_id);
CREATE INDEX runner_classes_token ON runner_classes (token_id);

CREATE TABLE jobs (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name            TEXT NOT NULL,
    implementation  TEXT NOT NULL,
    payload         BYTEA NOT NULL,
    secrets         BYTEA,
    submitted_by    TEXT NOT NULL,
    created_at      BIGINT NOT NULL
);

CREATE TABLE submission_keys (
    id         TEXT PRIMARY KEY,
    request    BYTEA NOT NULL,
    job_id     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX submission_keys_created ON submission_keys (created_at);

CREATE TABLE lanes (
    id                TEXT PRIMARY KEY,
    class_id          TEXT NOT NULL REFERENCES resource_classes (id) ON DELETE CASCADE,
    project_id        TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    concurrency_group TEXT NOT NULL,
    queued            BIGINT NOT NULL,
    running           BIGINT NOT NULL,
    UNIQUE (class_id, project_id, concurrency_group)
);

CREATE INDEX lanes_queued ON lanes (class_id) WHERE queued > 0;

CREATE TABLE tasks (
    id                TEXT PRIMARY KEY,
    job_id            TEXT NOT NULL REFERENCES jobs (id),
    organization_id   TEXT NOT NULL,
    project_id        TEXT NOT NULL,
    class_id          TEXT NOT NULL,
    lane_id           TEXT NOT NULL,
    name              TEXT NOT NULL,
    task_index        BIGINT NOT NULL,
    task_total        BIGINT NOT NULL,
    submitted_by      TEXT NOT NULL,
    repository        TEXT NOT NULL,
    ref               TEXT NOT NULL,
    fork              BOOLEAN NOT NULL,
    state             TEXT NOT NULL,
    reason            TEXT NOT NULL,
    detail            TEXT NOT NULL,
    priority          BIGINT NOT NULL,
    rank              BIGINT NOT NULL,
    timeout           BIGINT NOT NULL,
    queue_timeout     BIGINT NOT NULL,
    lost_after        BIGINT NOT NULL,
    cancel_grace      BIGINT NOT NULL,
    max_attempts      BIGINT NOT NULL,
    retry_interrupted BOOLEAN NOT NULL,
    attempts          BIGINT NOT NULL,
    attempts_used     BIGINT NOT NULL,
    attempt_id        TEXT NOT NULL,
    cancel_requested  BOOLEAN NOT NULL,
    retry_of          TEXT NOT NULL,
    submitted_at      BIGINT NOT NULL,
    queue_until       BIGINT NOT NULL,
    started_at        BIGINT NOT NULL,
    ended_at          BIGINT NOT NULL
);
CREATE INDEX tasks_queue ON tasks (lane_id, rank, id) WHERE state = 'queued';
CREATE INDEX tasks_overdue ON tasks (queue_until) WHERE state = 'queued';
CREATE INDEX tasks_job ON tasks (job_id);
CREATE INDEX tasks_organization ON tasks (organization_id, id);
CREATE INDEX tasks_class ON tasks (class_id, id);
CREATE INDEX tasks_project ON tasks (project_id, id);

CREATE TABLE attempts (
    id           TEXT PRIMARY KEY,
    task_id      TEXT NOT NULL REFERENCES tasks (id),
    number       BIGINT NOT NULL,
    runner_id    TEXT NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    detail       TEXT NOT NULL,
    steps        TEXT NOT NULL,
    lost_after   BIGINT NOT NULL,
    claimed_at   BIGINT NOT NULL,
    begun_at     BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    last_sign_at BIGINT NOT NULL,
    UNIQUE (task_id, number)
);
CREATE INDEX attempts_live ON attempts (runner_id) WHERE state IN ('claimed', 'begun');
CREATE INDEX attempts_sign ON attempts (last_sign_at) WHERE state IN ('claimed', 'begun');

-- An id has the number of the transaction that made it before its place in that; event_shift is added, so that ids
-- grow on when the database has moved to a server that counts from less.
CREATE SEQUENCE event_shift MINVALUE 0 START 0;

CREATE TABLE events (
    id              BIGINT PRIMARY KEY,
    type            TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    subject         TEXT NOT NULL,
    actor           TEXT NOT NULL,
    detail          TEXT NOT NULL,
    at              BIGINT NOT NULL
);
CREATE INDEX events_organization ON events (organization_id, id);
CREATE INDEX events_subject ON events (subject, id);

-- The bytes of an attempt in the order in which they arrived: start counts those of all its steps, step_start those
-- of one.
CREATE TABLE chunks (
    attempt_id TEXT NOT NULL,
    start      BIGINT NOT NULL,
    step       BIGINT NOT NULL,
    step_start BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    data       BYTEA NOT NULL,
    PRIMARY KEY (attempt_id, start)
);
CREATE UNIQUE INDEX chunks_step ON chunks (attempt_id, step, step_start);

CREATE TABLE streams (
    attempt_id TEXT NOT NULL,
    step       BIGINT NOT NULL,
    length     BIGINT NOT NULL,
    source     BIGINT NOT NULL,
    checksum   BIGINT NOT NULL,
    closed     BOOLEAN NOT NULL,
    PRIMARY KEY (attempt_id, step)
);

CREATE TABLE outputs (
    attempt_id TEXT PRIMARY KEY,
    length     BIGINT NOT NULL,
    kept       BIGINT NOT NULL
);

