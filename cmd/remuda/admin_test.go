package main

import (
	"bytes"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdHolds undoes the compression of a backup and searches it.
func cmdHolds(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: holds BACKUP TEXT")
	}
	from, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { ts.Check(from.Close()) }()
	reader, err := zstd.NewReader(from)
	ts.Check(err)
	defer reader.Close()
	data, err := io.ReadAll(reader)
	ts.Check(err)
	if bytes.Contains(data, []byte(args[1])) == neg {
		ts.Fatalf("%s among the %d bytes of %s: %t", args[1], len(data), args[0], neg)
	}
}
