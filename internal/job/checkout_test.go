package job_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// repository is a git repository with some history: branch main, whose last commit is tagged v1, branch topic/x, and
// a commit that only refs/pull/1/head names.
type repository struct {
	t    *testing.T
	path string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{t, filepath.Join(t.TempDir(), "app.git")}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	if err := os.Mkdir(r.path, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("init", "--quiet", "--initial-branch=main")
	r.commit("first")
	r.commit("second")
	r.git("tag", "v1")
	r.git("checkout", "--quiet", "-b", "topic/x")
	r.commit("third")
	r.git("checkout", "--quiet", "--detach")
	r.commit("pulled")
	r.git("update-ref", "refs/pull/1/head", "HEAD")
	r.git("checkout", "--quiet", "main")
	return r
}

func (r repository) git(arguments ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.path, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, arguments...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v: %s", arguments, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes a commit whose file says its name.
func (r repository) commit(name string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.path, "file"), []byte(name+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", "file")
	r.git("commit", "--quiet", "-m", name)
}

// serve serves the repository over HTTP as git does, to those who know ada's password if there is one.
func (r repository) serve(password string) *httptest.Server {
	r.t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	backend := filepath.Join(strings.TrimSpace(string(path)), "git-http-backend")
	if _, missing := os.Stat(backend); err != nil || missing != nil {
		r.t.Skip("git http-backend is not installed")
	}
	handler := &cgi.Handler{
		Path:   backend,
		Env:    []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.path), "GIT_HTTP_EXPORT_ALL=1"},
		Stderr: &bytes.Buffer{},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		user, given, _ := request.BasicAuth()
		if password != "" && (user != "ada" || given != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if protocol := request.Header.Get("Git-Protocol"); protocol != "" {
			request.Header.Set("Git-Protocol", protocol)
		}
		handler.ServeHTTP(w, request)
	}))
	r.t.Cleanup(server.Close)
	return server
}

func from(repository, ref string) func(*agent.Handoff) {
	return func(h *agent.Handoff) { h.Claim.Task.Source = remuda.Source{Repository: repository, Ref: ref} }
}

func checkout(c remuda.Checkout) remuda.JobStep { return remuda.JobStep{Checkout: &c} }

func TestARefMayBeABranchATagOrACommit(t *testing.T) {
	r := newRepository(t)
	url := r.serve("").URL + "/app.git"
	tip, pulled := r.git("rev-parse", "topic/x"), r.git("rev-parse", "refs/pull/1/head")
	for name, test := range map[string]struct{ ref, file, branch string }{
		"nothing":                 {"", "second", ""},
		"a branch":                {"main", "second", "main"},
		"a branch with a slash":   {"topic/x", "third", "topic/x"},
		"a branch's full name":    {"refs/heads/topic/x", "third", "topic/x"},
		"a tag":                   {"v1", "second", ""},
		"a tag's full name":       {"refs/tags/v1", "second", ""},
		"a commit":                {tip, "third", ""},
		"a commit of no branch":   {pulled, "pulled", ""},
		"some other ref":          {"refs/pull/1/head", "pulled", ""},
		"an abbreviated commit":   {tip[:10], "third", ""},
		"a branch, shallow":       {"topic/x", "third", "topic/x"},
		"a tag, shallow":          {"v1", "second", ""},
		"a commit, shallow":       {pulled, "pulled", ""},
		"some other ref, shallow": {"refs/pull/1/head", "pulled", ""},
	} {
		t.Run(name, func(t *testing.T) {
			depth := 0
			if strings.HasSuffix(name, "shallow") {
				depth = 1
			}
			d := carryOut(t, steps(
				checkout(remuda.Checkout{Depth: depth}),
				run(remuda.Run{Command: "cat file; echo \"$(git branch --show-current)\"; git rev-list --count HEAD; git status --short"}),
				run(remuda.Run{Command: "git rev-parse HEAD"}),
			), from(url, test.ref)).succeeded()
			lines := strings.Split(d.Plane.Output(1), "\n")
			if lines[0] != test.file || lines[1] != test.branch {
				t.Errorf("checked out %q", lines)
			}
			if shallow := lines[2] == "1"; shallow != (depth == 1) {
				t.Errorf("there are %s commits of history", lines[2])
			}
			if head := strings.TrimSpace(d.Plane.Output(2)); !strings.HasSuffix(d.Plane.Output(0), "remuda: checked out commit "+head+"\n") {
				t.Errorf("the output %q does not tell the commit %s", d.Plane.Output(0), head)
			}
		})
	}
}

