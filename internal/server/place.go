package server

import (
	"time"

	"github.com/remuda-dev/remuda"
)

// places bounds how many requests of one kind are held open at once: each costs memory for as long as it waits.
type places chan struct{}

func newPlaces(n int) places { return make(places, n) }

// take gives a place until leave is called, or says that there is none.
func (p places) take() (leave func(), err error) {
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	default:
		return nil, &remuda.Error{
			Kind:   remuda.Unavailable,
			Detail: "too many requests are held open; try again in a few seconds",
			Retry:  5 * time.Second,
		}
	}
}

// taken is how many are held now.
func (p places) taken() int { return len(p) }
