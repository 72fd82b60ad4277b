package simulation

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// The measures of output, a few thousandths of the real ones: a little output makes many parts.
const (
	pieceSize = 64
	partSize  = 256
	boundSize = 4 * partSize
)

// furnish gives the store of a folder what this seed has of it.
func (w *world) furnish(f *folder) {
	f.held.MeasureOutput(pieceSize, partSize, boundSize)
	f.held.KeepOutputIn(nil)
	if !w.plan.bucket {
		return
	}
	w.shed = &shed{w: w, chance: stream(w.plan.seed, "shed"), objects: map[string][]byte{}}
	f.held.KeepOutputIn(w.shed)
	if w.mutation.bucket != nil {
		f.held.KeepOutputIn(w.mutation.bucket(w.shed))
	}
}

// shed is a bucket in memory, behind a road of its own.
type shed struct {
	w *world

	mu      sync.Mutex
	chance  *rand.Rand
	objects map[string][]byte
}

var errShed = errors.New("the bucket is away")

// Put keeps an object. One that fails may have come all the same, and even later than its caller waits.
func (s *shed) Put(ctx context.Context, name string, data []byte) error {
	data = slices.Clone(data)
	arrives, err := s.travels(ctx)
	switch {
	case arrives < 0:
	case arrives > 0:
		s.w.background.Go(func() {
			pause(s.w.ctx, arrives)
			s.keep(name, data)
		})
	default:
		s.keep(name, data)
	}
	return err
}

func (s *shed) keep(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = data
}

// Read gives a part of an object.
func (s *shed) Read(ctx context.Context, name string, offset, size int64) ([]byte, error) {
	if _, err := s.travels(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, there := s.objects[name]
	if !there {
		return nil, remuda.NotFound
	}
	return slices.Clone(data[offset : offset+size]), nil
}

// Delete takes an object away.
func (s *shed) Delete(ctx context.Context, name string) error {
	arrives, err := s.travels(ctx)
	if arrives >= 0 {
		s.forget(func(other string) bool { return other == name })
	}
	return err
}

// DeleteAll takes a folder away.
func (s *shed) DeleteAll(ctx context.Context, folder string) error {
	arrives, err := s.travels(ctx)
	if arrives >= 0 {
		s.forget(func(other string) bool { return strings.HasPrefix(other, folder+"/") })
	}
	return err
}

func (s *shed) forget(is func(name string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.objects, func(name string, _ []byte) bool { return is(name) })
}

func (s *shed) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// never says that a call does not arrive.
const never = time.Duration(-1)

// travels is the way of a call there and back: when it arrives after its answer, and whether that is good.
func (s *shed) travels(ctx context.Context) (arrives time.Duration, err error) {
	s.mu.Lock()
	what, wait, late := s.chance.IntN(8), between(s.chance, 0, 20*time.Millisecond), between(s.chance, 0, 12*time.Second)
	s.mu.Unlock()
	if !s.w.troubled() || !s.w.site.dry.Load() {
		what = -1
	}
	switch what {
	case 0, 1: // it fails, at once or after a while
		pause(ctx, wait)
		return never, errShed
	case 2:
		pause(ctx, late)
		return never, errShed
	case 3: // it is carried out, and the answer is lost
		pause(ctx, wait)
		return 0, errShed
	case 4: // it is carried out when nobody waits any more
		pause(ctx, wait)
		return late, errShed
	case 5: // slow
		wait = late
	}
	if !pause(ctx, wait) {
		return never, context.Cause(ctx)
	}
	return 0, nil
}