func TestAFolderOfThisMachineCanBeCheckedOut(t *testing.T) {
	r := newRepository(t)
	for _, address := range []string{r.path, "file://" + r.path} {
		d := carryOut(t, steps(checkout(remuda.Checkout{Path: "src"}), run(remuda.Run{Command: "cat src/file"})), from(address, "main"))
		d.succeeded().wrote(1, "second\n")
	}
}

func TestAnUnknownRefIsSaid(t *testing.T) {
	r := newRepository(t)
	for _, depth := range []int{0, 1} {
		d := carryOut(t, steps(checkout(remuda.Checkout{Depth: depth})), from(r.path, "nope"))
		d.failed(remuda.ReasonStep, `step "Checkout" cannot check out: "nope" is no branch, tag or commit of `+r.path)
	}
}

func TestAnOriginThatIsAwayIsSaid(t *testing.T) {
	d := carryOut(t, steps(checkout(remuda.Checkout{})), from("/no/such/repository", "main"))
	d.failed(remuda.ReasonStep, "cannot check out /no/such/repository: git fetch ended with exit code 128", "its output says why")
}

func TestATokenLetsInAndIsFoundNowhereAfterwards(t *testing.T) {
	const token = "tok/en+with=odd&chars 47"
	r := newRepository(t)
	url := r.serve(token).URL + "/app.git"
	d := carryOut(t, steps(
		checkout(remuda.Checkout{Username: "ada", Token: "GIT_TOKEN"}),
		run(remuda.Run{Command: `cat file; git remote get-url origin; unset GIT_TOKEN
if grep -rF "tok/en" . "$HOME" "$TMPDIR"; then echo "found in a file"; fi
if env | grep -F "tok/en"; then echo "found in the environment"; fi
if env | grep "^GIT_\|^REMUDA_GIT"; then echo "left in the environment"; fi
if git fetch origin 2> /dev/null; then echo "still let in"; fi`}),
	), from(url, "main"), func(h *agent.Handoff) { h.Secrets = map[string]string{"GIT_TOKEN": token} })
	d.succeeded().wrote(1, "second\n"+url+"\n")
}

func TestATokenIsInNoArgument(t *testing.T) {
	const token = "token-that-nobody-sees"
	r := newRepository(t)
	// A git that tells its arguments, as ps would.
	bin := t.TempDir()
	real, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	log := filepath.Join(bin, "log")
	script := "#!/bin/sh\necho \"$@\" >> " + log + "\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	carryOut(t, steps(checkout(remuda.Checkout{Username: "ada", Token: "T"})), from(r.serve(token).URL+"/app.git", "main"), func(h *agent.Handoff) {
		h.Secrets = map[string]string{"T": token}
		h.Environment = map[string]string{"PATH": bin + ":" + os.Getenv("PATH")}
	}).succeeded()
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "fetch") || strings.Contains(string(text), token) {
		t.Errorf("git was called with: %s (%v)", text, err)
	}
}

func TestAPasswordInTheAddressIsUsedAndHidden(t *testing.T) {
	r := newRepository(t)
	url := strings.Replace(r.serve("pass-in-address").URL, "//", "//ada:pass-in-address@", 1) + "/app.git"
	d := carryOut(t, steps(
		checkout(remuda.Checkout{}),
		run(remuda.Run{Command: "cat file; cat .git/config; echo $REMUDA_SOURCE_REPOSITORY"}),
	), from(url, "main")).succeeded()
	for n := range d.steps {
		if got := d.Plane.Output(n); strings.Contains(got, "pass-in-address") || got == "" {
			t.Errorf("step %d wrote %q", n, got)
		}
	}
}

