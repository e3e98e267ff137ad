package witness

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"jali/audit"
)

const origin = "audit.example.gov/gw1/2027"

// tree is a log without its entries: enough to sign checkpoints and prove consistency.
type tree struct {
	signer note.Signer
	keys   *audit.Keys
	leaves [][32]byte
}

func newTree(t testing.TB, n int, seed string) *tree {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 32)), origin)
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{}
	if tr.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	if tr.keys, err = audit.ParseKeys([]string{vkey}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		tr.leaves = append(tr.leaves, audit.LeafHash(fmt.Appendf(nil, "%s %d", seed, i)))
	}
	return tr
}

// fork is the tree up to n, then another history.
func (tr *tree) fork(n, more int) *tree {
	out := &tree{signer: tr.signer, keys: tr.keys, leaves: append([][32]byte(nil), tr.leaves[:n]...)}
	for i := range more {
		out.leaves = append(out.leaves, audit.LeafHash(fmt.Appendf(nil, "other %d", i)))
	}
	return out
}

func (tr *tree) tiles(level uint8, index uint64, width int) ([]byte, error) {
	var out []byte
	span := uint64(1) << (8 * level)
	for i := index * 256; i < index*256+uint64(width); i++ {
		r := audit.Ranges.NewEmptyRange(0)
		for _, l := range tr.leaves[i*span : (i+1)*span] {
			if err := r.Append(l[:], nil); err != nil {
				return nil, err
			}
		}
		h, err := audit.RootOf(r)
		if err != nil {
			return nil, err
		}
		out = append(out, h[:]...)
	}
	return out, nil
}

