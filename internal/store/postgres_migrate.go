package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/remuda-dev/remuda"
)

// oldestPostgres counts transactions by numbers that do not come again.
const oldestPostgres = 130000

// preparePostgres brings the schema up to this version. Planes that start at the same time wait for each other. The
// answer is what is added to the numbers of events.
func preparePostgres(ctx context.Context, config *pgx.ConnConfig) (shift int64, err error) {
	patient := config.Copy()
	for _, bound := range []string{"statement_timeout", "idle_in_transaction_session_timeout", "synchronous_commit"} {
		delete(patient.RuntimeParams, bound)
	}
	lock, err := connectAlone(ctx, patient)
	if err != nil {
		return 0, unreachable(config, err)
	}
	defer func() { err = errors.Join(err, lock.Close(context.WithoutCancel(ctx))) }() // ends the lock
	if err := oldEnough(ctx, lock); err != nil {
		return 0, err
	}
	if _, err := lock.Exec(ctx, "select pg_advisory_lock($1)", int64(lockMigration)); err != nil {
		return 0, unreachable(config, err)
	}
	db := stdlib.OpenDB(*patient)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := migratePostgres(ctx, db, placeOf(config)); err != nil {
		return 0, err
	}
	if shift, err = eventShift(ctx, lock); err != nil {
		return 0, fmt.Errorf("look for where the numbers of events go on: %w", err)
	}
	return shift, nil
}

// placeOf names a database without its password.
func placeOf(config *pgx.ConnConfig) string {
	return config.Host + ":" + strconv.Itoa(int(config.Port)) + "/" + config.Database
}

// unreachable is a database that cannot be used, in words that hold no password.
func unreachable(config *pgx.ConnConfig, err error) error {
	why := "is it up, and is the address right?"
	var e *pgconn.PgError
	if errors.As(err, &e) {
		why = e.Message
	}
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "the database " + placeOf(config) + " cannot be used as " + config.User + ": " + why, Cause: err}
}

func oldEnough(ctx context.Context, conn *pgx.Conn) error {
	var number, text string
	err := conn.QueryRow(ctx, "select current_setting('server_version_num'), current_setting('server_version')").Scan(&number, &text)
	if err != nil {
		return fmt.Errorf("ask for PostgreSQL's version: %w", err)
	}
	if version, err := strconv.Atoi(number); err != nil || version < oldestPostgres {
		return remuda.Fail(remuda.Conflict, fmt.Sprintf("the database is PostgreSQL %s; %d or newer is needed", text, oldestPostgres/10000))
	}
	return nil
}

func migratePostgres(ctx context.Context, db *sql.DB, place string) error {
	files, err := fs.Sub(migrations, "migration/postgres")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	held, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("ask for the schema of database %s: %w", place, err)
	}
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; held > newest {
		return newerSchema(place, held, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		var e *pgconn.PgError
		if errors.As(err, &e) && e.Code == "42501" { // insufficient_privilege
			return remuda.Fail(remuda.Forbidden, "the database "+place+" lets this user make no tables: "+e.Message)
		}
		return fmt.Errorf("migrate database %s: %w", place, err)
	}
	return nil
}

func newerSchema(place string, held, newest int64) error {
	return remuda.Fail(remuda.Conflict, fmt.Sprintf(
		"the database %s was written by a newer version of Remuda (schema %d, this one knows %d); start that version", place, held, newest))
}

// eventShift sees to it that new events get greater ids than all that are there: they follow the numbers of
// transactions, and a server to which a database has moved counts those from less.
func eventShift(ctx context.Context, conn *pgx.Conn) (shift int64, err error) {
	var last, next int64
	err = conn.QueryRow(ctx, `select (select last_value from event_shift), (select coalesce(max(id), 0) from events),
		cast(cast(pg_snapshot_xmax(pg_current_snapshot()) as text) as bigint)`).Scan(&shift, &last, &next)
	if err != nil || last < next*perTransaction+shift {
		return shift, err
	}
	shift = last - next*perTransaction + perTransaction
	_, err = conn.Exec(ctx, "select setval('event_shift', $1)", shift)
	return shift, err
}
