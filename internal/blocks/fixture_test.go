package blocks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
)

// town is a control plane with the rules of blocks, settling beside the test, and one runner that a test drives.
type town struct {
	t     *testing.T
	dir   string
	store *store.Store
	// address is the store's: dir, or a database of PostgreSQL.
	address string
	keys    control.Keys
	log     *diary
	plane   *control.Plane
	rules   *blocks.Rules
	token   string // class token of plat/tofu
	horse   *horse

	spare []remuda.Claim // that the runner got beside the one that it asked for

	stopRules func()
}

// onBoth runs a fact over SQLite and over PostgreSQL.
func onBoth(t *testing.T, fact func(*town)) {
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fact(newTown(t, postgres))
		})
	}
}

func newTown(t *testing.T, postgres bool) *town {
	t.Helper()
	w := &town{t: t, dir: t.TempDir(), log: &diary{}, token: settled.token}
	if err := os.CopyFS(w.dir, os.DirFS(settled.dir)); err != nil {
		t.Fatal(err)
	}
	address := w.dir
	if postgres {
		settled.once.Do(func() {
			address := postgrestest.Fresh(t)
			token, err := settle(context.Background(), address, settled.dir)
			done(t, err)
			settled.postgres, settled.postgresToken = address, token
		})
		if settled.postgres == "" {
			t.Skip("there is no PostgreSQL")
		}
		address, w.token = postgrestest.Copy(t, settled.postgres), settled.postgresToken
	}
	w.address = address
	var err error
	if w.store, err = store.Open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { done(t, w.store.Close()) })
	if w.keys, err = vault.Open(filepath.Join(w.dir, "key")); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.plane = control.New(control.Options{Store: w.store, Keys: w.keys, Log: log})
	w.rules = blocks.New(blocks.Options{Plane: w.plane, Store: w.store, Keys: w.keys, Log: log})
	w.beside(w.plane.Run)
	w.stopRules = w.beside(w.rules.Run)
	return w
}

// beside runs something until the test ends, or until stop is called.
func (w *town) beside(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// diary keeps what is logged.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got is a value that was made without an error.
func got[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v %+v", err, fieldsOf(err))
		}
		return value
	}
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantKind(t testing.TB, err error, want remuda.Kind) {
	t.Helper()
	if err == nil || remuda.KindOf(err) != want {
		t.Fatalf("error = %v (%s), want %s", err, remuda.KindOf(err), want)
	}
}

// fieldsOf are the members that an error speaks of, by their location.
func fieldsOf(err error) map[string]string {
	fields := map[string]string{}
	var e *remuda.Error
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			fields[f.Location] = f.Message
		}
	}
	return fields
}

// as is the door of someone of an organization.
func (w *town) as(organization string, role remuda.Role) blocks.UserDoor {
	w.t.Helper()
	return w.rules.AsUser(w.user(organization, role))
}

func (w *town) user(organization string, role remuda.Role) control.User {
	w.t.Helper()
	var row control.OrganizationRow
	done(w.t, w.store.Read(w.t.Context(), func(v control.View) (err error) {
		row, err = v.OrganizationByName(w.t.Context(), organization)
		return err
	}))
	return control.User{Name: string(role) + "@" + organization, Organization: organization, OrganizationID: row.ID, Role: role}
}

// key is the door of an API key.
func (w *town) key(organization string, permissions ...string) blocks.UserDoor {
	w.t.Helper()
	user := w.user(organization, "")
	user.Name, user.Permissions = "key@"+organization, append([]string{}, permissions...)
	return w.rules.AsUser(user)
}

func (w *town) owner() blocks.UserDoor    { return w.as("plat", remuda.RoleAdmin) }
func (w *town) consumer() blocks.UserDoor { return w.as("acme", remuda.RoleMember) }

func value(v any) remuda.Value {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return remuda.Value{Value: text}
}

func valued(v any) *remuda.Value {
	made := value(v)
	return &made
}

func hidden(text string) remuda.Value {
	secret := remuda.NewSecret(text)
	return remuda.Value{Secret: &secret}
}

func hiddenly(text string) *remuda.Value {
	made := hidden(text)
	return &made
}

