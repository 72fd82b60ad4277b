package control_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the format has it
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// pool is acme/linux as another system's runners serve it.
type pool struct {
	*ranch
	key   *rsa.PrivateKey
	class string // its id
	entry control.EntryRow
}

func (r *ranch) pool() pool {
	r.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	done(r.t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	done(r.t, err)
	p := pool{ranch: r, key: key}
	ctx := r.t.Context()
	done(r.t, r.store.Write(ctx, control.Alone, func(tx control.Tx) error {
		class, err := tx.ClassByName(ctx, "acme/linux")
		if err != nil {
			return err
		}
		p.class = class.ID
		token := control.TokenRow{ID: control.NewID(), Kind: remuda.ClassToken, Hash: []byte(control.NewID()), Nickname: "nodes", ClassID: &class.ID}
		p.entry = control.EntryRow{
			ID: class.ID, DisplayName: "pool", PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
			Capabilities: "opentofu", Extra: "{}", TokenID: token.ID,
		}
		if err := tx.Insert(ctx, &token); err != nil {
			return err
		}
		return tx.Insert(ctx, &p.entry)
	}))
	return p
}

// node is the door of a machine of the pool.
func (p pool) node(id string) control.RunnerDoor {
	p.t.Helper()
	return got(p.plane.Node(p.t.Context(), p.class, id, "block-runner", "9.9.9"))(p.t)
}

// one asks for a claim.
func (p pool) one(d control.RunnerDoor) *remuda.Claim {
	p.t.Helper()
	return got(d.ClaimOne(p.t.Context()))(p.t)
}

func (p pool) open(text string) string {
	p.t.Helper()
	sealed := got(base64.StdEncoding.DecodeString(text))(p.t)
	size := p.key.Size()
	once := got(rsa.DecryptOAEP(sha1.New(), nil, p.key, sealed[:size], nil))(p.t) //nolint:gosec // as above
	gcm := got(cipher.NewGCM(got(aes.NewCipher(once))(p.t)))(p.t)
	return string(got(gcm.Open(nil, sealed[size+4:size+16], sealed[size+16:], nil))(p.t))
}

func TestANodeClaimsOneTaskAtATimeAndOpensItsSecretsSingly(t *testing.T) {
	r := newRanch(t)
	p := r.pool()
	if p.one(p.node("n1")) != nil {
		t.Fatal("there is a claim of no task")
	}
	first := r.submit(with(func(s *remuda.Submission) {
		s.Secrets = map[string]remuda.Secret{"ONE": remuda.NewSecret("hunter2"), "TWO": remuda.NewSecret("hunter3")}
	}))
	second := r.submit(hello())
	claim := p.one(p.node("n1"))
	if claim == nil || claim.Task.ID != first {
		t.Fatalf("the claim is %+v", claim)
	}
	var sealed map[string]string
	done(t, json.Unmarshal(claim.Sealed, &sealed))
	opened := map[string]string{}
	for name, text := range sealed {
		opened[name] = p.open(text)
	}
	same(t, "secrets", map[string]string{"ONE": "hunter2", "TWO": "hunter3"}, opened)

	// The answer may have been lost: until it begins, it is delivered again, to that node alone.
	if again := p.one(p.node("n1")); again == nil || again.ID != claim.ID {
		t.Errorf("asked again, the node gets %+v", again)
	}
	other := p.one(p.node("n2"))
	if other == nil || other.Task.ID != second {
		t.Fatalf("another node gets %+v", other)
	}
	r.begin(*claim)
	third := r.submit(hello())
	if next := p.one(p.node("n1")); next == nil || next.Task.ID != third {
		t.Errorf("a node that has begun gets %+v", next)
	}
	done(t, p.node("n1").Finish(t.Context(), claim.ID, succeeded))
	r.wantState(first, remuda.Succeeded)
}

func TestANodeIsOneRunnerHoweverOftenItAsks(t *testing.T) {
	r := newRanch(t)
	p := r.pool()
	for range 3 {
		p.one(p.node("n1"))
	}
	p.node("n2")
	runners := got(r.admin.Runners(t.Context(), control.RunnerFilter{ResourceClass: "acme/linux"}, control.PageQuery{}))(t).Items
	if len(runners) != 2 || runners[1].Name != "n1" || runners[1].Version != "block-runner 9.9.9" || runners[1].Capabilities[0] != "opentofu" {
		t.Errorf("the runners are %+v", runners)
	}
	for _, id := range []string{"", " ", string(make([]byte, 201))} {
		_, err := r.plane.Node(t.Context(), p.class, id, "", "")
		wantKind(t, err, remuda.Invalid)
	}
	_, err := r.plane.Node(t.Context(), control.NewID(), "n1", "", "")
	wantKind(t, err, remuda.NotFound)
}

func TestANodeThatLeftIsTakenBackAndFollowsItsEntry(t *testing.T) {
	r := newRanch(t)
	p := r.pool()
	ctx := t.Context()
	done(t, p.node("n1").Goodbye(ctx))
	wantKind(t, second(p.rawNode("n1").ClaimOne(ctx)), remuda.Gone)
	p.entry.Capabilities = "github"
	done(t, r.store.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Update(ctx, &p.entry, "capabilities") }))
	p.one(p.node("n1"))
	runners := got(r.admin.Runners(ctx, control.RunnerFilter{ResourceClass: "acme/linux"}, control.PageQuery{}))(t).Items
	if len(runners) != 1 || runners[0].Capabilities[0] != "github" {
		t.Errorf("the runners are %+v", runners)
	}
}

