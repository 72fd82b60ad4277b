package proof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// database is what a site keeps its tasks in.
type database interface {
	arguments() []string // of remuda server, besides its folder
	victims() []victim   // what of it can be killed
	check() error        // whether it is whole, when no control plane uses it
	end()                // with all its processes
}

// victim is something that can be killed at any moment and comes back.
type victim struct {
	name string
	odds float64 // that it is among those that are killed together
	kill func()
	back func()
}

// site is all of Remuda, as processes.
type site struct {
	t        *testing.T
	dir      string
	door     *door
	database database
	planes   []*unit
	runners  []*unit
	user     *client.User

	before       map[int]bool // processes
	agentsKilled int
}

const (
	owner = "proof"
	class = "proof/default"
	slots = 4
)

// newFolder makes a folder through which tasks' users pass. What is left in it says at the end what went wrong.
func newFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "remuda-proof-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	for _, below := range []string{"bucket", "counts", "tmp"} {
		if err == nil {
			err = os.Mkdir(filepath.Join(dir, below), 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what is left lies in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// openSite starts control planes over one database, and runners.
func openSite(t *testing.T, dir string, d database, planes, runners int) *site {
	t.Helper()
	s := &site{t: t, dir: dir, door: openDoor(t), database: d, before: present()}
	t.Cleanup(s.killAll)
	for n := range planes {
		s.share(n)
		s.planes = append(s.planes, s.newPlane(n))
		s.planes[n].start()
		if n == 0 { // the first makes the administrator's token and brings the database up to date
			s.settle()
		}
	}
	for n := range runners {
		s.runners = append(s.runners, s.newRunner(n))
		s.runners[n].start()
	}
	return s
}

func (s *site) data() string { return s.dataOf(0) }

func (s *site) dataOf(n int) string {
	if n == 0 {
		return filepath.Join(s.dir, "data")
	}
	return filepath.Join(s.dir, fmt.Sprintf("data-%d", n))
}

// share gives a replica what all have in common besides the database.
func (s *site) share(n int) {
	s.t.Helper()
	if n == 0 {
		return
	}
	err := os.Mkdir(s.dataOf(n), 0o700)
	for _, name := range []string{"key", "admin-token"} {
		data, read := os.ReadFile(filepath.Join(s.data(), name))
		err = errors.Join(err, read, os.WriteFile(filepath.Join(s.dataOf(n), name), data, 0o600))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// answersAt finds the address in what a control plane says when it is up.
func answersAt() *regexp.Regexp {
	return regexp.MustCompile(`the control plane answers.*"url":"http://([0-9.:]+)"`)
}

func (s *site) newPlane(n int) *unit {
	name, pattern := fmt.Sprintf("plane-%d", n), answersAt()
	return &unit{
		t: s.t, name: name, log: filepath.Join(s.dir, name+".log"),
		argv: append([]string{filepath.Join(bin, "remuda"), "server", "--dir", s.dataOf(n), "--listen", "127.0.0.1:0", "--log-format", "json",
			"--bucket", "file://" + filepath.Join(s.dir, "bucket")}, s.database.arguments()...),
		heard: func(line string) {
			if found := pattern.FindStringSubmatch(line); found != nil {
				s.door.lead(name, found[1])
			}
		},
	}
}

func (s *site) newRunner(n int) *unit {
	name := fmt.Sprintf("runner-%d", n)
	dir := filepath.Join(s.dir, name)
	if n == 1 { // too long for a unix socket's name
		dir = filepath.Join(s.dir, name+strings.Repeat("-long", 12))
	}
	return &unit{
		t: s.t, name: name, log: filepath.Join(s.dir, name+".log"),
		argv: []string{filepath.Join(bin, "remuda"), "runner", "--url", s.door.url(), "--name", name, "--slots", fmt.Sprint(slots),
			"--dir", dir, "--token-file", filepath.Join(s.dir, "class-token"), "--log-format", "json"},
		env: []string{"TMPDIR=" + filepath.Join(s.dir, "tmp")},
	}
}

// answers waits until a control plane does.
func (s *site) answers(long time.Duration) {
	s.t.Helper()
	until(s.t, long, "a control plane that answers", func() error {
		_, err := s.user.WhoAmI(s.t.Context())
		return err
	})
}

// revive starts control planes that ended, as a service manager does: one that finds no database says so and ends.
func (s *site) revive() {
	for _, u := range s.planes {
		if !u.alive() {
			s.door.lead(u.name, "")
			u.start()
		}
	}
}

func (s *site) token() string {
	s.t.Helper()
	token, err := os.ReadFile(filepath.Join(s.data(), "admin-token"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// settle waits for the first control plane and makes what tasks need.
func (s *site) settle() {
	s.t.Helper()
	ctx, t := s.t.Context(), s.t
	c, err := client.New(s.door.url(), client.Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	until(t, 30*time.Second, "a control plane that can be used", func() error {
		token, err := os.ReadFile(filepath.Join(s.data(), "admin-token"))
		if err != nil {
			return err
		}
		s.user = c.User(strings.TrimSpace(string(token)))
		_, err = s.user.WhoAmI(ctx)
		return err
	})
	_, err = s.user.CreateOrganization(ctx, remuda.Organization{Name: owner, TaskLimit: 1000})
	if err == nil {
		_, err = s.user.ClaimNamespace(ctx, owner, owner)
	}
	if err == nil {
		_, err = s.user.CreateResourceClass(ctx, remuda.ResourceClass{Name: class})
	}
	var token remuda.Token
	if err == nil {
		token, err = s.user.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "herd", ResourceClass: class})
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, "class-token"), []byte(token.Token), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// victims are the processes that are killed, each with the odds that it is among them.
func (s *site) victims(dice *rand.Rand) []victim {
	var all []victim
	for _, u := range s.planes {
		odds := 0.45
		if u.powered {
			odds = 0.9
		}
		all = append(all, victim{u.name, odds, func() {
			s.door.lead(u.name, "")
			u.kill()
		}, u.start})
	}
	for _, u := range s.runners {
		all = append(all, victim{u.name, 0.35, u.kill, u.start})
	}
	some := func() { s.agentsKilled += killAgents(func() bool { return dice.Float64() < 0.3 }) }
	all = append(all, victim{"agents", 0.4, some, func() {}})
	return append(all, s.database.victims()...)
}

// killAll ends what a test that failed left.
func (s *site) killAll() {
	for _, u := range append(append([]*unit{}, s.runners...), s.planes...) {
		u.signal(syscall.SIGCONT) // a stopped one ends by KILL alone
		u.kill()
	}
	killAgents(func() bool { return true })
	for _, p := range processesOf(s.dir) {
		_ = p.Kill()
	}
}

// whole says that no program complained of itself.
func (s *site) whole() error {
	var all []error
	for _, u := range append(append([]*unit{}, s.runners...), s.planes...) {
		all = append(all, u.complaints())
	}
	return errors.Join(all...)
}