func TestAWrongTokenFailsAtOnce(t *testing.T) {
	r := newRepository(t)
	d := carryOut(t, steps(checkout(remuda.Checkout{Username: "ada", Token: "T"})), from(r.serve("right-token").URL+"/app.git", "main"),
		func(h *agent.Handoff) { h.Secrets = map[string]string{"T": "wrong-token"} })
	d.failed(remuda.ReasonStep, "git fetch ended with exit code 128")
}

func TestACheckoutThatCannotBeIsAFailureOfTheConfig(t *testing.T) {
	for name, test := range map[string]struct {
		source remuda.Source
		step   remuda.Checkout
		want   string
	}{
		"no source":           {remuda.Source{}, remuda.Checkout{}, "source.repository is empty"},
		"a command":           {remuda.Source{Repository: "ext::sh -c id"}, remuda.Checkout{}, "is of a kind that is not allowed"},
		"an option":           {remuda.Source{Repository: "--upload-pack=id"}, remuda.Checkout{}, "is of a kind that is not allowed"},
		"a relative path":     {remuda.Source{Repository: "../app"}, remuda.Checkout{}, "is of a kind that is not allowed"},
		"another protocol":    {remuda.Source{Repository: "git://example.com/app"}, remuda.Checkout{}, "is of a kind that is not allowed"},
		"a host as an option": {remuda.Source{Repository: "ssh://-oProxyCommand=id/app"}, remuda.Checkout{}, "names no host"},
		"a ref as an option":  {remuda.Source{Repository: "/app", Ref: "--upload-pack=id"}, remuda.Checkout{}, "is no name of a branch"},
		"two refs":            {remuda.Source{Repository: "/app", Ref: "a:b"}, remuda.Checkout{}, "is no name of a branch"},
		"no secret":           {remuda.Source{Repository: "https://example.com/app"}, remuda.Checkout{Token: "T"}, "needs the secret T, which this task was not given"},
		"a fork's secret":     {remuda.Source{Repository: "git@example.com:app", Fork: true}, remuda.Checkout{SSHKey: "K"}, "needs the secret K, and a task of a fork gets none"},
		"a token in clear":    {remuda.Source{Repository: "http://example.com/app"}, remuda.Checkout{Token: "HAD"}, "use https"},
	} {
		t.Run(name, func(t *testing.T) {
			d := carryOut(t, steps(checkout(test.step)), func(h *agent.Handoff) {
				h.Claim.Task.Source = test.source
				h.Secrets = map[string]string{"HAD": "a-secret"}
			})
			d.failed(remuda.ReasonConfig, test.want)
		})
	}
}

func TestAFolderWithOtherThingsIsNotTouched(t *testing.T) {
	r := newRepository(t)
	d := carryOut(t, steps(
		run(remuda.Run{Command: "echo mine > file"}),
		checkout(remuda.Checkout{}),
		run(remuda.Run{Command: "cat file", When: remuda.Always}),
	), from(r.path, "main"))
	d.failed(remuda.ReasonStep, "is not empty and holds no git work tree")
	d.wrote(2, "mine\n")
}

