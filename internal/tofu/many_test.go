package tofu_test

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
	"github.com/remuda-dev/remuda/internal/tofu"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// machine is the shed of a runner, as the agents of its claims find it: behind a socket of each.
type machine struct {
	t       *testing.T
	shed    *toolshed.Shed
	dir     string
	archive string // of the provider

	environment map[string]string // that its operator gives to all tasks
}

// packed is a folder with our own provider as vendors pack them: each init unpacks it anew.
func packed(t *testing.T) (folder, archive string) {
	t.Helper()
	needProof(t)
	const below = "registry.example.test/remuda/proof"
	binaries, err := filepath.Glob(filepath.Join(providers(t), below, "0.1.0/*/*"))
	if err != nil || len(binaries) != 1 {
		t.Fatalf("the provider is %v (%v)", binaries, err)
	}
	binary, err := os.ReadFile(binaries[0])
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, below), 0o700); err != nil {
		t.Fatal(err)
	}
	platform := filepath.Base(filepath.Dir(binaries[0]))
	archive = filepath.Join(folder, below, "terraform-provider-proof_0.1.0_"+platform+".zip")
	file, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	writer := zip.NewWriter(file)
	header := &zip.FileHeader{Name: filepath.Base(binaries[0]), Method: zip.Deflate}
	header.SetMode(0o755)
	member, err := writer.CreateHeader(header)
	if err == nil {
		_, err = member.Write(binary)
	}
	if err = errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	return folder, archive
}

// newMachine is a machine that has the binaries, and gets providers from our folder.
func newMachine(t *testing.T) *machine {
	t.Helper()
	folder, archive := packed(t)
	m := &machine{t: t, dir: filepath.Join(t.TempDir(), "shed"), archive: archive}
	m.shed = openShed(t, m.dir, toolshed.Installation{Folder: folder})
	return m
}

