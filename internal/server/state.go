package server

import (
	"context"
	"crypto/md5" //nolint:gosec // it finds what broke on the way, as OpenTofu's protocol has it; it keeps nobody out
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// stateBody is how large states and plans may be.
const stateBody = 16 << 20

// stateSized is for operations that take such a body.
func stateSized(r *route, _ *huma.Operation) { r.limit = stateBody }

// byRun is embedded in the input of operations of whoever carries out a run of a building block.
type byRun struct {
	byTask
	run blocks.RunDoor
	at  string // the address at which we were reached
	by  string // the token by which
}

// ClaimID is how paths name a claim.
type ClaimID struct {
	Claim string `path:"claim" doc:"The claim's id"`
}

// Resolve opens both doors: that of tasks and that of building blocks.
func (b *byRun) Resolve(ctx huma.Context) []error {
	problems := b.byTask.Resolve(ctx)
	c := ctx.(*call)
	b.run = c.server.options.Blocks.AsRun(c.principal.Claim)
	b.at = addressOf(c.request)
	b.by, _ = bearerOf(c.request.Header) // by which it came here
	return problems
}

type claimedRunInput struct {
	byRun
	ClaimID
}

// readState answers with the text, and its MD5, as OpenTofu's http backend looks for it.
func readState(ctx context.Context, in *claimedRunInput) (func(huma.Context), error) {
	state, err := in.run.State(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx huma.Context) {
		ctx.SetHeader("Content-MD5", sumOf(state))
		write, _ := asBytes(jsonType, state, nil)
		write(ctx)
	}, nil
}

func sumOf(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

type writeStateInput struct {
	byRun
	ClaimID
	Lock       string `query:"lock" maxLength:"200" doc:"The id of the lock that the run holds; absent when it took none"`
	ContentMD5 string `header:"Content-MD5" maxLength:"100" doc:"Of the body, as base64; a body with another one is refused"`
	RawBody    []byte // for the document alone: huma would copy it
}

func writeState(ctx context.Context, in *writeStateInput) (func(huma.Context), error) {
	if in.ContentMD5 != "" && in.ContentMD5 != sumOf(in.sent) {
		return nil, remuda.Fail(remuda.Invalid, "the state broke on its way: its MD5 is another one; send it again")
	}
	return orHolder(http.StatusLocked, in.run.WriteState(ctx, in.Lock, in.sent))
}

type deleteStateInput struct {
	byRun
	ClaimID
	Lock string `query:"lock" maxLength:"200" doc:"The id of the lock that the run holds; absent when it took none"`
}

func deleteState(ctx context.Context, in *deleteStateInput) (func(huma.Context), error) {
	return orHolder(http.StatusLocked, in.run.DeleteState(ctx, in.Lock))
}

type lockStateInput struct {
	byRun
	ClaimID
	Body remuda.StateLock
}

func lockState(ctx context.Context, in *lockStateInput) (func(huma.Context), error) {
	_, err := in.run.LockState(ctx, in.Body)
	return orHolder(http.StatusLocked, err)
}

type unlockStateInput struct {
	byRun
	ClaimID
	ID string `query:"id" maxLength:"200" doc:"The lock's id; whichever the run holds when empty"`
}

func unlockState(ctx context.Context, in *unlockStateInput) (func(huma.Context), error) {
	_, err := in.run.UnlockState(ctx, in.ID)
	return orHolder(http.StatusConflict, err)
}

// orHolder answers that all went well, or with a status and who holds the lock when that is in the way.
func orHolder(status int, err error) (func(huma.Context), error) {
	var locked *blocks.Locked
	switch {
	case errors.As(err, &locked):
		return func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", jsonType)
			ctx.SetStatus(status)
			_ = json.NewEncoder(ctx.BodyWriter()).Encode(locked.Holder) // Nobody is left to tell.
		}, nil
	case err != nil:
		return nil, err
	}
	return func(ctx huma.Context) { ctx.SetStatus(http.StatusNoContent) }, nil
}

// holding documents an operation that answers with nothing, or with who holds the lock.
func holding(status string) option {
	return func(_ *route, op *huma.Operation) {
		op.Responses = map[string]*huma.Response{
			"204": {Description: "It was done."},
			status: {
				Description: "Somebody else holds the lock: the body says who.",
				Content: map[string]*huma.MediaType{jsonType: {Schema: &huma.Schema{
					Type: huma.TypeObject, Description: "The lock as its holder described it, in OpenTofu's words",
					Properties: map[string]*huma.Schema{"ID": {Type: huma.TypeString}, "Who": {Type: huma.TypeString}, "Operation": {Type: huma.TypeString}},
				}}},
			},
		}
	}
}

type savePlanInput struct {
	byRun
	ClaimID
	RawBody []byte // for the document alone: huma would copy it
}

func savePlan(ctx context.Context, in *savePlanInput) (nothing, error) {
	return nothing{}, in.run.SavePlan(ctx, in.sent)
}

func readSavedPlan(ctx context.Context, in *claimedRunInput) (func(huma.Context), error) {
	plan, err := in.run.SavedPlan(ctx)
	return asBytes(rawContent, plan, err)
}

type reportRunInput struct {
	byRun
	ClaimID
	Body remuda.RunReport
}

func reportRun(ctx context.Context, in *reportRunInput) (nothing, error) {
	return nothing{}, in.run.Report(ctx, in.Body)
}

// showRunToken tells those who carry out a run by what others may report of it: how they themselves do.
func showRunToken(ctx context.Context, in *claimedRunInput) (remuda.RunToken, error) {
	return remuda.RunToken{Token: in.by, URL: in.at}, in.run.MayHandOn(ctx)
}

// addressOf is the address at which a client reached us.
func addressOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
