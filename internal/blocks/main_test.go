package blocks_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
)

// settled is a data folder in which the organization plat owns the class plat/tofu, and acme and umbrella own nothing.
// Tests start from copies of it.
var settled struct {
	dir, token              string
	once                    sync.Once
	postgres, postgresToken string
}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each takes a second
		_ = f.Value.Set("10")
	}
	dir, err := os.MkdirTemp("", "remuda-blocks-")
	if err == nil {
		settled.dir = dir
		settled.token, err = settle(context.Background(), dir, dir)
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

func settle(ctx context.Context, address, dir string) (token string, err error) {
	s, err := store.Open(ctx, address)
	if err != nil {
		return "", err
	}
	defer func() {
		if closed := s.Close(); err == nil {
			err = closed
		}
	}()
	keys, err := vault.Open(filepath.Join(dir, "key"))
	if err != nil {
		return "", err
	}
	plane := control.New(control.Options{Store: s, Keys: keys, Log: slog.New(slog.DiscardHandler)})
	admin := plane.AsUser(control.User{Name: "root", Admin: true})
	for _, name := range []string{"plat", "acme", "umbrella"} {
		if _, err := admin.CreateOrganization(ctx, remuda.Organization{Name: name}); err != nil {
			return "", err
		}
	}
	if _, err := admin.ClaimNamespace(ctx, "plat", "plat"); err != nil {
		return "", err
	}
	if _, err := admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: "plat/tofu"}); err != nil {
		return "", err
	}
	made, err := admin.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "test", ResourceClass: "plat/tofu"})
	return made.Token, err
}