// openShed opens a shed that has the binaries.
func openShed(t *testing.T, dir string, from toolshed.Installation) *toolshed.Shed {
	t.Helper()
	shed, err := toolshed.Open(toolshed.Config{
		Dir: dir, Ready: filepath.Dir(filepath.Dir(program(t, newer))), Providers: from,
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return shed
}

// socket is where the agent of a claim finds it.
func (m *machine) socket(claim remuda.Claim) string {
	m.t.Helper()
	dir, err := os.MkdirTemp("", "shed")
	if err != nil {
		m.t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(m.t.Context(), "unix", filepath.Join(dir, "s"))
	if err != nil {
		m.t.Fatal(err)
	}
	server := &http.Server{Handler: m.shed.For(claim)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	m.t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
		_ = os.RemoveAll(dir)
	})
	return filepath.Join(dir, "s")
}

// run carries an order out as this machine's agents do, and gives how it ended and where.
func (m *machine) run(p *plane, order remuda.RunOrder) (remuda.Result, agent.Folder, error) {
	return m.runIn(m.t.Context(), p, order)
}

func (m *machine) runIn(ctx context.Context, p *plane, order remuda.RunOrder) (remuda.Result, agent.Folder, error) {
	payload, err := json.Marshal(order)
	if err != nil {
		return remuda.Result{}, "", err
	}
	handoff := agent.Handoff{Claim: agenttest.Claim(tofu.Name, payload), Dir: m.t.TempDir(), Environment: m.environment}
	err = agent.Run(ctx, agent.Options{
		Handoff:        handoff,
		Plane:          p,
		Implementation: tofu.New(toolshed.Over(m.socket(handoff.Claim))),
		Log:            slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return remuda.Result{}, "", err
	}
	result, _, err := handoff.Folder().Result()
	return result, handoff.Folder(), err
}

func TestTwentyRunsAtOnceShareTheMachinesProviders(t *testing.T) {
	needProof(t)
	m := newMachine(t)
	module := func(n int) map[string]string {
		return map[string]string{"main.tf": withProof + fmt.Sprintf(`
resource "proof_echo" "it" { secret = "not-so-secret-%d" }
output "n" { value = %d }`, n, n)}
	}
	// The first brings the provider to the machine.
	if result, _, err := m.run(newPlane(), files(remuda.Apply, newer, module(0))); err != nil || result.State != remuda.Succeeded {
		t.Fatalf("the first run ended as %+v (%v)", result, err)
	}
	kept := filepath.Join(m.dir, "providers", "registry.example.test/remuda/proof/0.1.0")
	before, err := os.ReadDir(kept)
	if err != nil || len(before) != 1 {
		t.Fatalf("the machine has %v (%v)", before, err)
	}
	var running sync.WaitGroup
	for n := range 20 {
		running.Go(func() {
			p := newPlane()
			result, folder, err := m.run(p, files(remuda.Apply, newer, module(n+1)))
			if err != nil || result.State != remuda.Succeeded {
				t.Errorf("run %d ended as %+v (%v): %s", n, result, err, p.Seen().All)
				return
			}
			if got := string(p.kept().report.Outputs["n"].Value); got != fmt.Sprint(n+1) {
				t.Errorf("run %d has the output %s", n, got)
			}
			packages, err := filepath.Glob(filepath.Join(folder.Work(), "source/.terraform/providers/registry.example.test/remuda/proof/0.1.0", toolshed.Platform()))
			if err != nil || len(packages) != 1 {
				t.Errorf("run %d has %v (%v)", n, packages, err)
				return
			}
			if _, err := os.Readlink(packages[0]); err != nil {
				t.Errorf("run %d has a provider of its own: %v", n, err)
			}
		})
	}
	running.Wait()
}

func TestFirstRunsAtOnceOfAModuleWithALockFileDownloadItsProviderOnce(t *testing.T) {
	needProof(t)
	module := map[string]string{"main.tf": withProof}
	_, folder, err := newMachine(t).run(newPlane(), files(remuda.Detect, newer, module))
	if err != nil {
		t.Fatal(err)
	}
	locks, err := os.ReadFile(filepath.Join(folder.Work(), "source/.terraform.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	module[".terraform.lock.hcl"] = string(locks)

	m := newMachine(t)
	var running sync.WaitGroup
	for n := range 6 {
		running.Go(func() {
			p := newPlane()
			result, folder, err := m.run(p, files(remuda.Detect, newer, module))
			if err != nil || result.State != remuda.Succeeded {
				t.Errorf("run %d ended as %+v (%v): %s", n, result, err, p.Seen().All)
				return
			}
			unpacked := filepath.Join(folder.Work(), "source/.terraform/providers/registry.example.test/remuda/proof/0.1.0", toolshed.Platform())
			if _, err := os.Readlink(unpacked); err != nil {
				t.Errorf("run %d got the provider itself: %v", n, err)
			}
		})
	}
	running.Wait()
}

// A lock file that was written on another kind of machine knows the archive for this one, and not what it unpacks to.
func TestALockFileThatDoesNotKnowWhatTheMachineKeepsIsHeeded(t *testing.T) {
	m := newMachine(t)
	module := map[string]string{"main.tf": withProof}
	if result, _, err := m.run(newPlane(), files(remuda.Detect, newer, module)); err != nil || result.State != remuda.Succeeded {
		t.Fatalf("the first run ended as %+v (%v)", result, err)
	}
	archive, err := os.ReadFile(m.archive)
	if err != nil {
		t.Fatal(err)
	}
	module[".terraform.lock.hcl"] = fmt.Sprintf(`provider "registry.example.test/remuda/proof" {
  version = "0.1.0"
  hashes  = ["h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "zh:%x"]
}
`, sha256.Sum256(archive))
	p := newPlane()
	if result, _, err := m.run(p, files(remuda.Detect, newer, module)); err != nil || result.State != remuda.Succeeded {
		t.Errorf("the run ended as %+v (%v), saying %s", result, err, p.Seen().All)
	}
}

func TestASavedPlanIsAppliedWithTheProvidersThatItWasMadeWith(t *testing.T) {
	needProof(t)
	module := map[string]string{"main.tf": withProof + `resource "proof_echo" "it" { secret = "once" }`}
	planned := carryOut(t, newPlane(), files(remuda.Detect, newer, module)).succeeded()
	order := files(remuda.Apply, newer, module)
	order.Plan = true
	applied := carryOut(t, planned.plane.next(), order).succeeded()
	if output := applied.output("init_tf"); !strings.Contains(output, "from the dependency lock file") {
		t.Errorf("init chose the provider's version anew: %s", output)
	}
	if plan := applied.plane.kept().report.Plan; plan == nil || plan.Add != 1 {
		t.Errorf("it did %+v", plan)
	}
	again := carryOut(t, applied.plane.next(), order).failed(remuda.ReasonStep, "tofu apply")
	if said := again.output("execute_tf"); !strings.Contains(said, "stale") {
		t.Errorf("a plan that was applied already: %s", said)
	}
	lost := newPlane()
	carryOut(t, lost, order).failed(remuda.ReasonConfig, "plan anew")
}

func TestAClaimGetsTheProgramThatItsPayloadNamesAndNoOther(t *testing.T) {
	m := newMachine(t)
	payload, err := json.Marshal(files(remuda.Apply, newer, greeting))
	if err != nil {
		t.Fatal(err)
	}
	shed := toolshed.Over(m.socket(agenttest.Claim(tofu.Name, payload)))
	if _, err := shed.Program(context.Background(), toolshed.Program{Product: toolshed.OpenTofu, Version: newer}, io.Discard); err != nil {
		t.Error(err)
	}
	if found, err := shed.Program(context.Background(), toolshed.Program{Product: toolshed.OpenTofu, Version: older}, io.Discard); err == nil {
		t.Errorf("another program is at %s", found.Path)
	}
	if m.shed.For(agenttest.Claim("job", payload)) != nil {
		t.Error("a job has a shed")
	}
}

func TestWhereNoTofuCanBeHadItIsSaidWhatToSet(t *testing.T) {
	shed, err := toolshed.Open(toolshed.Config{Dir: filepath.Join(t.TempDir(), "shed")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, shed: shed}
	p := newPlane()
	result, _, err := m.run(p, files(remuda.Apply, newer, greeting, text("name", "x")))
	if err == nil {
		t.Fatalf("the run ended as %+v", result)
	}
	for _, said := range []string{err.Error(), string(p.Seen().All)} {
		if !strings.Contains(said, "--tofu-mirror") || !strings.Contains(said, "--tofu-binary-dir") {
			t.Errorf("it says %q", said)
		}
	}
}
