package blocks_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// planted secrets have a quote and a tab, so that JSON writes them in another way than they are.
func planted(name string) string { return "p1anted \"" + name + "\"\tthat nobody may read" }

// forms are those in which a secret could lie somewhere.
func forms(secret string) [][]byte {
	escaped, err := json.Marshal(secret)
	if err != nil {
		panic(err)
	}
	twice, err := json.Marshal(string(escaped))
	if err != nil {
		panic(err)
	}
	inner := escaped[1 : len(escaped)-1]
	return [][]byte{
		[]byte(secret), inner, twice[3 : len(twice)-3], []byte(hex.EncodeToString([]byte(secret))),
		[]byte(base64.StdEncoding.EncodeToString([]byte(secret))), []byte(base64.StdEncoding.EncodeToString(inner)),
		[]byte(base64.RawURLEncoding.EncodeToString([]byte(secret))),
	}
}

// raw is all that lies in the store, but for the key.
func (w *town) raw() []byte {
	w.t.Helper()
	if w.address != w.dir {
		return postgrestest.Dump(w.t, w.address)
	}
	var all []byte
	entries, err := os.ReadDir(w.dir)
	done(w.t, err)
	for _, entry := range entries {
		if entry.Name() == "key" || entry.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(w.dir, entry.Name()))
		done(w.t, err)
		all = append(all, text...)
	}
	return all
}

// backup is what a backup has of every row, as it is read from it again.
func (w *town) backup() []byte {
	w.t.Helper()
	snapshot, err := store.OpenSnapshot(w.t.Context(), w.address)
	done(w.t, err)
	var to, rows bytes.Buffer
	writer, err := archive.NewWriter(&to, archive.Head{Schema: snapshot.Schema, Created: time.Now()})
	done(w.t, err)
	done(w.t, snapshot.Write(w.t.Context(), writer, func(store.Progress) {}))
	_, err = writer.Close()
	done(w.t, errors.Join(err, snapshot.Close()))
	_, err = archive.Read(bytes.NewReader(to.Bytes()), archive.Contents{Rows: func(_ archive.Table, some [][]any) error {
		for _, row := range some {
			for _, cell := range row {
				if text, is := cell.([]byte); is {
					cell = string(text)
				}
				_, _ = fmt.Fprintln(&rows, cell)
			}
		}
		return nil
	}})
	done(w.t, err)
	return rows.Bytes()
}

// secretive is a version with a secret wherever one can be.
func secretive() remuda.Version {
	sensitive := remuda.Input{Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true}
	return with(tofu(), func(v *remuda.Version) {
		fixed, preset, coded := sensitive, sensitive, sensitive
		fixed.Assignment, fixed.Argument = remuda.AssignStatic, hiddenly(planted("argument"))
		preset.Default = hiddenly(planted("default"))
		coded.Type, coded.Optional = remuda.TypeCode, true
		v.Inputs = map[string]remuda.Input{"password": sensitive, "fixed": fixed, "preset": preset, "coded": coded}
		v.Outputs = map[string]remuda.Output{"token": {Type: remuda.TypeString}, "declared": {Type: remuda.TypeString, Sensitive: true}}
		o := *v.Implementation.OpenTofu
		o.Files, o.Repository, o.SSHKey = nil, "https://git.example.com/m", hiddenly(planted("ssh"))
		o.Credentials = []remuda.GitCredential{{Host: "git.example.com", Token: hiddenly(planted("credential"))}}
		v.Implementation.OpenTofu = &o
	})
}

// nowhere looks for what was planted in the store, a backup, answers and the log; an id is there.
func (w *town) nowhere(answers []any, id string) {
	w.t.Helper()
	told, err := json.Marshal(answers)
	done(w.t, err)
	places := map[string][]byte{"the store": w.raw(), "a backup": w.backup(), "an answer": told, "the log": []byte(w.log.String())}
	for _, name := range strings.Fields("argument default ssh credential input another code open none plan state output declared") {
		for _, form := range forms(planted(name)) {
			for where, text := range places {
				if bytes.Contains(text, form) {
					w.t.Errorf("%s has the secret of %s as %q", where, name, form)
				}
			}
		}
	}
	for _, where := range []string{"the store", "a backup", "an answer"} {
		if !bytes.Contains(places[where], []byte(id)) {
			w.t.Errorf("%s does not even have the block's id: this test looks at the wrong place", where)
		}
	}
}

