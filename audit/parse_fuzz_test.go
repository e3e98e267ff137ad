package audit

import (
	"bytes"
	"testing"
)

// Whatever a file of keys, a quorum or a proof says, reading it ends, and what was read can be used.
func FuzzParseQuorum(f *testing.F) {
	f.Add([]byte("witness ed w.example+12345678+AAAA https://w.example/\nquorum none\n"))
	f.Add([]byte("group g 2 a b\nquorum g\n"))
	f.Add([]byte("# only a comment\nquorum none\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		q, err := ParseQuorum(text)
		if (q == nil) == (err == nil) {
			t.Fatalf("quorum %v and error %v", q, err)
		}
	})
}

func FuzzReadKeys(f *testing.F) {
	v := loadVector(f)
	f.Add([]byte(v.VKeys[0] + "\n"))
	f.Add([]byte("a+00000000+AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ReadKeys(text)
		if err != nil {
			return
		}
		again, err := ParseKeys(keys.VKeys)
		if err != nil || again.Origin != keys.Origin {
			t.Fatalf("keys that were read are not read again: %v", err)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\norigin\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		if _, err := ParseProof(text); err != nil && len(err.Error()) > 200 {
			t.Fatal("the error quotes its input")
		}
		if !bytes.Equal(before, text) {
			t.Fatal("the input was changed")
		}
	})
}
