package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
)

// town is a data folder in which two organizations live and nothing has run yet. Each seed starts from it.
type town struct {
	dir    string // or the address of a database
	keys   control.Keys
	key    *seal.Key // of every runner: to make one takes time
	admin  string    // token of the instance's administrator
	tokens map[string]string
}

// settled is where the tests start from.
var settled town

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // there is memory enough, and each seed makes much that does not last
	base := "/dev/shm"      // where there is no disk to wait for
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "remuda-simulation-")
	if err == nil {
		settled, err = settle(context.Background(), dir, filepath.Join(dir, "town"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// overPostgres says whether the seeds are tried over PostgreSQL, where transitions go on beside each other.
func overPostgres() bool { return os.Getenv("REMUDA_TEST_DATABASE") == "postgres" }

// database is the town in PostgreSQL, made by whoever needs it first.
var database struct {
	once sync.Once
	town town
}

// settledPostgres is called outside of bubbles: a server that is started in one belongs to it.
func settledPostgres(t testing.TB) town {
	t.Helper()
	database.once.Do(func() {
		made, err := settle(context.Background(), filepath.Dir(settled.dir), postgrestest.Fresh(t))
		if err != nil {
			t.Fatal(err)
		}
		database.town = made
	})
	return database.town
}

// settle makes the town: acme owns the classes, beta may use them.
func settle(ctx context.Context, base, address string) (t town, err error) {
	t = town{dir: address, tokens: map[string]string{}}
	s, err := store.Open(ctx, t.dir)
	if err != nil {
		return t, err
	}
	defer func() {
		if closed := s.Close(); err == nil {
			err = closed
		}
	}()
	if t.keys, err = vault.Open(filepath.Join(base, "key")); err != nil {
		return t, err
	}
	if t.key, err = seal.NewKey(); err != nil {
		return t, err
	}
	plane := control.New(control.Options{Store: s, Keys: t.keys, Log: slog.New(slog.DiscardHandler)})
	if t.admin, err = plane.EnsureAdminToken(ctx, ""); err != nil {
		return t, err
	}
	admin := plane.AsUser(control.User{Name: "root", Admin: true})
	for _, name := range []string{"acme", "beta"} {
		if _, err := admin.CreateOrganization(ctx, remuda.Organization{Name: name}); err != nil {
			return t, err
		}
	}
	if _, err := admin.ClaimNamespace(ctx, "acme", "acme"); err != nil {
		return t, err
	}
	for _, project := range []remuda.Project{{Organization: "acme", Name: "red"}, {Organization: "acme", Name: "blue"}, {Organization: "beta", Name: "green"}} {
		if _, err := admin.CreateProject(ctx, project); err != nil {
			return t, err
		}
	}
	for _, class := range []string{"acme/linux", "acme/mac"} {
		open := remuda.ResourceClass{Name: class, Access: remuda.AccessSome, Organizations: []string{"beta"}}
		if _, err := admin.CreateResourceClass(ctx, open); err != nil {
			return t, err
		}
		made, err := admin.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: class, ResourceClass: class})
		if err != nil {
			return t, err
		}
		t.tokens[class] = made.Token
	}
	return t, nil
}