// tofu is a version that a runner carries out, with one input.
func tofu() remuda.Version {
	return remuda.Version{
		ResourceClass: "plat/tofu",
		Implementation: remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: &remuda.OpenTofuBlueprint{
			Version: "1.10.10", Files: map[string]string{"main.tf": "# nothing"},
		}},
		Inputs: map[string]remuda.Input{"size": {Type: remuda.TypeInteger, Assignment: remuda.AssignUser}},
	}
}

func with(v remuda.Version, change func(*remuda.Version)) remuda.Version {
	change(&v)
	return v
}

// define makes a definition of plat for everybody, with one released version.
func (w *town) define(name string, v remuda.Version, change ...func(*remuda.Definition)) remuda.Definition {
	w.t.Helper()
	d := remuda.Definition{Name: name, Access: remuda.AccessAll, RunTransparency: true}
	for _, c := range change {
		c(&d)
	}
	made := got(w.owner().CreateDefinition(w.t.Context(), d))(w.t)
	got(w.owner().ChangeVersion(w.t.Context(), made.ID, 1, v))(w.t)
	got(w.owner().ReleaseVersion(w.t.Context(), made.ID, 1))(w.t)
	return made
}

// release adds a version to a definition.
func (w *town) release(d remuda.Definition, v remuda.Version) int {
	w.t.Helper()
	made := got(w.owner().CreateVersion(w.t.Context(), d.ID, v))(w.t)
	got(w.owner().ReleaseVersion(w.t.Context(), d.ID, made.Number))(w.t)
	return made.Number
}

// order orders a block of a definition as a member of acme.
func (w *town) order(d remuda.Definition, inputs map[string]remuda.Value, change ...func(*remuda.Block)) remuda.Block {
	w.t.Helper()
	o := remuda.Block{Name: "a " + d.Name, Definition: d.ID, Inputs: inputs}
	for _, c := range change {
		c(&o)
	}
	return got(w.consumer().OrderBlock(w.t.Context(), o, ""))(w.t)
}

func below(parents ...remuda.Block) func(*remuda.Block) {
	return func(b *remuda.Block) {
		for _, p := range parents {
			b.Parents = append(b.Parents, p.ID)
		}
	}
}

// patience is how long something may take: only what is broken reaches it.
const patience = 2 * time.Minute

// until waits for what other goroutines bring about.
func (w *town) until(what string, is func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			w.t.Fatalf("in vain: %s\n%s", what, w.log)
		case <-tick.C:
		}
	}
}

// block is how a block stands for a member of acme.
func (w *town) block(b remuda.Block) remuda.Block {
	w.t.Helper()
	return got(w.consumer().Block(w.t.Context(), b.ID))(w.t)
}

func (w *town) wantStatus(b remuda.Block, want remuda.BlockStatus) remuda.Block {
	w.t.Helper()
	now := w.block(b)
	if now.Status != want {
		w.t.Fatalf("block %s is %s (%s; missing %v), want %s", now.Name, now.Status, now.Detail, now.Missing, want)
	}
	return now
}

// becomes waits until a block stands so.
func (w *town) becomes(b remuda.Block, want remuda.BlockStatus) remuda.Block {
	w.t.Helper()
	w.until(fmt.Sprintf("block %s is %s", b.Name, want), func() bool { return w.block(b).Status == want })
	return w.block(b)
}

// events are what happened, by type, whose names begin with a prefix.
func (w *town) events(prefix string) (told []string) {
	w.t.Helper()
	events := got(w.plane.AsUser(control.User{Name: "root", Admin: true}).Events(w.t.Context(), control.EventFilter{Type: prefix + "*", Limit: 1000}))(w.t)
	for _, e := range events {
		told = append(told, e.Type)
	}
	return told
}

// runs are a block's, the oldest first.
func (w *town) runs(b remuda.Block) []remuda.BlockRun {
	w.t.Helper()
	runs := got(w.owner().Runs(w.t.Context(), blocks.RunFilter{Block: b.ID}, blocks.Span{Limit: 100}))(w.t).Items
	slices.Reverse(runs)
	return runs
}

func pointer[T any](v T) *T { return &v }
