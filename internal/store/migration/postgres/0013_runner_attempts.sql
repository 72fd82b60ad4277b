-- +goose Up
-- What a runner has carried out, newest first. Live attempts are left out: they change often, and attempts_live has them.
CREATE INDEX attempts_over ON attempts (runner_id, id) WHERE state NOT IN ('claimed', 'begun');
