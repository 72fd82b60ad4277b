package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// batchSize is about how many bytes of rows make one member. A tar file tells each member's size before its bytes, so
// that a member is held in memory.
const batchSize = 4 << 20

// Writer writes an archive in one pass.
type Writer struct {
	head     Head
	zip      *zstd.Encoder
	tar      *tar.Writer
	manifest Manifest
}

// NewWriter begins an archive.
func NewWriter(to io.Writer, head Head) (*Writer, error) {
	head.Format = Format
	head.Created = head.Created.UTC()
	zip, err := zstd.NewWriter(to)
	if err != nil {
		return nil, fmt.Errorf("begin the archive: %w", err)
	}
	w := &Writer{head: head, zip: zip, tar: tar.NewWriter(zip)}
	text, err := json.MarshalIndent(head, "", "  ")
	if err == nil {
		err = w.Add(headName, text)
	}
	if err == nil { // whatever becomes of the rest, the head tells what it is
		err = w.tar.Flush()
	}
	if err == nil {
		err = w.zip.Flush()
	}
	if err != nil {
		w.Abandon()
		return nil, err
	}
	return w, nil
}

// Add writes a member.
func (w *Writer) Add(name string, data []byte) error {
	err := w.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600, ModTime: w.head.Created, Format: tar.FormatPAX,
	})
	if err == nil {
		_, err = w.tar.Write(data)
	}
	if err != nil {
		return fmt.Errorf("write %s into the archive: %w", name, err)
	}
	sum := sha256.Sum256(data)
	w.manifest.Members = append(w.manifest.Members, MemberSum{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	return nil
}

// Output writes an object of the bucket.
func (w *Writer) Output(key string, data []byte) error {
	w.manifest.Output.Objects++
	w.manifest.Output.Bytes += int64(len(data))
	return w.Add(OutputFolder+key, data)
}

// OutputGone notes an object that was deleted before it could be read.
func (w *Writer) OutputGone() { w.manifest.Output.Gone++ }

// Table begins a table. Its rows go through Row; Close writes the last of them.
func (w *Writer) Table(t Table) (*TableWriter, error) {
	first, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("begin table %s: %w", t.Name, err)
	}
	return &TableWriter{to: w, table: t, first: append(first, '\n')}, nil
}

// TableWriter writes the rows of one table.
type TableWriter struct {
	to     *Writer
	table  Table
	first  []byte
	batch  []byte
	number int
	digest Digest
}

// Row writes one row, and answers how many bytes it has.
func (t *TableWriter) Row(row []any) (size int, err error) {
	if len(t.batch) == 0 {
		t.batch = append(t.batch, t.first...)
	}
	start := len(t.batch)
	if t.batch, err = t.table.AppendRow(t.batch, row); err != nil {
		return 0, err
	}
	size = len(t.batch) - start
	t.digest.Add(t.batch[start:])
	if len(t.batch) < batchSize {
		return size, nil
	}
	return size, t.flush()
}

func (t *TableWriter) flush() error {
	t.number++
	err := t.to.Add(fmt.Sprintf("%s%s/%06d.jsonl", tableFolder, t.table.Name, t.number), t.batch)
	t.batch = t.batch[:0]
	return err
}

// Close ends the table. An empty one is written, too: its columns are part of the backup.
func (t *TableWriter) Close() error {
	t.to.manifest.Tables = append(t.to.manifest.Tables, TableSum{Name: t.table.Name, Digest: t.digest})
	if len(t.batch) == 0 {
		if t.number > 0 {
			return nil
		}
		t.batch = append(t.batch, t.first...)
	}
	return t.flush()
}

// Close writes the manifest and ends the archive. What is written without it counts for nothing.
func (w *Writer) Close() (Manifest, error) {
	text, err := json.Marshal(w.manifest)
	if err == nil {
		err = w.Add(manifestName, text)
	}
	if err == nil {
		err = w.tar.Close()
	}
	if closed := w.zip.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return w.manifest, fmt.Errorf("end the archive: %w", err)
	}
	w.manifest.Members = w.manifest.Members[:len(w.manifest.Members)-1] // it does not name itself
	return w.manifest, nil
}

// Abandon ends what works for an archive that does not come to its end.
func (w *Writer) Abandon() { _ = w.zip.Close() } // whatever it says, the archive is worth nothing
