package server

import (
	"bytes"
	"testing"
)

func TestTheDocumentIsTheSameEachTime(t *testing.T) {
	first, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := OpenAPI()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatal("two documents of the same server differ")
		}
	}
}
