-- +goose Up
-- Who signed in with a browser. The browser's secret is kept as its hash; so is the one before it, which is good until
-- old_until.
CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    token_id     TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    hash         BLOB NOT NULL UNIQUE,
    old_hash     BLOB NOT NULL,
    old_until    BIGINT NOT NULL,
    renewed_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    address      TEXT NOT NULL,
    agent        TEXT NOT NULL
);
CREATE INDEX sessions_old ON sessions (old_hash);
CREATE INDEX sessions_token ON sessions (token_id);

-- From where somebody asked for what happened; empty for what nobody asked for.
ALTER TABLE events ADD COLUMN address TEXT NOT NULL DEFAULT '';
