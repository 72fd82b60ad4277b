package server

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// byBlockUser is embedded in the input of operations of building blocks, which stand at the users' door.
type byBlockUser struct {
	byUser
	blocks blocks.UserDoor
}

// Resolve opens both doors: that of tasks and that of building blocks.
func (b *byBlockUser) Resolve(ctx huma.Context) []error {
	problems := b.byUser.Resolve(ctx)
	b.blocks = ctx.(*call).server.options.Blocks.AsUser(b.who)
	return problems
}

func (p Paging) span() blocks.Span { return blocks.Span{Cursor: p.Cursor, Limit: p.Limit} }

// listedBlocks is listed for what the rules of building blocks list.
func listedBlocks[T any](list blocks.List[T], err error) (remuda.Page[T], error) {
	return listed(remuda.Page[T]{Items: list.Items, Next: list.Next}, err)
}

// numberOf reads what stands in a path for a number. Anything else is the name of nothing.
func numberOf(text, what string) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, remuda.Fail(remuda.NotFound, "no "+what+" "+strconv.Quote(text)+" is here: they are numbered from 1")
	}
	return number, nil
}

// bytesOf is for operations that answer with bytes, which are not JSON of our words.
func bytesOf(content string) option {
	return func(_ *route, op *huma.Operation) {
		op.Responses = map[string]*huma.Response{"200": {
			Description: http.StatusText(http.StatusOK),
			Content:     map[string]*huma.MediaType{content: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		}}
	}
}

// asBytes is the answer of such an operation.
func asBytes(content string, data []byte, err error) (func(huma.Context), error) {
	if err != nil {
		return nil, err
	}
	return func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", content)
		ctx.SetStatus(http.StatusOK)
		_, _ = ctx.BodyWriter().Write(data) // Nobody is left to tell.
	}, nil
}
