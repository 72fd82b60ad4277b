package tofu_test

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// mirror is a network mirror with one version of our own provider, or two.
type mirror struct {
	t       *testing.T
	server  *httptest.Server
	archive []byte
	extra   bool // it has 0.2.0 as well

	mu      sync.Mutex
	asked   map[string]int // for each archive
	given   map[string]int // of those, how many whole
	breaks  int            // how many of the next downloads are cut off
	stalls  int            // how many of the next downloads begin, and never go on
	stalled chan struct{}  // one element for each that does
}

// newMirror serves one, and has tofu trust it here: whoever calls this cannot be parallel.
func newMirror(t *testing.T) (*mirror, *machine) {
	t.Helper()
	_, archive := packed(t)
	packedUp, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	w := &mirror{t: t, archive: packedUp, asked: map[string]int{}, given: map[string]int{}, stalled: make(chan struct{}, 100)}
	w.server = httptest.NewTLSServer(w)
	t.Cleanup(func() {
		w.server.CloseClientConnections() // those that stall
		w.server.Close()
	})
	trusted := filepath.Join(t.TempDir(), "trusted.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
	if err := os.WriteFile(trusted, text, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", trusted)
	m := &machine{t: t, dir: filepath.Join(t.TempDir(), "shed"), environment: map[string]string{"SSL_CERT_FILE": trusted}}
	m.shed = openShed(t, m.dir, w.installation())
	return w, m
}

func (w *mirror) installation() toolshed.Installation {
	return toolshed.Installation{Mirror: w.server.URL + "/"}
}

// ServeHTTP speaks the protocol of network mirrors: an index of versions, the archives of one, an archive.
func (w *mirror) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	dir, name := filepath.Split(in.URL.Path)
	switch {
	case name == "index.json":
		w.mu.Lock()
		versions := `"0.1.0": {}`
		if w.extra {
			versions += `, "0.2.0": {}`
		}
		w.mu.Unlock()
		out.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(out, `{"versions": {%s}}`, versions)
	case strings.HasSuffix(name, ".json"):
		out.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(out, `{"archives": {%q: {"url": "%s.zip", "hashes": ["zh:%x"]}}}`,
			toolshed.Platform(), strings.TrimSuffix(name, ".json"), sha256.Sum256(w.archive))
	default:
		w.download(out, in, strings.TrimPrefix(dir, "/")+name)
	}
}

func (w *mirror) download(out http.ResponseWriter, in *http.Request, name string) {
	w.mu.Lock()
	w.asked[name]++
	breaks, stalls := w.breaks > 0, w.stalls > 0
	w.breaks, w.stalls = max(w.breaks-1, 0), max(w.stalls-1, 0)
	w.mu.Unlock()
	out.Header().Set("Content-Type", "application/zip")
	switch {
	case stalls:
		_, _ = out.Write(w.archive[:len(w.archive)/2])
		out.(http.Flusher).Flush()
		w.stalled <- struct{}{}
		<-in.Context().Done() // until whoever asked is gone
		return
	case breaks: // cut off, without a length by which it could be told
		_, _ = out.Write(w.archive[:len(w.archive)/2])
		return
	}
	if _, err := out.Write(w.archive); err == nil {
		w.mu.Lock()
		w.given[name]++
		w.mu.Unlock()
	}
}

// will has it behave otherwise from now on.
func (w *mirror) will(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// once holds that each archive that was asked for was given once, and these were.
func (w *mirror) once(names ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		if w.given[name] == 0 {
			w.t.Errorf("%s was not downloaded: %v", name, w.given)
		}
	}
	for name, times := range w.given {
		if times != 1 || !slices.Contains(names, name) {
			w.t.Errorf("%s was downloaded %d times", name, times)
		}
	}
}

const proofArchive = "registry.example.test/remuda/proof/0.1.0.zip"

// atOnce runs a module n times at once, and holds that all succeed with the machine's provider.
func (m *machine) atOnce(n int, version string, module map[string]string) {
	m.t.Helper()
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			p := newPlane()
			result, folder, err := m.run(p, files(remuda.Detect, version, module))
			if err != nil || result.State != remuda.Succeeded {
				m.t.Errorf("run %d ended as %+v (%v): %s", i, result, err, p.Seen().All)
				return
			}
			unpacked, err := filepath.Glob(filepath.Join(folder.Work(), "source/.terraform/providers/registry.example.test/remuda/*/*", toolshed.Platform()))
			if err != nil || len(unpacked) == 0 {
				m.t.Errorf("run %d has no provider (%v)", i, err)
			}
			for _, path := range unpacked {
				if _, err := os.Readlink(path); err != nil {
					m.t.Errorf("run %d got a provider itself: %v", i, err)
				}
			}
		})
	}
	running.Wait()
}

