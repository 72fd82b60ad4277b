package archive_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func things() archive.Table {
	return archive.Table{Name: "things", Columns: []archive.Column{
		{Name: "id", Kind: archive.Integer}, {Name: "whole", Kind: archive.Boolean},
		{Name: "name", Kind: archive.Text}, {Name: "data", Kind: archive.Bytes, Null: true},
	}}
}

// written is an archive with a key, an object and two tables.
func written(t testing.TB, rows [][]any) ([]byte, archive.Manifest) {
	t.Helper()
	var to bytes.Buffer
	w, err := archive.NewWriter(&to, archive.Head{Version: "v1", Schema: 7, Created: time.Unix(1, 0), Key: archive.KeySealed})
	check(t, err)
	check(t, w.Add(archive.KeyName, []byte("closed")))
	check(t, w.Output("one/0001", []byte("printed")))
	for _, table := range []archive.Table{things(), {Name: "empty", Columns: things().Columns}} {
		rowWriter, err := w.Table(table)
		check(t, err)
		for _, row := range rows {
			if table.Name == "empty" {
				break
			}
			_, err := rowWriter.Row(row)
			check(t, err)
		}
		check(t, rowWriter.Close())
	}
	manifest, err := w.Close()
	check(t, err)
	return to.Bytes(), manifest
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seen is what a reader was told.
type seen struct {
	Head    archive.Head
	Key     string
	Outputs map[string]string
	Rows    [][]any
	Tables  []string
}

func readAll(data []byte) (s seen, m archive.Manifest, err error) {
	s.Outputs = map[string]string{}
	m, err = archive.Read(bytes.NewReader(data), archive.Contents{
		Head: func(h archive.Head) error { s.Head = h; return nil },
		Key:  func(closed []byte) error { s.Key = string(closed); return nil },
		Output: func(key string, size int64, from io.Reader) error {
			text, err := io.ReadAll(from)
			if err == nil && int64(len(text)) != size {
				err = errors.New("its size is another")
			}
			s.Outputs[key] = string(text)
			return err
		},
		Rows: func(t archive.Table, rows [][]any) error {
			s.Rows = append(s.Rows, rows...)
			if !slices.Contains(s.Tables, t.Name) {
				s.Tables = append(s.Tables, t.Name)
			}
			return nil
		},
	})
	return s, m, err
}

func someRows() [][]any {
	return [][]any{{int64(1), true, "a", []byte{0, 255}}, {int64(-1) << 63, false, "\"\\\x00\n\u2028 ü <&>", nil}, {int64(0), true, "", []byte("x")}}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	data, manifest := written(t, someRows())
	got, again, err := readAll(data)
	check(t, err)
	want := seen{
		Head: archive.Head{Format: archive.Format, Version: "v1", Schema: 7, Created: time.Unix(1, 0).UTC(), Key: archive.KeySealed},
		Key:  "closed", Outputs: map[string]string{"one/0001": "printed"}, Rows: someRows(), Tables: []string{"things", "empty"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
	if diff := cmp.Diff(manifest, again); diff != "" {
		t.Errorf("manifest: -written +read:\n%s", diff)
	}
	if manifest.Output != (archive.OutputSum{Objects: 1, Bytes: 7}) || manifest.Tables[0].Rows != 3 {
		t.Errorf("the manifest counts %+v and %+v", manifest.Output, manifest.Tables)
	}
}

func TestATableOfManyRowsIsWrittenInPieces(t *testing.T) {
	var rows [][]any
	for i := range 300 {
		rows = append(rows, []any{int64(i), true, strings.Repeat("x", 50_000), nil})
	}
	data, manifest := written(t, rows)
	got, _, err := readAll(data)
	check(t, err)
	if diff := cmp.Diff(rows, got.Rows); diff != "" {
		t.Error("other rows were read than were written")
	}
	if len(manifest.Members) < 6 {
		t.Errorf("15 MB of rows lie in %d members", len(manifest.Members))
	}
}

// Whatever becomes of a byte, the archive is refused, or says what it said before.
func TestADamagedArchiveIsNeverTakenForAnother(t *testing.T) {
	data, _ := written(t, someRows())
	want, _, err := readAll(data)
	check(t, err)
	for at := 0; at < len(data); at += 3 {
		damaged := bytes.Clone(data)
		damaged[at] ^= 1 << (at % 8)
		got, _, err := readAll(damaged)
		if err == nil && !cmp.Equal(want, got) {
			t.Fatalf("byte %d: it is read as %+v", at, got)
		}
		if err != nil && !errors.Is(err, remuda.Invalid) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
}

func TestATruncatedArchiveIsRefused(t *testing.T) {
	data, _ := written(t, someRows())
	for n := 0; n < len(data); n += 3 {
		if _, _, err := readAll(data[:n]); !errors.Is(err, remuda.Invalid) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
}

// forged undoes the compression, lets a test change the members, and compresses again: no checksum but ours is left.
func forged(t *testing.T, data []byte, old, now string) []byte {
	t.Helper()
	decoder, err := zstd.NewReader(nil)
	check(t, err)
	defer decoder.Close()
	plain, err := decoder.DecodeAll(data, nil)
	check(t, err)
	if !bytes.Contains(plain, []byte(old)) || len(old) != len(now) {
		t.Fatalf("there is no %q to replace by %q", old, now)
	}
	encoder, err := zstd.NewWriter(nil)
	check(t, err)
	return encoder.EncodeAll(bytes.Replace(plain, []byte(old), []byte(now), 1), nil)
}

func TestAMemberThatIsNotWhatItWasIsRefused(t *testing.T) {
	data, _ := written(t, someRows())
	for old, now := range map[string]string{
		"closed": "opened", "printed": "painted", "[1,true,": "[2,true,", `"schema": 7`: `"schema": 8`,
		"tables/things/000001": "tables/things/000002", "output/one/0001": "output/../0001x",
	} {
		_, _, err := readAll(forged(t, data, old, now))
		if !errors.Is(err, remuda.Invalid) || !strings.Contains(err.Error(), "the backup ") {
			t.Errorf("%s for %s: %v", now, old, err)
		}
	}
}

func TestANewerFormatIsRefusedWithTheVersionThatReadsIt(t *testing.T) {
	data, _ := written(t, nil)
	_, _, err := readAll(forged(t, data, `"format": 1`, `"format": 2`))
	if !errors.Is(err, remuda.Invalid) || !strings.Contains(err.Error(), "newer version of Remuda, v1") {
		t.Errorf("err = %v", err)
	}
}

func TestWhatIsNoBackupIsCalledSo(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	check(t, err)
	for _, data := range [][]byte{nil, []byte("hello"), encoder.EncodeAll([]byte("hello"), nil), encoder.EncodeAll(make([]byte, 2048), nil)} {
		if _, _, err := readAll(data); !errors.Is(err, remuda.Invalid) || !strings.Contains(err.Error(), "no backup of Remuda") {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestAFaultOfTheFileIsNotOneOfTheArchive(t *testing.T) {
	_, err := archive.Read(brokenFile{}, archive.Contents{})
	if err == nil || errors.Is(err, remuda.Invalid) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("err = %v", err)
	}
}

type brokenFile struct{}

func (brokenFile) Read([]byte) (int, error) {
	return 0, &os.PathError{Op: "read", Path: "x", Err: os.ErrPermission}
}

func TestAnErrorOfTheReaderEndsTheReading(t *testing.T) {
	data, _ := written(t, someRows())
	full := errors.New("no space left")
	for _, c := range []archive.Contents{
		{Head: func(archive.Head) error { return full }},
		{Key: func([]byte) error { return full }},
		{Output: func(string, int64, io.Reader) error { return full }},
		{Rows: func(archive.Table, [][]any) error { return full }},
	} {
		if _, err := archive.Read(bytes.NewReader(data), c); !errors.Is(err, full) {
			t.Errorf("err = %v", err)
		}
	}
}

// A row's line is JSON, and says what the row holds, to us and to any other reader.
func TestARowIsALineOfJSON(t *testing.T) {
	table := things()
	rapid.Check(t, func(r *rapid.T) {
		row := []any{
			rapid.Int64().Draw(r, "id"), rapid.Bool().Draw(r, "whole"), archive.Clean(rapid.String().Draw(r, "name")),
			table.Columns[3].Bytes(rapid.SliceOf(rapid.Byte()).Draw(r, "data")),
		}
		for i := range row {
			if rapid.IntRange(0, 9).Draw(r, "absent") == 0 {
				row[i] = nil
			}
		}
		line, err := table.AppendRow(nil, row)
		if err != nil {
			r.Fatal(err)
		}
		got, err := table.ParseRow(line)
		if err != nil || !cmp.Equal(row, got) {
			r.Fatalf("%s is read as %v, %v", line, got, err)
		}
		var values []any
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&values); err != nil {
			r.Fatal(err)
		}
		for i, value := range row {
			want := value
			switch v := value.(type) {
			case int64:
				want = json.Number(strings.TrimSpace(string(must(json.Marshal(v)))))
			case []byte:
				want = base64.StdEncoding.EncodeToString(v)
			}
			if !cmp.Equal(want, values[i]) {
				r.Fatalf("%s says %v to others, want %v", line, values[i], want)
			}
		}
	})
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

func TestALineThatIsNoTextIsRefused(t *testing.T) {
	for _, line := range []string{"[1,true,\"\xa3\",null]\n", "[1,true,\"\xa3\\u0010\",null]\n"} {
		if row, err := things().ParseRow([]byte(line)); err == nil {
			t.Errorf("%q is read as %q", line, row)
		}
	}
}

func FuzzParseRow(f *testing.F) {
	table := things()
	for _, row := range someRows() {
		line, err := table.AppendRow(nil, row)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`[1,true,"\`))
	f.Fuzz(func(t *testing.T, line []byte) {
		row, err := table.ParseRow(line)
		if err != nil {
			return
		}
		again, err := table.AppendRow(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := table.ParseRow(again); err != nil || !cmp.Equal(row, read) {
			t.Fatalf("%q is read as %v, written as %q and read as %v, %v", line, row, again, read, err)
		}
	})
}

func TestRowsHaveTheSameDigestInAnyOrder(t *testing.T) {
	var forth, back, other archive.Digest
	lines := [][]byte{[]byte("[1]\n"), []byte("[2]\n"), []byte("[3]\n")}
	for _, line := range lines {
		forth.Add(line)
	}
	slices.Reverse(lines)
	for _, line := range lines {
		back.Add(line)
	}
	other.Add(lines[0])
	other.Add(lines[0])
	other.Add(lines[1])
	if forth != back || forth == other {
		t.Errorf("digests are %v, %v, and of others %v", forth, back, other)
	}
}

func TestTheKeyOpensForWhomItWasClosedAlone(t *testing.T) {
	part := archive.KeyPart{Key: []byte("the key"), AdminToken: "rmd_adm_x"}
	mine, err := age.GenerateX25519Identity()
	check(t, err)
	other, err := age.GenerateX25519Identity()
	check(t, err)
	path := filepath.Join(t.TempDir(), "identity")
	check(t, os.WriteFile(path, []byte("# mine\n"+mine.String()+"\n"), 0o600))
	recipients, err := archive.Recipients([]string{mine.Recipient().String()})
	check(t, err)
	closed, err := part.Seal(recipients...)
	check(t, err)
	if bytes.Contains(closed, part.Key) || bytes.Contains(closed, []byte(part.AdminToken)) {
		t.Error("it lies open")
	}
	identities, err := archive.Identities(path)
	check(t, err)
	if got, err := archive.OpenKeyPart(closed, identities...); err != nil || !cmp.Equal(part, got) {
		t.Errorf("it opens as %v, %v", got, err)
	}
	if _, err := archive.OpenKeyPart(closed, other); !errors.Is(err, remuda.Forbidden) {
		t.Errorf("another identity: %v", err)
	}
	closed[len(closed)-1] ^= 1
	if _, err := archive.OpenKeyPart(closed, mine); !errors.Is(err, remuda.Invalid) {
		t.Errorf("damaged: %v", err)
	}
	if _, err := archive.Recipients([]string{"age1nobody"}); err == nil {
		t.Error("a public key that is none is taken")
	}
	check(t, os.WriteFile(path, []byte("AGE-SECRET-KEY-TYPO"), 0o600))
	if _, err := archive.Identities(path); err == nil || strings.Contains(err.Error(), "TYPO") {
		t.Errorf("a secret key that is none: %v", err)
	}
}

func TestAPassphraseOpensWhatItClosed(t *testing.T) {
	part := archive.KeyPart{Key: []byte("the key")}
	to, with, err := archive.Passphrase("five words or more")
	check(t, err)
	closed, err := part.Seal(to)
	check(t, err)
	if got, err := archive.OpenKeyPart(closed, with); err != nil || !cmp.Equal(part, got) {
		t.Errorf("it opens as %v, %v", got, err)
	}
	_, wrong, err := archive.Passphrase("six words or more")
	check(t, err)
	if _, err := archive.OpenKeyPart(closed, wrong); !errors.Is(err, remuda.Forbidden) {
		t.Errorf("another passphrase: %v", err)
	}
}
