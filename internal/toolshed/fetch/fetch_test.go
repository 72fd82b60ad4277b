package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ProtonMail/gopenpgp/v2/crypto"
	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/toolshed"
	"github.com/remuda-dev/remuda/internal/toolshed/fetch"
)

// fetcher makes the test's binary the command that fetches.
const fetcher = "be-the-fetcher"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == fetcher {
		if err := fetch.Main(context.Background(), os.Stdin, os.Stdout); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// open opens a shed that fetches from there.
func open(t *testing.T, dir string, from toolshed.Sources) *toolshed.Shed {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shed, err := toolshed.Open(toolshed.Config{Dir: dir, Fetch: []string{self, fetcher}, Sources: from}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return shed
}

func program(t *testing.T, version string) toolshed.Program {
	t.Helper()
	p, err := toolshed.ProgramOf(version)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAProgramIsFetchedOnceAndKept(t *testing.T) {
	for version, says := range map[string]string{"1.10.0": "tofu 1.10.0\n", "1.9.9": "tofu 1.9.9\n", "1.5.5": "terraform 1.5.5\n"} {
		t.Run(version, func(t *testing.T) {
			v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
			path, fetched, err := open(t, dir, v.sources()).Program(t.Context(), program(t, version))
			if err != nil || !fetched {
				t.Fatalf("fetched is %v (%v)", fetched, err)
			}
			if said, err := exec.Command(path).Output(); err != nil || string(said) != says {
				t.Errorf("it said %q (%v)", said, err)
			}
			again, fetched, err := open(t, dir, v.sources()).Program(t.Context(), program(t, version))
			if err != nil || fetched || again != path || v.archives() != 1 {
				t.Errorf("again it is at %s, fetched is %v, %d downloads (%v)", again, fetched, v.archives(), err)
			}
		})
	}
}

func TestThoseWhoNeedAProgramAtOnceWaitForOneDownload(t *testing.T) {
	v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
	// Two runners of one machine, ten tasks each.
	sheds := []*toolshed.Shed{open(t, dir, v.sources()), open(t, dir, v.sources())}
	var running sync.WaitGroup
	for n := range 20 {
		running.Go(func() {
			if _, _, err := sheds[n%2].Program(t.Context(), program(t, "1.10.0")); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if got := v.archives(); got != 1 {
		t.Errorf("%d downloads", got)
	}
}

func TestATruncatedDownloadIsRefusedAndFetchedAgain(t *testing.T) {
	for _, version := range []string{"1.10.0", "1.5.5"} {
		v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
		v.truncate = 1
		path, _, err := open(t, dir, v.sources()).Program(t.Context(), program(t, version))
		if err != nil {
			t.Fatal(err)
		}
		if said, err := exec.Command(path).Output(); err != nil || !strings.Contains(string(said), version) {
			t.Errorf("it said %q (%v)", said, err)
		}
		if got := v.archives(); got != 2 {
			t.Errorf("%s: %d downloads", version, got)
		}
	}
}

func TestWhatBreaksAgainAndAgainIsNeverKept(t *testing.T) {
	v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
	v.truncate = 100
	_, _, err := open(t, dir, v.sources()).Program(t.Context(), program(t, "1.10.0"))
	if !errors.Is(err, remuda.Unavailable) || !strings.Contains(err.Error(), "--tofu-mirror") {
		t.Errorf("the error is %v", err)
	}
	if _, found := toolshed.Kept(dir, program(t, "1.10.0")); found {
		t.Error("it was kept")
	}
}

func TestAProgramThatWasCutShortOnDiskIsFetchedAgain(t *testing.T) {
	v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
	shed := open(t, dir, v.sources())
	path, _, err := shed.Program(t.Context(), program(t, "1.10.0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 3); err != nil {
		t.Fatal(err)
	}
	if _, fetched, err := shed.Program(t.Context(), program(t, "1.10.0")); err != nil || !fetched {
		t.Errorf("fetched is %v (%v)", fetched, err)
	}
}

func TestASignatureOfSomebodyElseIsRefused(t *testing.T) {
	for _, version := range []string{"1.10.0", "1.5.5"} {
		v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
		other, err := crypto.GenerateKey("Somebody else", "else@example.com", "x25519", 0)
		if err != nil {
			t.Fatal(err)
		}
		key, err := other.GetArmoredPublicKey()
		if err != nil {
			t.Fatal(err)
		}
		from := v.sources()
		from.OpenTofu.Key, from.Terraform.Key = key, key
		if path, _, err := open(t, dir, from).Program(t.Context(), program(t, version)); err == nil {
			t.Errorf("%s lies at %s", version, path)
		}
		if _, found := toolshed.Kept(dir, program(t, version)); found {
			t.Errorf("%s was kept", version)
		}
	}
}

func TestAVersionThatDoesNotExistIsSaidSo(t *testing.T) {
	v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
	for _, version := range []string{"1.99.0", "1.4.99"} {
		_, _, err := open(t, dir, v.sources()).Program(t.Context(), program(t, version))
		if !errors.Is(err, remuda.NotFound) || !strings.Contains(err.Error(), version) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestAFetchedProgramIsTheRunnersAndReadByAll(t *testing.T) {
	v, dir := newVendor(t), filepath.Join(t.TempDir(), "shed")
	path, _, err := open(t, dir, v.sources()).Program(t.Context(), program(t, "1.10.0"))
	if err != nil {
		t.Fatal(err)
	}
	for at := path; at != filepath.Dir(dir); at = filepath.Dir(at) {
		if info, err := os.Stat(at); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s is %v (%v)", at, info.Mode(), err)
		}
	}
}
