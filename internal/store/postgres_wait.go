package store

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// askEvery is how long Await lets a database alone that is not ready.
const askEvery = 3 * time.Second

// Await waits until the database that an address names takes connections, for as long as it is worth: one that is
// starting comes up by itself. What waiting does not mend, such as a wrong password or a database that is not there, is
// an error at once. A data folder is ready.
func Await(ctx context.Context, address string, patience time.Duration, log *slog.Logger) error {
	if !isPostgres(address) {
		return nil
	}
	config, err := postgresConfig(address)
	if err != nil {
		return err
	}
	for end := time.Now().Add(patience); ; {
		conn, err := connectAlone(ctx, config.ConnConfig)
		if err == nil {
			return conn.Close(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !isStarting(err) || time.Now().After(end) {
			return unreachable(config.ConnConfig, err)
		}
		log.Warn("the database is not ready; trying again", "database", placeOf(config.ConnConfig), "for", time.Until(end).Round(time.Second), "err", err)
		select {
		case <-time.After(min(askEvery, time.Until(end))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isStarting says of a connection that failed whether one may succeed later. PostgreSQL refuses what it understood with
// a code: of those, only that it is starting or stopping, or has no connection left, passes by itself.
func isStarting(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch refused.Code {
		case "57P01", "57P02", "57P03", "53300":
			return true
		}
		return false
	}
	var untrusted *tls.CertificateVerificationError
	return !errors.As(err, &untrusted)
}
