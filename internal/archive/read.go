package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/remuda-dev/remuda"
)

// What a member that is held in memory may have: a batch of rows ends behind the row with which it is full.
const maxHeld = 1 << 30

// Contents is what a reader does with the members as they come; what is nil is passed over.
type Contents struct {
	Head   func(Head) error
	Key    func(closed []byte) error
	Output func(key string, size int64, from io.Reader) error
	Rows   func(t Table, rows [][]any) error
}

// Read reads an archive in one pass. That it is whole is known only when it returns without an error: what Contents
// did until then counts for nothing otherwise. What is wrong with the archive is a remuda.Error of kind Invalid.
func Read(from io.Reader, c Contents) (Manifest, error) {
	zip, err := zstd.NewReader(from, zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return Manifest{}, fmt.Errorf("read the backup: %w", err)
	}
	defer zip.Close()
	r := &reader{tar: tar.NewReader(zip), do: c}
	if err := r.head(); err != nil {
		return Manifest{}, err
	}
	for {
		done, err := r.member()
		if err != nil {
			return Manifest{}, err
		}
		if done {
			break
		}
	}
	if _, err := io.Copy(io.Discard, zip); err != nil { // the last frame's checksum
		return Manifest{}, unreadable(err)
	}
	return r.manifest, r.check()
}

type reader struct {
	tar      *tar.Reader
	do       Contents
	seen     []MemberSum
	manifest Manifest
}

// unreadable says in words why the next bytes cannot be had. An error of whoever reads the file stays what it is.
func unreadable(err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return damaged("ends too early: it was cut off", err)
	case errors.As(err, &path):
		return fmt.Errorf("read the backup: %w", err)
	}
	return damaged("is damaged", err)
}

// head reads the first member, by which a backup is known.
func (r *reader) head() error {
	header, err := r.tar.Next()
	if err != nil || header.Name != headName {
		var path *fs.PathError
		if errors.As(err, &path) {
			return fmt.Errorf("read the backup: %w", err)
		}
		return &remuda.Error{Kind: remuda.Invalid, Detail: "it is no backup of Remuda, or its first bytes are damaged", Cause: err}
	}
	text, err := r.hold(header)
	if err != nil {
		return err
	}
	var head Head
	if err := json.Unmarshal(text, &head); err != nil {
		return damaged("is damaged at its head", err)
	}
	if head.Format > Format {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("the backup was written by a newer version of Remuda, %s (format %d, this one reads %d); restore it with that version",
			head.Version, head.Format, Format))
	}
	if r.do.Head == nil {
		return nil
	}
	return r.do.Head(head)
}

// member reads the next one. It is done with the manifest.
func (r *reader) member() (done bool, err error) {
	header, err := r.tar.Next()
	if err != nil {
		return false, unreadable(err)
	}
	switch name := header.Name; {
	case name == manifestName:
		text, err := r.hold(header)
		if err != nil {
			return false, err
		}
		r.seen = r.seen[:len(r.seen)-1] // it does not name itself
		if err := json.Unmarshal(text, &r.manifest); err != nil {
			return false, damaged("is damaged at its manifest", err)
		}
		return true, nil
	case name == KeyName:
		text, err := r.hold(header)
		if err != nil || r.do.Key == nil {
			return false, err
		}
		return false, r.do.Key(text)
	case strings.HasPrefix(name, tableFolder):
		return false, r.rows(header)
	case strings.HasPrefix(name, OutputFolder):
		return false, r.output(header)
	}
	return false, r.sum(header, io.Discard)
}

// sum reads a member to its end into a writer, and remembers what it was.
func (r *reader) sum(header *tar.Header, to io.Writer) error {
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(hash, to), r.tar); err != nil {
		return unreadable(err)
	}
	r.seen = append(r.seen, MemberSum{Name: header.Name, Size: header.Size, SHA256: hex.EncodeToString(hash.Sum(nil))})
	return nil
}

func (r *reader) hold(header *tar.Header) ([]byte, error) {
	if header.Size > maxHeld {
		return nil, damaged("is damaged at "+header.Name, nil)
	}
	var text bytes.Buffer
	err := r.sum(header, &text)
	return text.Bytes(), err
}

// output hands an object on while it is summed up.
func (r *reader) output(header *tar.Header) error {
	key := strings.TrimPrefix(header.Name, OutputFolder)
	if r.do.Output == nil {
		return r.sum(header, io.Discard)
	}
	if !fs.ValidPath(key) || header.Typeflag != tar.TypeReg {
		return damaged("has a member with the name "+header.Name, nil)
	}
	hash := sha256.New()
	from := &tarBytes{from: io.TeeReader(r.tar, hash)}
	if err := r.do.Output(key, header.Size, from); err != nil {
		if from.err != nil {
			return unreadable(from.err)
		}
		return err
	}
	if _, err := io.Copy(io.Discard, from); err != nil { // what was left
		return unreadable(err)
	}
	r.seen = append(r.seen, MemberSum{Name: header.Name, Size: header.Size, SHA256: hex.EncodeToString(hash.Sum(nil))})
	return nil
}

// tarBytes remembers whose error it was that ended a copy.
type tarBytes struct {
	from io.Reader
	err  error
}

// Read reads what is archived.
func (t *tarBytes) Read(into []byte) (int, error) {
	n, err := t.from.Read(into)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// rows hands a batch of rows on.
func (r *reader) rows(header *tar.Header) error {
	if r.do.Rows == nil {
		return r.sum(header, io.Discard)
	}
	text, err := r.hold(header)
	if err != nil {
		return err
	}
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	var table Table
	if err := json.Unmarshal(first, &table); err != nil {
		return damaged("is damaged at "+header.Name, err)
	}
	rows := make([][]any, 0, bytes.Count(rest, []byte("\n")))
	for line := range bytes.Lines(rest) {
		row, err := table.ParseRow(line)
		if err != nil {
			return damaged("is damaged at "+header.Name, err)
		}
		rows = append(rows, row)
	}
	return r.do.Rows(table, rows)
}

// check compares what was read with what the manifest says was written.
func (r *reader) check() error {
	for i, want := range r.manifest.Members {
		if i >= len(r.seen) {
			return damaged("lacks "+want.Name, nil)
		}
		if r.seen[i] != want {
			return damaged("is damaged at "+r.seen[i].Name, nil)
		}
	}
	if len(r.seen) > len(r.manifest.Members) {
		return damaged("has more in it than was written: "+r.seen[len(r.manifest.Members)].Name, nil)
	}
	return nil
}
