package control_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const planted = "p1anted-s3cret-that-nobody-may-read"

// forms are those in which a secret could lie somewhere.
func forms(secret string) [][]byte {
	return [][]byte{
		[]byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte(secret))), []byte(hex.EncodeToString([]byte(secret))),
		[]byte(base64.RawURLEncoding.EncodeToString([]byte(secret))),
	}
}

func TestASecretLiesNowhereOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		submission := with(func(s *remuda.Submission) {
			s.Secrets = map[string]remuda.Secret{"PASSWORD": remuda.NewSecret(planted)}
		})
		var answers []any
		keep := func(answer any, err error) {
			answers = append(answers, answer)
			if err != nil {
				answers = append(answers, err.Error())
			}
		}
		keep(r.admin.Submit(ctx, submission, "key"))
		keep(r.admin.Submit(ctx, submission, "key"))
		other := submission
		other.Secrets = map[string]remuda.Secret{"PASSWORD": remuda.NewSecret("another " + planted)}
		keep(r.admin.Submit(ctx, other, "key"))
		other.Secrets = map[string]remuda.Secret{"not a name": remuda.NewSecret(planted)}
		keep(r.admin.Submit(ctx, other, ""))
		keep(r.plane.Register(ctx, remuda.Registration{Name: "n", Tokens: []remuda.Secret{remuda.NewSecret(planted)}, PublicKey: r.register(1).key.Public()}, ""))
		keep(r.plane.Authenticate(ctx, planted))
		keep(r.plane.Authenticate(ctx, "rmd_org_"+planted))
		task := answers[0].(remuda.JobSubmitted).Tasks[0].ID
		h := r.register(1)
		claim := r.claim(h)
		keep(claim, nil)
		same(t, "what the runner reads", planted, r.secretsOf(h, claim)["PASSWORD"])
		keep(h.Sync(ctx, remuda.Sync{Ready: true})) // delivered again
		done(t, h.Finish(ctx, claim.ID, succeeded))
		keep(r.admin.Task(ctx, task))
		keep(r.admin.RetryTask(ctx, task))
		keep(r.admin.Why(ctx, task))
		keep(r.admin.Tasks(ctx, control.TaskFilter{}, control.PageQuery{}))
		keep(r.admin.Events(ctx, control.EventFilter{Limit: 1000}))
		keep(r.admin.Runners(ctx, control.RunnerFilter{}, control.PageQuery{}))

		told, err := json.Marshal(answers)
		done(t, err)
		raw := r.raw()
		for _, form := range forms(planted) {
			for where, text := range map[string][]byte{"the data folder": raw, "an answer": told, "the log": []byte(r.log.String())} {
				if bytes.Contains(text, form) {
					t.Errorf("%s has it as %s", where, form)
				}
			}
		}
		if !bytes.Contains(raw, []byte(task)) || !bytes.Contains(told, []byte(task)) {
			t.Error("not even the task's id is found: this test looks at the wrong place")
		}
	})
}

// A restored store without its key file: what cannot be read is said to whom it concerns, and keeps no runner from the
// others.
func TestAClaimWhoseSecretsCannotBeReadFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		sealed := r.submit(with(func(s *remuda.Submission) {
			s.Secrets = map[string]remuda.Secret{"PASSWORD": remuda.NewSecret(planted)}
		}))
		plain := r.submit(hello())
		r.keys = otherKeys{r.keys}
		r.restart(control.Options{})
		h := r.register(2)
		answer := must(t, h.Sync, ctx, remuda.Sync{Ready: true})
		if len(answer.Claims) != 1 || answer.Claims[0].Task.ID != plain {
			t.Errorf("answered is %+v", answer)
		}
		failed := r.wantState(sealed, remuda.Failed)
		if failed.Reason != remuda.ReasonConfig || !strings.Contains(failed.Detail, "key of this control plane") {
			t.Errorf("it is %+v", failed)
		}
		if class := must(t, r.admin.ResourceClass, ctx, "acme/linux"); class.Running != 1 {
			t.Errorf("%d are counted as running", class.Running)
		}
		if !strings.Contains(r.log.String(), "decrypt secrets") || strings.Contains(r.log.String(), planted) {
			t.Errorf("the log is %s", r.log)
		}
	})
}

func TestASealedClaimOpensWithItsRunnersKeyAndItsIdAlone(t *testing.T) {
	r := newRanch(t)
	r.submit(hello())
	r.submit(hello())
	h, other := r.register(1), r.register(1)
	claim, foreign := r.claim(h), r.claim(other)
	if _, err := other.key.Open([]byte(claim.ID), claim.Sealed); err == nil {
		t.Error("another runner opens it")
	}
	if _, err := h.key.Open([]byte(foreign.ID), claim.Sealed); err == nil {
		t.Error("it opens as another claim")
	}
	if claim.Token == foreign.Token {
		t.Error("two claims have one token")
	}
}
