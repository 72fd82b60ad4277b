package blocks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

func (w *town) publicKey() string {
	w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	done(w.t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	done(w.t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestAnEntryIsAClassNamedByIt(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		e := remuda.BlockRunnerEntry{
			DisplayName: "Our Runners (Köln)!", PublicKey: w.publicKey(), Implementation: "TERRAFORM", Restricted: true, SelfHosted: true,
			Extra: remuda.Extra{"workloadIdentityFederation": json.RawMessage(`{"issuer":"x"}`)},
		}
		made := got(w.owner().CreateRunnerEntry(ctx, e))(w.t)
		if !regexp.MustCompile(`^plat/our-runners-k-ln-`+made.ID[:8]+`$`).MatchString(made.ResourceClass) || made.Organization != "plat" || made.LastSeenAt != nil {
			t.Errorf("made is %+v", made)
		}
		same(w.t, "shown", made, got(w.owner().RunnerEntry(ctx, made.ID))(w.t))
		again := got(w.owner().CreateRunnerEntry(ctx, e))(w.t) // in the same minute, of the same name
		if again.ResourceClass == made.ResourceClass || !strings.HasSuffix(again.ResourceClass, again.ID[:8]) {
			t.Errorf("another of that name is %+v", again)
		}

		d := w.define("vendor's", with(tofu(), func(v *remuda.Version) { v.ResourceClass = made.ResourceClass }))
		w.order(d, map[string]remuda.Value{"size": value(7)})
		node := got(w.plane.Node(ctx, made.ID, "n1", "block-runner", "1"))(w.t)
		claim := got(node.ClaimOne(ctx))(w.t)
		if claim == nil || claim.Task.ResourceClass != made.ResourceClass {
			t.Fatalf("its node gets %+v", claim)
		}
		if seen := got(w.owner().RunnerEntry(ctx, made.ID))(w.t); seen.LastSeenAt == nil {
			t.Error("nobody has seen its node")
		}

		// What has a history is kept, without its entry; what has none is not.
		wantKind(w.t, w.owner().DeleteRunnerEntry(ctx, made.ID), remuda.Conflict)
		got(w.plane.AsTask(claim.ID).Begin(ctx, remuda.Begin{}))(w.t)
		done(w.t, node.Finish(ctx, claim.ID, succeeded))
		done(w.t, w.owner().DeleteRunnerEntry(ctx, made.ID))
		done(w.t, w.owner().DeleteRunnerEntry(ctx, again.ID))
		wantKind(w.t, second(w.owner().RunnerEntry(ctx, made.ID)), remuda.NotFound)
		wantKind(w.t, second(w.plane.Node(ctx, made.ID, "n1", "", "")), remuda.NotFound)
		root := w.plane.AsUser(control.User{Name: "root", Admin: true})
		got(root.ResourceClass(ctx, made.ResourceClass))(w.t)
		wantKind(w.t, second(root.ResourceClass(ctx, again.ResourceClass)), remuda.NotFound)
	})
}

func TestAnEntryHasRulesOfForm(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		good := remuda.BlockRunnerEntry{DisplayName: "n", PublicKey: w.publicKey(), Implementation: "ALL", Restricted: true}
		for member, change := range map[string]func(*remuda.BlockRunnerEntry){
			"body.display_name":   func(e *remuda.BlockRunnerEntry) { e.DisplayName = "" },
			"body.implementation": func(e *remuda.BlockRunnerEntry) { e.Implementation = "terraform" },
			"body.public_key":     func(e *remuda.BlockRunnerEntry) { e.PublicKey = "ssh-rsa AAAA" },
		} {
			bad := good
			change(&bad)
			_, err := w.owner().CreateRunnerEntry(ctx, bad)
			wantKind(w.t, err, remuda.Invalid)
			if fieldsOf(err)[member] == "" {
				t.Errorf("%s: %v", member, err)
			}
		}
		_, err := w.as("acme", remuda.RoleAdmin).CreateRunnerEntry(ctx, good) // it has no namespace
		wantKind(w.t, err, remuda.Conflict)
	})
}

func TestOnlyTheAdministratorOpensAnEntryToEverybody(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		open := remuda.BlockRunnerEntry{DisplayName: "open", Implementation: "ALL"}
		wantKind(w.t, second(w.owner().CreateRunnerEntry(ctx, open)), remuda.Forbidden)
		restricted := open
		restricted.Restricted = true
		made := got(w.owner().CreateRunnerEntry(ctx, restricted))(w.t)
		wantKind(w.t, second(w.owner().ChangeRunnerEntry(ctx, made.ID, open)), remuda.Forbidden)
		wantKind(w.t, second(w.consumer().RunnerEntry(ctx, made.ID)), remuda.NotFound)
		same(w.t, "seen by others", 0, len(got(w.consumer().RunnerEntries(ctx, "", blocks.Span{}))(w.t).Items))

		opened := got(w.key("plat", remuda.PermitRunnerSave, remuda.Everywhere(remuda.PermitRunnerSave)).ChangeRunnerEntry(ctx, made.ID, open))(w.t)
		same(w.t, "restricted", false, opened.Restricted)
		same(w.t, "its class", made.ResourceClass, opened.ResourceClass)
		got(w.consumer().RunnerEntry(ctx, made.ID))(w.t)
		same(w.t, "seen by others", 1, len(got(w.consumer().RunnerEntries(ctx, "", blocks.Span{}))(w.t).Items))
		got(w.owner().ChangeRunnerEntry(ctx, made.ID, open))(w.t) // open it is already
		got(w.owner().ChangeRunnerEntry(ctx, made.ID, restricted))(w.t)
		wantKind(w.t, second(w.consumer().RunnerEntry(ctx, made.ID)), remuda.NotFound)

		wantKind(w.t, second(w.as("plat", remuda.RoleMember).ChangeRunnerEntry(ctx, made.ID, restricted)), remuda.Forbidden)
		wantKind(w.t, w.key("plat", remuda.PermitRunnerSave, remuda.PermitRunnerList).DeleteRunnerEntry(ctx, made.ID), remuda.Forbidden)
		wantKind(w.t, w.consumer().DeleteRunnerEntry(ctx, made.ID), remuda.NotFound)
		done(w.t, w.key("plat", remuda.PermitRunnerDelete).DeleteRunnerEntry(ctx, made.ID))
	})
}
