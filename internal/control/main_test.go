package control_test

import (
	"context"
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

// settled is a data folder in which the organization acme owns the class acme/linux. Tests start from copies of it: to
// make one takes ten times as long as to open one.
var settled struct {
	dir, token              string
	once                    sync.Once
	postgres, postgresToken string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "remuda-control-")
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
	if _, err := admin.CreateOrganization(ctx, remuda.Organization{Name: "acme"}); err != nil {
		return "", err
	}
	if _, err := admin.ClaimNamespace(ctx, "acme", "acme"); err != nil {
		return "", err
	}
	if _, err := admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: "acme/linux"}); err != nil {
		return "", err
	}
	made, err := admin.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "test", ResourceClass: "acme/linux"})
	return made.Token, err
}
