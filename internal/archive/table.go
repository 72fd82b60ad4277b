package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is what a column holds.
type Kind string

// The kinds, and what a value of each is in Go; nil when it is absent.
const (
	Integer Kind = "integer" // int64
	Boolean Kind = "boolean" // bool
	Text    Kind = "text"    // string
	Bytes   Kind = "bytes"   // []byte
)

// Column is one column of a table.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	Null bool   `json:"null,omitempty"` // a value may be absent
}

// Bytes is a value of the column. Where it may be absent, empty bytes are absent: not every driver tells them apart.
func (c Column) Bytes(data []byte) any {
	switch {
	case len(data) > 0:
		return data
	case c.Null:
		return nil
	}
	return []byte{}
}

// Table is the shape of rows.
type Table struct {
	Name    string   `json:"table"`
	Columns []Column `json:"columns"`
}

// AppendRow appends a row's line, with its line feed.
func (t Table) AppendRow(to []byte, row []any) ([]byte, error) {
	if len(row) != len(t.Columns) {
		return nil, fmt.Errorf("a row of %s has %d values for %d columns", t.Name, len(row), len(t.Columns))
	}
	to = append(to, '[')
	for i, value := range row {
		if i > 0 {
			to = append(to, ',')
		}
		switch v := value.(type) {
		case nil:
			to = append(to, "null"...)
		case int64:
			to = strconv.AppendInt(to, v, 10)
		case bool:
			to = strconv.AppendBool(to, v)
		case string:
			to = appendText(to, v)
		case []byte:
			to = append(to, '"')
			to = base64.StdEncoding.AppendEncode(to, v)
			to = append(to, '"')
		default:
			return nil, fmt.Errorf("column %s.%s holds a %T", t.Name, t.Columns[i].Name, value)
		}
	}
	return append(to, ']', '\n'), nil
}

// Clean is a text as every database can hold it: PostgreSQL takes no zero byte and no invalid UTF-8.
func Clean(text string) string {
	if strings.IndexByte(text, 0) < 0 && utf8.ValidString(text) {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func appendText(to []byte, text string) []byte {
	const hexadecimal = "0123456789abcdef"
	to = append(to, '"')
	from := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			to = append(append(to, text[from:i]...), '\\', c)
		case c < ' ':
			to = append(append(to, text[from:i]...), '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&15])
		default:
			continue
		}
		from = i + 1
	}
	return append(append(to, text[from:]...), '"')
}

var errRow = errors.New("it is no array of the table's values")

// ParseRow reads a line that AppendRow wrote.
func (t Table) ParseRow(line []byte) ([]any, error) {
	if !utf8.Valid(line) {
		return nil, errRow // it is no JSON, and other readers would not agree on what it says
	}
	row := make([]any, len(t.Columns))
	rest, found := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("["))
	if !found {
		return nil, errRow
	}
	for i, column := range t.Columns {
		value, after, err := parseValue(rest, column.Kind)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", column.Name, err)
		}
		end := byte(',')
		if i == len(t.Columns)-1 {
			end = ']'
		}
		if len(after) == 0 || after[0] != end {
			return nil, errRow
		}
		row[i], rest = value, after[1:]
	}
	if len(rest) > 0 {
		return nil, errRow
	}
	return row, nil
}

func parseValue(text []byte, kind Kind) (value any, rest []byte, err error) {
	if len(text) > 0 && text[0] == '"' {
		return parseString(text, kind)
	}
	end := bytes.IndexAny(text, ",]")
	if end < 0 {
		return nil, nil, errRow
	}
	word := string(text[:end])
	switch {
	case word == "null":
		return nil, text[end:], nil
	case kind == Boolean && (word == "true" || word == "false"):
		return word == "true", text[end:], nil
	case kind == Integer:
		n, err := strconv.ParseInt(word, 10, 64)
		return n, text[end:], err
	}
	return nil, nil, errRow
}

func parseString(text []byte, kind Kind) (value any, rest []byte, err error) {
	end, escaped := 1, false
	for ; end < len(text) && text[end] != '"'; end++ {
		if text[end] == '\\' {
			escaped = true
			end++
		}
	}
	if end >= len(text) {
		return nil, nil, errRow
	}
	inner, rest := text[1:end], text[end+1:]
	switch {
	case kind == Bytes:
		data := make([]byte, base64.StdEncoding.DecodedLen(len(inner)))
		n, err := base64.StdEncoding.Decode(data, inner)
		return data[:n], rest, err
	case kind != Text:
		return nil, nil, errRow
	case escaped:
		var plain string
		if err := json.Unmarshal(text[:end+1], &plain); err != nil {
			return nil, nil, errRow
		}
		return plain, rest, nil
	}
	return string(inner), rest, nil
}

// Digest counts rows and adds up their hashes. It is the same for the same rows in any order, so that two databases
// can be compared which sort differently.
type Digest struct {
	Rows int64  `json:"rows"`
	Sum  uint64 `json:"sum,string"`
}

// Add counts a row by its line.
func (d *Digest) Add(line []byte) {
	hash := sha256.Sum256(line)
	d.Sum += binary.LittleEndian.Uint64(hash[:])
	d.Rows++
}