func (tr *tree) root(t testing.TB, n uint64) [32]byte {
	t.Helper()
	r, err := audit.RangeFromTiles(n, tr.tiles)
	if err != nil {
		t.Fatal(err)
	}
	root, err := audit.RootOf(r)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func (tr *tree) checkpoint(t testing.TB, n uint64) []byte {
	return tr.signed(t, string(audit.CheckpointBody(origin, n, tr.root(t, n))))
}

func (tr *tree) signed(t testing.TB, body string) []byte {
	t.Helper()
	cp, err := note.Sign(&note.Note{Text: body}, tr.signer)
	if err != nil {
		t.Fatal(err)
	}
	return cp
}

func (tr *tree) prove(t testing.TB, old, n uint64) [][32]byte {
	t.Helper()
	if old == 0 || old >= n {
		return nil
	}
	p, err := audit.ProveConsistency(old, n, tr.tiles)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// grow is the honest request from old to n.
func (tr *tree) grow(t testing.TB, old, n uint64) string {
	return string(Request{old, tr.prove(t, old, n), tr.checkpoint(t, n)}.Format())
}

func newServer(t testing.TB, dir string, logs ...*audit.Keys) *Server {
	t.Helper()
	if ready, err := Ready(dir); err != nil {
		t.Fatal(err)
	} else if !ready {
		if err := Init(dir, "w.court.example"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(Config{Dir: dir, Logs: logs, Operator: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func post(t testing.TB, url, body string) (int, string, string) {
	t.Helper()
	resp, err := http.Post(url+"/add-checkpoint", "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header.Get("Content-Type")
}

// The answer table of audit-log.md section 10, in its order, on one witness that has seen 700 and then 1000 entries.
func TestAnswers(t *testing.T) {
	tr := newTree(t, 1300, "log")
	s := newServer(t, t.TempDir(), tr.keys)
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()

	fork := tr.fork(700, 600)
	root := tr.root(t, 1000)
	b64 := base64.StdEncoding.EncodeToString
	cp := func(body string) string { return string(tr.signed(t, body)) }
	ask := func(old string, proof []string, checkpoint string) string {
		return "old " + old + "\n" + strings.Join(append(proof, ""), "\n") + "\n" + checkpoint
	}
	many := make([]string, 64)
	for i := range many {
		many[i] = b64(root[:])
	}
	otherOrigin := stranger(t, "log.example/other", 1000, root)
	broken := strings.Replace(string(tr.checkpoint(t, 1000)), "\n1000\n", "\n1001\n", 1)

	for _, c := range []struct {
		name, body string
		status     int
		text       string // of the whole answer, where it is exact
	}{
		{"first", tr.grow(t, 0, 700), 200, ""},
		{"growth", tr.grow(t, 700, 1000), 200, ""},
		{"same size again", tr.grow(t, 1000, 1000), 200, ""},

		{"empty body", "", 400, ""},
		{"no checkpoint", "old 1000\n\n", 400, ""},
		{"old with a leading zero", ask("01000", nil, string(tr.checkpoint(t, 1000))), 400, ""},
		{"old 00", ask("00", nil, string(tr.checkpoint(t, 1000))), 400, ""},
		{"old +0", ask("+0", nil, string(tr.checkpoint(t, 1000))), 400, ""},
		{"old too large to count", ask("18446744073709551616", nil, string(tr.checkpoint(t, 1000))), 400, ""},
		{"64 proof lines", ask("1000", many, string(tr.checkpoint(t, 1000))), 400, ""},
		{"64 proof lines, unknown log", ask("1000", many, otherOrigin), 400, ""},
		{"proof line of 31 bytes", ask("1000", []string{b64(root[:31])}, string(tr.checkpoint(t, 1200))), 400, ""},
		{"proof line with spare bits", ask("1000", []string{strings.Repeat("A", 42) + "B="}, string(tr.checkpoint(t, 1200))), 400, ""},
		{"body too large", ask("1000", nil, string(tr.checkpoint(t, 1000))+strings.Repeat("x", MaxBody)), 400, ""},
		{"unknown log", ask("1000", nil, otherOrigin), 404, ""},
		{"unknown log, malformed note", ask("1000", nil, "log.example/other\n"), 404, ""},
		{"malformed note", ask("1000", nil, origin+"\n1000\n"), 400, ""},
		{"101 signature lines", ask("1000", nil, string(tr.checkpoint(t, 1000))+strings.Repeat("— a AAAAAAAA\n", 100)), 400, ""},
		{"unsigned", ask("1000", nil, string(audit.CheckpointBody(origin, 1000, root))+"\n"), 400, ""}, // a note without signatures is none
		{"signed by a stranger of the same name", ask("1000", nil, stranger(t, origin, 1000, root)), 403, ""},
		{"signature of another body", ask("1000", nil, broken), 403, ""},
		{"old behind, signature bad", ask("5", nil, broken), 403, ""},
		{"extension line", ask("1000", nil, cp(string(audit.CheckpointBody(origin, 1000, root))+"more\n")), 400, ""},
		{"size with a leading zero", ask("1000", nil, cp(strings.Replace(string(audit.CheckpointBody(origin, 1000, root)), "1000", "01000", 1))), 400, ""},
		{"root of 31 bytes", ask("1000", nil, cp(origin+"\n1000\n"+b64(root[:31])+"\n")), 400, ""},
		{"old above size", ask("1000", nil, string(tr.checkpoint(t, 700))), 400, ""},
		{"old above size and not recorded", ask("1300", nil, string(tr.checkpoint(t, 1200))), 400, ""},
		{"restored database", tr.grow(t, 700, 700), 409, "1000\n"},
		{"old never recorded", tr.grow(t, 999, 1200), 409, "1000\n"},
		{"fork from an old size", fork.grow(t, 700, 1100), 409, "1000\n"},
		{"fork with its own proof", ask("1000", lines(fork.prove(t, 1000, 1200)), string(fork.checkpoint(t, 1200))), 422, ""},
		{"same size, other root", ask("1000", nil, string(fork.checkpoint(t, 1000))), 422, ""},
		{"same size with a proof", ask("1000", many[:1], string(tr.checkpoint(t, 1000))), 422, ""},
		{"growth without proof", ask("1000", nil, string(tr.checkpoint(t, 1200))), 422, ""},
		{"old 0 again", tr.grow(t, 0, 1200), 409, "1000\n"},
		{"honest growth after all that", tr.grow(t, 1000, 1200), 200, ""},
	} {
		status, text, kind := post(t, srv.URL, c.body)
		if status != c.status || c.text != "" && text != c.text {
			t.Errorf("%s: %d %q, want %d %q", c.name, status, text, c.status, c.text)
		}
		if (status == 409) != (kind == "text/x.tlog.size") {
			t.Errorf("%s: content type %q", c.name, kind)
		}
		if (status == 200) != strings.HasPrefix(text, "— w.court.example ") {
			t.Errorf("%s: %d with %q", c.name, status, text)
		}
	}
}

// On a log never seen: an empty tree has one root only, and nothing is proved from nothing.
func TestAnswersEmpty(t *testing.T) {
	tr := newTree(t, 10, "log")
	s := newServer(t, t.TempDir(), tr.keys)
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	root := tr.root(t, 5)
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"size 0, wrong root", string(Request{0, nil, tr.signed(t, string(audit.CheckpointBody(origin, 0, root)))}.Format()), 422},
		{"old 0 with a proof", string(Request{0, [][32]byte{root}, tr.checkpoint(t, 5)}.Format()), 422},
		{"size 0", string(Request{0, nil, tr.signed(t, string(audit.CheckpointBody(origin, 0, audit.EmptyRoot())))}.Format()), 200},
		{"first entries", tr.grow(t, 0, 5), 200},
	} {
		if status, text, _ := post(t, srv.URL, c.body); status != c.status {
			t.Errorf("%s: %d %q, want %d", c.name, status, text, c.status)
		}
	}
}

func TestCosignaturesSatisfyTheQuorum(t *testing.T) {
	tr := newTree(t, 300, "log")
	s := newServer(t, t.TempDir(), tr.keys)
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	v := s.VKeys()
	q, err := audit.ParseQuorum([]byte(fmt.Sprintf("log %s\nwitness ed %s %s/\nwitness pq %s %s\ngroup both all ed pq\nquorum both\n", tr.keys.VKeys[0], v[0], srv.URL, v[1], srv.URL)))
	if err != nil {
		t.Fatal(err)
	}
	if err := q.CheckLog(tr.keys); err != nil {
		t.Error(err)
	}
	peers := Peers(q, q)
	if len(peers) != 1 {
		t.Fatalf("%d peers, want 1", len(peers))
	}
	log := Log{Checkpoint: tr.checkpoint(t, 300), Size: 300, Prove: func(old uint64) ([][32]byte, error) { return tr.prove(t, old, 300), nil }}
	res := (&Client{}).Ask(t.Context(), peers, log)[0]
	if res.Verdict != Cosigned {
		t.Fatal(res.Verdict, res.Err)
	}
	full, added := q.Cosign(log.Checkpoint, res.Lines)
	if len(added) != 2 || !q.Satisfied(full) || q.Satisfied(log.Checkpoint) || len(q.Cosignatures(full)) != 2 {
		t.Errorf("added %v", added)
	}
	// One line alone does not satisfy "all", and a line of another checkpoint is dropped.
	first, _, _ := strings.Cut(string(res.Lines), "\n")
	if one, added := q.Cosign(log.Checkpoint, []byte(first+"\n")); len(added) != 1 || q.Satisfied(one) {
		t.Errorf("one line: %v", added)
	}
	if _, added := q.Cosign(tr.checkpoint(t, 299), res.Lines); len(added) != 0 {
		t.Errorf("lines of another checkpoint: %v", added)
	}
	got, err := (&Client{}).Latest(t.Context(), peers[0], origin)
	if err != nil || !q.Satisfied(got) {
		t.Errorf("latest: %v", err)
	}
}

// Two requests that extend one tree at once: whatever the interleaving, exactly one is cosigned.
func TestTwoAtOnce(t *testing.T) {
	tr := newTree(t, 400, "log")
	for range 20 {
		s := newServer(t, t.TempDir(), tr.keys)
		if _, err := s.Add([]byte(tr.grow(t, 0, 100))); err != nil {
			t.Fatal(err)
		}
		var got [2]error
		var wg sync.WaitGroup
		bodies := []string{tr.grow(t, 100, 200), tr.fork(100, 300).grow(t, 100, 300)}
		for i := range got {
			wg.Go(func() { _, got[i] = s.Add([]byte(bodies[i])) })
		}
		wg.Wait()
		var a *answer
		switch {
		case got[0] == nil && errors.As(got[1], &a) && a.status == 409 && *a.size == 200:
		case got[1] == nil && errors.As(got[0], &a) && a.status == 409 && *a.size == 300:
		default:
			t.Fatalf("%v and %v, want one cosigned and one conflict", got[0], got[1])
		}
		s.Close()
	}
}

// stranger signs a checkpoint with a fresh key.
func stranger(t testing.TB, origin string, size uint64, root [32]byte) string {
	t.Helper()
	skey, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := audit.SignCheckpoint(origin, size, root, signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(cp)
}

func lines(p [][32]byte) []string {
	var out []string
	for _, h := range p {
		out = append(out, base64.StdEncoding.EncodeToString(h[:]))
	}
	return out
}
