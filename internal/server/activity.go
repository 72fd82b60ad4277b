package server

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

type showActivityInput struct {
	byUser
	From time.Time `query:"from" doc:"When the first step is, or begins; an hour before to when absent"`
	To   time.Time `query:"to" doc:"When the last step is, or ends; now when absent"`
	Step string    `query:"step" maxLength:"20" example:"15m" doc:"How long each step is, from 1m to 1d; 1m when absent. An answer has at most 1000 of them"`
}

func showActivity(ctx context.Context, in *showActivityInput) (remuda.Page[remuda.Activity], error) {
	step := remuda.Duration(time.Minute)
	if in.Step != "" {
		if err := step.UnmarshalText([]byte(in.Step)); err != nil {
			field := remuda.Field{Location: "query.step", Message: err.Error()}
			return remuda.Page[remuda.Activity]{}, &remuda.Error{Kind: remuda.Invalid, Detail: sentence([]remuda.Field{field}), Fields: []remuda.Field{field}}
		}
	}
	if in.To.IsZero() {
		in.To = time.Now()
	}
	if in.From.IsZero() {
		in.From = in.To.Add(-time.Hour)
	}
	items, err := in.door.Activity(ctx, in.From, in.To, step.Std())
	return listed(remuda.Page[remuda.Activity]{Items: items}, err)
}
