// Package bucket keeps objects in a folder, or in S3 and what speaks like it. An object has a name with slashes in it
// and bytes that never change; it is durable when Put returns.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"github.com/remuda-dev/remuda"
)

// Bucket is where objects lie. Any number of goroutines, and of processes, may use it.
type Bucket struct {
	blobs   *blob.Bucket
	folder  *folder // nil unless it is one
	address string
}

// Open finds the bucket of an address, in gocloud's form: file:///srv/output (a folder, made when it is not there) or
// s3://name?region=eu-central-1 (credentials from where AWS's own tools take them: environment, files, the machine's
// role; further parameters such as endpoint, use_path_style, profile and prefix as gocloud has them). An address that
// cannot be meant is remuda.Invalid; whether a bucket in S3 answers is not asked.
func Open(ctx context.Context, address string) (*Bucket, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, remuda.Fail(remuda.Invalid, "the bucket's address cannot be read: expected file:///a/folder or s3://name?region=…")
	}
	if at.User != nil {
		return nil, remuda.Fail(remuda.Invalid, "the bucket's address holds a name and password, which others would see; put credentials into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or into AWS's files")
	}
	switch at.Scheme {
	case "file":
		return openFolder(at)
	case "s3":
		return openS3(ctx, at)
	default:
		return nil, remuda.Fail(remuda.Invalid, fmt.Sprintf("the bucket's address begins with %q; expected file:///a/folder or s3://name?region=…", at.Scheme+":"))
	}
}

func openS3(ctx context.Context, at *url.URL) (*Bucket, error) {
	if strings.Trim(at.Path, "/") != "" {
		return nil, remuda.Fail(remuda.Invalid, "the bucket's address has a path; a part of a bucket is meant by ?prefix=some/folder/")
	}
	asked := *at
	query := asked.Query()
	prefix := query.Get("prefix")
	query.Del("prefix")
	asked.RawQuery = query.Encode()
	opener := s3blob.URLOpener{}
	blobs, err := opener.OpenBucketURL(ctx, &asked)
	if err != nil {
		return nil, &remuda.Error{Kind: remuda.Invalid, Detail: "the bucket " + at.Redacted() + " cannot be meant: " + err.Error(), Cause: err}
	}
	if prefix != "" {
		blobs = blob.PrefixedBucket(blobs, strings.TrimSuffix(prefix, "/")+"/")
	}
	return &Bucket{blobs: blobs, address: at.Redacted()}, nil
}

// String is the address.
func (b *Bucket) String() string { return b.address }

// Close lets go of it.
func (b *Bucket) Close() error { return b.blobs.Close() }

// binary keeps gocloud from looking at the first bytes to guess what they are.
const binary = "application/octet-stream"

// Put keeps an object. A name is used once: another object under it may be either from then on.
func (b *Bucket) Put(ctx context.Context, name string, data []byte) error {
	if b.folder != nil {
		return wrap("put", name, b.folder.put(ctx, name, data))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a writer that is not closed must not keep what it wrote
	w, err := b.blobs.NewWriter(ctx, name, &blob.WriterOptions{ContentType: binary})
	if err != nil {
		return wrap("put", name, err)
	}
	if _, err := w.Write(data); err != nil {
		cancel()
		return wrap("put", name, errors.Join(err, w.Close()))
	}
	return wrap("put", name, w.Close())
}

// Read gives a part of an object, whole: remuda.NotFound when the object is not there.
func (b *Bucket) Read(ctx context.Context, name string, offset, size int64) ([]byte, error) {
	r, err := b.blobs.NewRangeReader(ctx, name, offset, size, nil)
	if err != nil {
		return nil, wrap("read", name, err)
	}
	defer r.Close()
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, wrap("read", name, err)
	}
	return data, nil
}

// Delete takes an object away; one that is not there is fine.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	err := b.blobs.Delete(ctx, name)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return wrap("delete", name, err)
	}
	return nil
}

// DeleteAll takes all objects away whose names begin with folder and a slash.
func (b *Bucket) DeleteAll(ctx context.Context, name string) error {
	if name = strings.Trim(path.Clean("/"+name), "/"); name == "" {
		return remuda.Fail(remuda.Invalid, "a whole bucket is not deleted")
	}
	if b.folder != nil {
		return wrap("delete", name, b.folder.removeAll(name))
	}
	objects := b.blobs.List(&blob.ListOptions{Prefix: name + "/"})
	for {
		object, err := objects.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return wrap("list", name, err)
		}
		if err := b.Delete(ctx, object.Key); err != nil {
			return err
		}
	}
}

func wrap(what, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case gcerrors.Code(err) == gcerrors.NotFound:
		return &remuda.Error{Kind: remuda.NotFound, Detail: "the bucket has no object " + name, Cause: err}
	}
	return fmt.Errorf("%s object %s: %w", what, name, err)
}
