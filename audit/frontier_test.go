package audit

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/transparency-dev/merkle/compact"
)

// The frontier shows the same nodes in the same order and has the same root as the library's range, at every size.
func TestFrontier(t *testing.T) {
	var f Frontier
	r := Ranges.NewEmptyRange(0)
	if want, err := RootOf(r); err != nil || f.Root() != want {
		t.Fatal("empty root", err)
	}
	for n := range 1100 {
		leaf := LeafHash(fmt.Append(nil, n))
		var got, want []string
		note := func(to *[]string) compact.VisitFn {
			return func(id compact.NodeID, hash []byte) {
				*to = append(*to, fmt.Sprintf("%d/%d %x", id.Level, id.Index, hash))
			}
		}
		f.Append(&leaf, note(&got))
		if err := r.Append(append([]byte(nil), leaf[:]...), note(&want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("size %d: %s", n+1, diff)
		}
		if root, err := RootOf(r); err != nil || f.Root() != root {
			t.Fatalf("size %d: another root (%v)", n+1, err)
		}
		if resumed := NewFrontier(r); resumed.n != f.n || resumed.Root() != f.Root() {
			t.Fatalf("size %d: continued from the range it has another root", n+1)
		} else if n%3 == 0 {
			f = *resumed
		}
	}
}