func TestAFolderThatIsUsedAgainIsAsGoodAsNew(t *testing.T) {
	r := newRepository(t)
	work := filepath.Join(t.TempDir(), "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	again := func(h *agent.Handoff) { h.Workspace = work }
	carryOut(t, steps(
		checkout(remuda.Checkout{Depth: 1}),
		run(remuda.Run{Command: `echo changed > file; touch untracked; mkdir -p ignored/deep; echo ignored > .gitignore
touch .git/index.lock
printf '#!/bin/sh\necho hooked\n' > .git/hooks-ran; mkdir -p .git/hooks
printf '#!/bin/sh\ntouch ` + work + `/../hooked\n' | tee .git/hooks/post-checkout > .git/hooks/reference-transaction; chmod +x .git/hooks/*
git config core.fsmonitor "touch ` + work + `/../fsmonitored; false"
git config core.sshCommand "touch ` + work + `/../sshed"`}),
	), from(r.path, "main"), again).succeeded()

	d := carryOut(t, steps(
		checkout(remuda.Checkout{}),
		run(remuda.Run{Command: "cat file; ls -A; git status --short; git rev-list --count HEAD; git branch --show-current; ls .."}),
	), from(r.path, "topic/x"), again)
	d.succeeded().wrote(1, "third\n.git\nfile\n3\ntopic/x\n"+filepath.Base(work)+"\n")
}

func TestOverSSHTheKeyIsForThatCommandOnly(t *testing.T) {
	r := newRepository(t)
	bin, seen := t.TempDir(), t.TempDir()
	// The far side of ssh: notes how it was called, then does what sshd would.
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
	d := carryOut(t, steps(
		checkout(remuda.Checkout{SSHKey: "KEY", KnownHosts: "example.com ssh-ed25519 AAAA"}),
		run(remuda.Run{Command: `cat file; git remote get-url origin; unset KEY
if grep -rF "PRIV""ATE" . "$HOME" "$TMPDIR" ../steps; then echo "found in a file"; fi
env | grep "GIT_SSH" || true`}),
	), from("git@example.com:"+r.path, "main"), func(h *agent.Handoff) {
		h.Environment = map[string]string{"PATH": bin + ":" + os.Getenv("PATH")}
		h.Secrets = map[string]string{"KEY": "-----BEGIN PRIVATE KEY-----\nabcd\n-----END PRIVATE KEY-----"}
	})
	d.succeeded().wrote(1, "second\ngit@example.com:"+r.path+"\n")
	for file, want := range map[string]string{
		"key":         "-----BEGIN PRIVATE KEY-----\nabcd\n-----END PRIVATE KEY-----\n",
		"known_hosts": "example.com ssh-ed25519 AAAA\n",
	} {
		if got, err := os.ReadFile(filepath.Join(seen, file)); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v)", file, got, err)
		}
	}
	if info, err := os.Stat(filepath.Join(seen, "key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v (%v)", info, err)
	}
	arguments, err := os.ReadFile(filepath.Join(seen, "arguments"))
	if err != nil || !strings.Contains(string(arguments), "StrictHostKeyChecking=yes") || !strings.Contains(string(arguments), "BatchMode=yes") {
		t.Errorf("ssh was called with %q (%v)", arguments, err)
	}
}

func TestACheckoutThatIsCancelledEndsItsGit(t *testing.T) {
	asked, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { close(asked) })
		<-open // an origin that does not answer
	}))
	defer server.Close()
	defer close(open)
	a := begin(t, steps(checkout(remuda.Checkout{})), from(server.URL+"/app.git", "main"))
	<-asked
	a.Stop()
	if code := a.Wait(); code != agent.ExitDone || a.Result().State != remuda.Canceled {
		t.Errorf("the agent ended with %d and %+v", code, a.Result())
	}
	if got := a.Plane.Seen().Steps[0].State; got != remuda.StepCanceled {
		t.Errorf("the step is %s", got)
	}
}

// Tasks of a runner that is root run as a user who owns no repository.
func TestARepositoryOfAnotherUserIsCheckedOut(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes a repository another user's")
	}
	r := newRepository(t)
	err := filepath.WalkDir(r.path, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, 65534, 65534))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"main", "refs/pull/1/head"} {
		d := carryOut(t, steps(checkout(remuda.Checkout{}), run(remuda.Run{Command: "cat file"})), from(r.path, ref)).succeeded()
		if got := d.Plane.Output(1); got == "" {
			t.Errorf("%s: nothing was checked out", ref)
		}
	}
}
