package tofu_test

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// repository is a bare git repository with these files on its branch main.
func repository(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	work, bare := t.TempDir(), filepath.Join(t.TempDir(), name)
	git := func(arguments ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", work, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, arguments...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", arguments, err, out)
		}
	}
	git("init", "--quiet", "--initial-branch=main")
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(work, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git("add", ".")
	git("commit", "--quiet", "-m", "first")
	git("tag", "v1")
	git("clone", "--quiet", "--bare", work, bare)
	return bare
}

// serveGit serves the repositories of a folder over HTTP to whoever knows the password.
func serveGit(t *testing.T, folder, password string) *httptest.Server {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + folder, "GIT_HTTP_EXPORT_ALL=1"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// cloned is an order for a module in a repository.
func cloned(behavior remuda.Behavior, address, path, ref string) remuda.RunOrder {
	order := files(behavior, newer, nil)
	order.Implementation.OpenTofu.Repository = address
	order.Implementation.OpenTofu.Path, order.Implementation.OpenTofu.Ref = path, ref
	return order
}

func TestARepositoryAndItsModulesAreLetInByOneTokenThatIsFoundNowhere(t *testing.T) {
	const password = "a-token-for-git"
	inner := repository(t, "inner.git", map[string]string{"main.tf": `output "said" { value = "from within" }`})
	server := serveGit(t, filepath.Dir(inner), password)
	outer := repository(t, "outer.git", map[string]string{
		"deep/er/main.tf": `
module "inner" { source = "git::` + server.URL + `/inner.git?ref=v1" }
output "said" { value = module.inner.said }`,
	})
	if err := os.Rename(outer, filepath.Join(filepath.Dir(inner), "outer.git")); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	order := cloned(remuda.Apply, server.URL+"/outer.git", "deep/er", "main")
	order.Implementation.OpenTofu.Credentials = []remuda.GitCredential{{Host: host, Token: &remuda.Value{Hash: "implementation/credentials/0"}}}
	order.Implementation.OpenTofu.PreRunScript = `env | grep -c GIT_ && exit 1
grep -rF "a-token""-for-git" "$HOME" "$TMPDIR" "$PWD/../.." && exit 1
true`
	withToken := func(h *agent.Handoff) { h.Secrets = map[string]string{"implementation/credentials/0": password} }
	d := carryOut(t, newPlane(), order, withToken).succeeded()
	d.wantOutputs(map[string]string{"said": `string "from within"`})

	order.Implementation.OpenTofu.Credentials = nil
	carryOut(t, newPlane(), order).failed(remuda.ReasonStep, "cannot check out", "git ls-remote")
}

func TestARefMayBeATagOrACommit(t *testing.T) {
	bare := repository(t, "it.git", greeting)
	commit, err := exec.Command("git", "-C", bare, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"", "main", "v1", strings.TrimSpace(string(commit)), string(commit[:9])} {
		order := cloned(remuda.Detect, bare, "", ref)
		order.Inputs = []remuda.RunInput{text("name", "x")}
		carryOut(t, newPlane(), order).succeeded()
	}
	carryOut(t, newPlane(), cloned(remuda.Detect, bare, "", "nowhere")).failed(remuda.ReasonConfig, "nowhere")
}

func TestOverSSHKeyAndKnownHostAreThoseOfTheDefinition(t *testing.T) {
	bare := repository(t, "it.git", map[string]string{"main.tf": `
module "inner" { source = "git::ssh://git@git.example.com:2222` + "PATH" + `?ref=v1" }
output "said" { value = module.inner.said }`, "inner/main.tf": ""})
	inner := repository(t, "inner.git", map[string]string{"main.tf": `output "said" { value = "over ssh" }`})
	// The module's address is known only now.
	replaceInRepository(t, bare, inner)
	bin, seen := t.TempDir(), t.TempDir()
	script := `#!/bin/sh
echo "$@" >> ` + seen + `/arguments
while [ $# -gt 0 ]; do
  case "$1" in
    -i) cp -p "$2" ` + seen + `/key;;
    -o) case "$2" in UserKnownHostsFile=*) eval "cp ${2#UserKnownHostsFile=} ` + seen + `/known_hosts";; esac;;
  esac
  last=$1; shift
done
eval "exec ${last}"
`
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	order := cloned(remuda.Apply, "git@git.example.com:"+bare, "", "main")
	order.Implementation.OpenTofu.SSHKey = &remuda.Value{Hash: "implementation/ssh_key"}
	order.Implementation.OpenTofu.KnownHost = &remuda.KnownHost{Host: "git.example.com:2222", KeyType: "ssh-ed25519", Key: "AAAA"}
	d := carryOut(t, newPlane(), order, func(h *agent.Handoff) {
		h.Secrets = map[string]string{"implementation/ssh_key": "-----BEGIN KEY-----\nabcd\n-----END KEY-----"}
		h.Environment = map[string]string{"PATH": bin + ":" + os.Getenv("PATH")}
	}).succeeded()
	d.wantOutputs(map[string]string{"said": `string "over ssh"`})
	for file, want := range map[string]string{
		"key":         "-----BEGIN KEY-----\nabcd\n-----END KEY-----\n",
		"known_hosts": "[git.example.com]:2222 ssh-ed25519 AAAA\n",
	} {
		if got, err := os.ReadFile(filepath.Join(seen, file)); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v)", file, got, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(d.folder.Tmp(), "ssh-*")); err != nil || len(left) != 0 {
		t.Errorf("keys were left at %v (%v)", left, err)
	}
}

// replaceInRepository gives the module in a bare repository its real address.
func replaceInRepository(t *testing.T, bare, inner string) {
	t.Helper()
	script := `set -e; cd "$(mktemp -d)"; git clone -q "$1" w; cd w
sed -i "s|PATH|$2|" main.tf
git -c user.name=Ada -c user.email=ada@example.com commit -q -a -m address
git push -q origin main`
	if out, err := exec.Command("sh", "-c", script, "sh", bare, inner).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestAFolderThatLeadsOutOfTheRepositoryIsRefused(t *testing.T) {
	bare := repository(t, "it.git", greeting)
	script := `set -e; cd "$(mktemp -d)"; git clone -q "$1" w; cd w; ln -s /tmp out; git add out
git -c user.name=Ada -c user.email=ada@example.com commit -q -m link; git push -q origin main`
	if out, err := exec.Command("sh", "-c", script, "sh", bare).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	carryOut(t, newPlane(), cloned(remuda.Apply, bare, "out", "main")).failed(remuda.ReasonConfig, "leads out")
}