// rawNode is the door of a node that is known, as it was.
func (p pool) rawNode(name string) control.RunnerDoor {
	p.t.Helper()
	for _, r := range got(p.admin.Runners(p.t.Context(), control.RunnerFilter{State: remuda.RunnerLost}, control.PageQuery{}))(p.t).Items {
		if r.Name == name {
			return p.plane.AsRunner(r.ID)
		}
	}
	p.t.Fatalf("there is no node %s", name)
	return control.RunnerDoor{}
}

func TestARevokedTokenKeepsAPoolsNodesOut(t *testing.T) {
	r := newRanch(t)
	p := r.pool()
	ctx := t.Context()
	known := p.node("n1")
	done(t, r.admin.RevokeToken(ctx, p.entry.TokenID))
	_, err := r.plane.Node(ctx, p.class, "n1", "", "")
	wantKind(t, err, remuda.Forbidden)
	r.submit(hello())
	if claim := p.one(known); claim != nil {
		t.Errorf("it still claims %+v", claim)
	}
}

func TestSecretsThatCannotBeSealedFailTheirTask(t *testing.T) {
	r := newRanch(t)
	p := r.pool()
	ctx := t.Context()
	p.entry.PublicKey = ""
	done(t, r.store.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Update(ctx, &p.entry, "public_key") }))
	id := r.submit(with(func(s *remuda.Submission) { s.Secrets = map[string]remuda.Secret{"ONE": remuda.NewSecret("hunter2")} }))
	if claim := p.one(p.node("n1")); claim != nil {
		t.Errorf("it is delivered as %+v", claim)
	}
	task := r.wantState(id, remuda.Failed)
	if task.Reason != remuda.ReasonConfig || task.Detail == "" {
		t.Errorf("the task failed for %s: %s", task.Reason, task.Detail)
	}
	plain := r.submit(hello())
	if claim := p.one(p.node("n1")); claim == nil || claim.Task.ID != plain {
		t.Errorf("one without secrets is delivered as %+v", claim)
	}
}

func TestOnlyANodesClaimIsEndedForIt(t *testing.T) {
	r := newRanch(t)
	p := r.pool()
	ctx := t.Context()
	task := r.submit(hello())
	claim := p.one(p.node("n1"))
	r.begin(*claim)
	door := got(r.plane.NodeOf(ctx, claim.ID))(t)
	done(t, door.Finish(ctx, claim.ID, succeeded))
	r.wantState(task, remuda.Succeeded)

	_, _, registered, _ := r.lead(hello())
	wantKind(t, second(r.plane.NodeOf(ctx, registered.ID)), remuda.Forbidden)
	wantKind(t, second(r.plane.NodeOf(ctx, control.NewID())), remuda.NotFound)
}

func TestAClaimThatANodeNeverBeganGoesBackToTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		p := r.pool()
		stop := r.run()
		defer stop()
		task := r.submit(hello())
		p.one(p.node("n1"))
		time.Sleep(35 * time.Second)
		synctest.Wait()
		r.wantState(task, remuda.Queued)
		if claim := p.one(p.node("n2")); claim == nil || claim.Attempt != 2 {
			t.Errorf("the next node gets %+v", claim)
		}
	})
}