func TestFirstRunsAtOnceOfAModuleWithoutALockFileDownloadItsProviderOnce(t *testing.T) {
	for _, version := range []string{newer, older, terraform} {
		t.Run(version, func(t *testing.T) {
			program(t, version)
			w, m := newMirror(t)
			m.atOnce(4, version, map[string]string{"main.tf": withProof})
			w.once(proofArchive)
			// What is published later is downloaded by who comes then: once.
			w.will(func() { w.extra = true })
			m.shed = openShed(t, m.dir, w.installation()) // as when the runner is started anew
			m.atOnce(4, version, map[string]string{"main.tf": withProof})
			w.once(proofArchive, "registry.example.test/remuda/proof/0.2.0.zip")
		})
	}
}

// The constraints of all modules count, and so do those that are written in JSON and those of no version.
func TestWhatModulesOfAModuleNeedIsDownloadedOnce(t *testing.T) {
	for _, version := range []string{newer, terraform} {
		t.Run(version, func(t *testing.T) {
			program(t, version)
			w, m := newMirror(t)
			w.will(func() { w.extra = true })
			m.atOnce(3, version, map[string]string{
				"main.tf": `module "inner" { source = "./inner" }`,
				"versions.tf.json": `{"terraform": {"required_providers": {
					"proof": {"source": "registry.example.test/remuda/proof", "version": ">= 0.1.0"}}}}`,
				"inner/main.tf": `
terraform {
  required_providers {
    proof = {
      source                = "registry.example.test/remuda/proof"
      version               = "~> 0.1.0"
      configuration_aliases = [proof.other]
    }
  }
}
`,
				"main_override.tf": `module "inner" { providers = { proof.other = proof } }`,
			})
			w.once(proofArchive)
		})
	}
}

func TestATruncatedProviderIsRefusedAndFetchedAgain(t *testing.T) {
	for _, version := range []string{newer, older, terraform} {
		t.Run(version, func(t *testing.T) {
			program(t, version)
			w, m := newMirror(t)
			w.will(func() { w.breaks = 1 })
			m.atOnce(3, version, map[string]string{"main.tf": withProof})
			w.once(proofArchive)
			if asked := w.asked[proofArchive]; asked != 2 {
				t.Errorf("it was asked for %d times", asked)
			}
		})
	}
}

func TestARunThatIsAbortedWhileItsProviderComesLetsTheNextGoOn(t *testing.T) {
	w, m := newMirror(t)
	w.will(func() { w.stalls = 1 })
	module := map[string]string{"main.tf": withProof}
	ctx, abort := context.WithCancel(t.Context())
	aborted := make(chan error, 1)
	go func() {
		result, _, err := m.runIn(ctx, newPlane(), files(remuda.Detect, newer, module))
		if err == nil && result.State == remuda.Succeeded {
			err = errors.New("it succeeded")
		}
		aborted <- err
	}()
	<-w.stalled
	var others sync.WaitGroup
	others.Go(func() { m.atOnce(3, newer, module) })
	abort()
	if err := <-aborted; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the aborted run ended with %v", err)
	}
	others.Wait()
	w.once(proofArchive)
}

// holdsTurn is set in a process that is to get our provider from this mirror for the machine whose shed lies in shedDir.
const (
	holdsTurn = "REMUDA_TEST_MIRROR"
	shedDir   = "REMUDA_TEST_SHED"
	withTofu  = "REMUDA_TEST_TOFU"
)

// holdTurn is what that process does.
func holdTurn() error {
	shed, err := toolshed.Open(toolshed.Config{
		Dir: os.Getenv(shedDir), Providers: toolshed.Installation{Mirror: os.Getenv(holdsTurn)},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return shed.KeepProvider(context.Background(), os.Getenv(withTofu), toolshed.Need{Source: "registry.example.test/remuda/proof"})
}

func TestARunnerThatIsKilledWhileAProviderComesLetsTheNextGoOn(t *testing.T) {
	w, m := newMirror(t)
	w.will(func() { w.stalls = 1 })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.Command(self)
	holder.Env = append(os.Environ(), holdsTurn+"="+w.server.URL+"/", shedDir+"="+m.dir, withTofu+"="+program(t, newer))
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	<-w.stalled
	var others sync.WaitGroup
	others.Go(func() { m.atOnce(2, newer, map[string]string{"main.tf": withProof}) })
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := holder.Wait(); !errors.As(err, &ended) {
		t.Errorf("the one that was killed ended with %v", err)
	}
	others.Wait()
	w.once(proofArchive)
	if left, err := filepath.Glob(filepath.Join(m.dir, ".new-*")); err != nil || len(left) > 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
}