func TestASecretOfABlockLiesNowhereOpen(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		var answers []any
		keep := func(answer any, err error) {
			answers = append(answers, answer)
			if err != nil {
				answers = append(answers, err.Error(), fieldsOf(err))
			}
		}
		d := w.define("db", secretive())
		keep(w.owner().Version(ctx, d.ID, 1))
		keep(w.consumer().Version(ctx, d.ID, 1))
		keep(w.owner().Versions(ctx, d.ID, blocks.Span{}))
		taker := w.define("user", with(tofu(), func(v *remuda.Version) {
			v.Inputs = map[string]remuda.Input{"token": {Type: remuda.TypeString, Assignment: remuda.AssignOutput, Argument: valued(d.ID + ".token")}}
		}))
		order := remuda.Block{Name: "b", Definition: d.ID, Inputs: map[string]remuda.Value{"password": hidden(planted("input"))}}
		parent, err := w.consumer().OrderBlock(ctx, order, "key")
		keep(parent, err)
		keep(w.consumer().OrderBlock(ctx, order, "key"))
		order.Inputs = map[string]remuda.Value{"password": hidden(planted("another")), "coded": hidden("{ x = " + planted("code") + " }")}
		keep(w.consumer().OrderBlock(ctx, order, "key"))
		keep(w.consumer().OrderBlock(ctx, order, ""))
		order.Inputs = map[string]remuda.Value{"password": {Value: value(planted("open")).Value}, "none": hidden(planted("none"))}
		keep(w.consumer().OrderBlock(ctx, order, ""))
		child := w.order(taker, nil, below(parent))
		it := w.claim()
		keep(it.claim, nil)
		keep(it.order, nil)
		same(w.t, "what the runner reads", map[string]string{
			"input/password": planted("input"), "input/fixed": planted("argument"), "input/preset": planted("default"),
			"implementation/ssh_key": planted("ssh"), "implementation/credentials/0": planted("credential"),
		}, it.secrets)
		done(w.t, it.door.WriteState(ctx, "", []byte(`{"version":4,"serial":1,"lineage":"l","outputs":{"x":`+string(value(planted("state")).Value)+`}}`)))
		w.finish(it, remuda.RunReport{Outputs: map[string]remuda.RunOutput{
			"token":    {Type: remuda.TypeString, Value: value(planted("output")).Value, Sensitive: true},
			"declared": {Type: remuda.TypeString, Value: value(planted("declared")).Value},
		}}, succeeded)
		w.settled(it)
		w.becomes(child, remuda.BlockPending)
		same(w.t, "what the child's runner reads", map[string]string{"input/token": planted("output")}, w.claim().secrets)
		got(w.owner().RunBlock(ctx, parent.ID, remuda.RunRequest{Behavior: remuda.Detect}))(w.t)
		done(w.t, w.claim().door.SavePlan(ctx, []byte(planted("plan"))))
		admin := w.rules.AsUser(control.User{Name: "root", Admin: true})
		for _, door := range []blocks.UserDoor{w.consumer(), w.owner(), admin} {
			keep(door.Block(ctx, parent.ID))
			keep(door.Block(ctx, child.ID))
			keep(door.Run(ctx, it.order.Run))
			keep(door.Blocks(ctx, blocks.BlockFilter{}, blocks.Span{}))
			keep(door.Runs(ctx, blocks.RunFilter{}, blocks.Span{}))
			keep(door.States(ctx, parent.ID, blocks.Span{}))
		}
		plane := w.plane.AsUser(control.User{Name: "root", Admin: true})
		keep(plane.Task(ctx, it.claim.Task.ID))
		keep(plane.Events(ctx, control.EventFilter{Limit: 1000}))

		w.nowhere(answers, parent.ID)
	})
}
