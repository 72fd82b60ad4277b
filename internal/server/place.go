package server

import "context"

// places bounds how many requests of one kind are held open at once: each costs memory for as long as it waits.
type places struct {
	what   string
	taking chan struct{}
}

func newPlaces(what string, n int) places { return places{what, make(chan struct{}, n)} }

// take gives a place until leave is called, or says that there is none.
func (p places) take() (leave func(), err error) {
	select {
	case p.taking <- struct{}{}:
		return func() { <-p.taking }, nil
	default:
		return nil, full(p.what, cap(p.taking))
	}
}

// await gives a place as soon as there is one, or when ctx ends the reason for that.
func (p places) await(ctx context.Context) (leave func(), err error) {
	select {
	case p.taking <- struct{}{}:
		return func() { <-p.taking }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// taken is how many are held now.
func (p places) taken() int { return len(p.taking) }
