package witness

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// as is what a gateway with this tree asks, when it believes that the witness is at seen.
func (tr *tree) as(t testing.TB, size, seen uint64) Log {
	return Log{
		Checkpoint: tr.checkpoint(t, size), Size: size, Seen: map[string]uint64{"w": seen},
		Prove: func(old uint64) ([][32]byte, error) { return tr.prove(t, old, size), nil },
	}
}

// The second table of audit-log.md section 7: what each answer means, against a real witness.
func TestVerdicts(t *testing.T) {
	tr := newTree(t, 1300, "log")
	dir := t.TempDir()
	s := newServer(t, dir, tr.keys)
	if _, err := s.Add([]byte(tr.grow(t, 0, 500))); err != nil {
		t.Fatal(err)
	}
	s.Close()
	earlier, err := os.ReadFile(stateFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	s = newServer(t, dir, tr.keys)
	srv := httptest.NewServer(s)
	ask := func(log Log) Result {
		t.Helper()
		return (&Client{}).Ask(t.Context(), []Peer{{"w", srv.URL}}, log)[0]
	}
	want := func(what string, r Result, v Verdict, size uint64) {
		t.Helper()
		if r.Verdict != v || r.Size != size {
			t.Errorf("%s: %s at %d (%v), want %s at %d", what, r.Verdict, r.Size, r.Err, v, size)
		}
	}
	want("growth", ask(tr.as(t, 700, 500)), Cosigned, 700)
	// The witness has recorded, and was killed before its answer arrived: the gateway still believes 700.
	if _, err := s.Add([]byte(tr.grow(t, 700, 1000))); err != nil {
		t.Fatal(err)
	}
	want("record without answer", ask(tr.as(t, 1000, 700)), Cosigned, 1000)
	want("the same, the log has grown", ask(tr.as(t, 1100, 700)), Cosigned, 1100)
	want("a gateway that forgot the witness", ask(tr.as(t, 1100, 0)), Cosigned, 1100)
	want("restored database", ask(tr.as(t, 700, 700)), Rollback, 1100)
	want("old database with new entries", ask(tr.fork(700, 500).as(t, 1200, 700)), Fork, 1100)
	want("edited and rebuilt", ask(tr.fork(700, 400).as(t, 1100, 1100)), Fork, 1100)
	want("honest growth after all that", ask(tr.as(t, 1200, 1100)), Cosigned, 1200)

	// The witness's own file is rolled back: amnesia, and it is not fed again.
	srv.Close()
	s.Close()
	if err := os.WriteFile(stateFile(dir), earlier, 0o600); err != nil {
		t.Fatal(err)
	}
	s = newServer(t, dir, tr.keys)
	defer s.Close()
	srv = httptest.NewServer(s)
	want("witness rolled back", ask(tr.as(t, 1300, 1200)), Amnesia, 500)
	if seen, _, err := s.state.read(origin); err != nil || seen.Size != 500 {
		t.Errorf("an amnesic witness was fed: %d, %v", seen.Size, err)
	}
	srv.Close()
	want("nobody there", ask(tr.as(t, 1300, 1200)), NoAnswer, 0)
}

// Answers that no witness gives: the client says no answer, and never that all is well.
func TestStrangeAnswers(t *testing.T) {
	tr := newTree(t, 10, "log")
	for name, h := range map[string]http.HandlerFunc{
		"conflict without size": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409) },
		"conflict of another type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(409)
			w.Write([]byte("5\n"))
		},
		"same conflict again and again": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(409)
			w.Write([]byte("7\n"))
		},
		"server error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"endless":      func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("x"), MaxBody+2)) },
		"silence":      func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) },
	} {
		srv := httptest.NewServer(h)
		r := (&Client{Timeout: 300 * time.Millisecond}).Ask(t.Context(), []Peer{{"w", srv.URL}}, tr.as(t, 10, 5))[0]
		if r.Verdict != NoAnswer || r.Err == nil {
			t.Errorf("%s: %s, %v", name, r.Verdict, r.Err)
		}
		srv.CloseClientConnections()
		srv.Close()
	}
}

// Keys without state, or state without keys, are never quietly completed: the witness would have forgotten.
func TestReadyRefusesHalfAWitness(t *testing.T) {
	for _, lose := range []func(string) string{keyFile, stateFile} {
		dir := t.TempDir()
		if err := Init(dir, "w.court.example"); err != nil {
			t.Fatal(err)
		}
		if err := Init(dir, "w.court.example"); err == nil {
			t.Error("a witness was made anew over its state")
		}
		if err := os.Remove(lose(dir)); err != nil {
			t.Fatal(err)
		}
		if ready, err := Ready(dir); err == nil || ready {
			t.Errorf("ready %v, %v", ready, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	tr := newTree(f, 20, "log")
	f.Add([]byte(tr.grow(f, 7, 20)))
	f.Add([]byte("old 0\n\nx"))
	f.Add([]byte("old 00\n\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseRequest(body)
		if err == nil && !bytes.Equal(r.Format(), body) {
			t.Errorf("%q is read and written as %q", body, r.Format())
		}
	})
}
