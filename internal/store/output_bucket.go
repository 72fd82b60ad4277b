package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/remuda-dev/remuda"
)

// Bucket keeps objects. internal/bucket has one.
type Bucket interface {
	// Put keeps an object; it is durable when Put returns.
	Put(ctx context.Context, name string, data []byte) error
	// Read gives a part of an object, whole: remuda.NotFound when the object is not there.
	Read(ctx context.Context, name string, offset, size int64) ([]byte, error)
	// Delete takes an object away; one that is not there is fine.
	Delete(ctx context.Context, name string) error
	// DeleteAll takes all objects away whose names begin with folder and a slash.
	DeleteAll(ctx context.Context, folder string) error
}

// KeepOutputIn has every full MiB of an attempt's output go to a bucket from now on. Say it before the store is used;
// without it, all output stays in the database.
func (s *Store) KeepOutputIn(b Bucket) {
	s.outputs.bucket = b
	s.outputs.outage.note(nil) // what another one did says nothing of this
}

// MeasureOutput has other sizes than the usual ones, in bytes, from now on: of what lies in one row, or in one frame of a
// part, what makes a part, and what an attempt keeps in the database while the bucket is away. It is for tests and
// simulations, in which a little output then is much. Say it before the store is used.
func (s *Store) MeasureOutput(piece, part, bound int64) {
	s.outputs.piece, s.outputs.part, s.outputs.bound = piece, part, bound
}

// How long the bucket may take, and for how long it is let alone after it failed.
const (
	putTime    = 8 * time.Second
	readTime   = 15 * time.Second
	outageTime = time.Second
)

// outage remembers that the bucket is away, so that not everybody waits until it fails him, too.
type outage struct {
	mu      sync.Mutex
	err     error     // with which it failed last; nil while it works
	next    time.Time // when somebody tries again
	failing time.Time // since when
}

// admit says whether the bucket is worth a try: always while it works, else for one caller now and then. The others get
// the failure.
func (o *outage) admit() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		return nil
	}
	if time.Now().Before(o.next) {
		return bucketError{o.err}
	}
	o.next = time.Now().Add(putTime + outageTime) // what comes of this try says so sooner
	return nil
}

// note remembers what came of a try.
func (o *outage) note(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil && o.err == nil {
		o.failing = time.Now()
	}
	o.err = err
	o.next = time.Now().Add(outageTime)
}

// now is the failure, nil while the bucket works.
func (o *outage) now() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// refusal is what a caller is told whose bytes have no place before the bucket is back.
func (o *outage) refusal() error {
	cause := o.now()
	if cause == nil {
		cause = errors.New("it has come back just now")
	}
	return bucketAway(cause)
}

func bucketAway(cause error) error {
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "the bucket for output cannot be used now; try again", Retry: retryAfter, Cause: cause}
}

// put keeps an object in the bucket. It does not end with the caller: bytes that are on their way arrive.
func (s *outputs) put(ctx context.Context, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTime)
	defer cancel()
	err := s.bucket.Put(ctx, name, data)
	s.outage.note(err)
	if err != nil {
		return bucketError{err}
	}
	return nil
}

// bucketError says that it was the bucket that failed, not the database.
type bucketError struct{ error }

// Unwrap gives the failure.
func (b bucketError) Unwrap() error { return b.error }

// fetch reads a part of an object.
func (s *outputs) fetch(ctx context.Context, name string, offset, size int64) ([]byte, error) {
	if s.bucket == nil {
		return nil, bucketAway(errors.New("this control plane was started without a bucket"))
	}
	limited, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	data, err := s.bucket.Read(limited, name, offset, size)
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, remuda.NotFound):
		return data, err
	}
	return nil, bucketAway(err)
}

// codec compresses pieces, each to a frame of its own. What it needs is made at the first use.
type codec struct {
	once     sync.Once
	encoder  *zstd.Encoder
	decoder  *zstd.Decoder
	err      error
	packings sync.Pool // of *packing
}

func (c *codec) make() error {
	c.once.Do(func() {
		c.encoder, c.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		if c.err == nil {
			c.decoder, c.err = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(8<<20), zstd.WithDecoderLowmem(true))
		}
	})
	return c.err
}

// packing is what pieces were packed into: memory that is used again.
type packing struct {
	frames [][]byte
	data   []byte // the frames, one after the other
}

// letGo gives the memory back, once nobody reads it any more.
func (c *codec) letGo(o *packing) { c.packings.Put(o) }

// pack compresses pieces, on all processors. What a piece was made of is let go.
func (c *codec) pack(pieces []piece) (*packing, error) {
	if err := c.make(); err != nil {
		return nil, fmt.Errorf("make a compressor: %w", err)
	}
	o, _ := c.packings.Get().(*packing)
	if o == nil {
		o = &packing{}
	}
	for len(o.frames) < len(pieces) {
		o.frames = append(o.frames, nil)
	}
	var next atomic.Int64
	encode := func() {
		for i := int(next.Add(1)) - 1; i < len(pieces); i = int(next.Add(1)) - 1 {
			o.frames[i] = c.encoder.EncodeAll(pieces[i].data, o.frames[i][:0])
			pieces[i].stored, pieces[i].data = int64(len(o.frames[i])), nil
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(pieces)) - 1 {
		others.Go(encode)
	}
	encode()
	others.Wait()
	o.data = o.data[:0]
	for _, frame := range o.frames[:len(pieces)] {
		o.data = append(o.data, frame...)
	}
	return o, nil
}

// open gives the bytes of a frame, which are size.
func (c *codec) open(frame []byte, size int64) ([]byte, error) {
	if err := c.make(); err != nil {
		return nil, fmt.Errorf("make a decompressor: %w", err)
	}
	data, err := c.decoder.DecodeAll(frame, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("decompress output: %w", err)
	}
	if int64(len(data)) != size {
		return nil, fmt.Errorf("decompress output: there are %d bytes, not %d", len(data), size)
	}
	return data, nil
}
