-- +goose Up
ALTER TABLE runners ADD COLUMN drain_life TEXT NOT NULL DEFAULT '';
