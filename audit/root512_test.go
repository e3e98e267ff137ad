package audit

import (
	"crypto"
	"fmt"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// The tree is the library's, with another hash, at every size.
func TestRoot512(t *testing.T) {
	hasher := rfc6962.New(crypto.SHA512)
	r := (&compact.RangeFactory{Hash: hasher.HashChildren}).NewEmptyRange(0)
	var got Root512
	if want := b64.EncodeToString(hasher.EmptyRoot()); got.Digest() != want {
		t.Errorf("empty: %s, want %s", got.Digest(), want)
	}
	for n := range 300 {
		line := fmt.Append(nil, "line ", n)
		got.Append(line)
		if err := r.Append(hasher.HashLeaf(line), nil); err != nil {
			t.Fatal(err)
		}
		root, err := r.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := b64.EncodeToString(root); got.Digest() != want || got.Size() != uint64(n+1) {
			t.Fatalf("size %d: %s, want %s", got.Size(), got.Digest(), want)
		}
	}
}
