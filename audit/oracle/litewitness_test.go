package oracle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"jali/audit"
	"jali/audit/witness"
)

// litewitness builds and starts the real program with one log registered, and returns its address.
func litewitness(t *testing.T, keys *audit.Keys) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lw") // short: a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "litewitness")
	if out, err := exec.Command("go", "build", "-o", program, "filippo.io/torchwood/cmd/litewitness").CombinedOutput(); err != nil {
		t.Skipf("litewitness cannot be built here: %v\n%s", err, out)
	}
	db := filepath.Join(dir, "db")
	conn, err := sqlite.OpenConn(db)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`
		CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);
		CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));
		INSERT INTO log VALUES ('%s', 0, '%s');
		INSERT INTO key VALUES ('%s', '%s');`,
		keys.Origin, base64.StdEncoding.EncodeToString(make([]byte, 32)), keys.Origin, keys.VKeys[0])
	if err := sqlitex.ExecuteScript(conn, script, nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, c)
		}
	}()
	sshPub, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	cmd := exec.Command(program, "-name", "lite.example", "-db", db, "-ssh-agent", socket, "-listen", address, "-key", ssh.FingerprintSHA256(sshPub))
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return "http://" + address
		}
		select {
		case <-ended:
			t.Fatalf("litewitness ended: %s", said.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("litewitness does not listen")
	return ""
}

// grown is a log of which checkpoints and proofs of every size can be made.
type grown struct {
	signer note.Signer
	keys   *audit.Keys
	leaves [][]byte
}

func grow(t *testing.T, prefix [][]byte, n int, seed string) *grown {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{5}, 32)), origin)
	if err != nil {
		t.Fatal(err)
	}
	g := &grown{leaves: append([][]byte(nil), prefix...)}
	if g.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	if g.keys, err = audit.ParseKeys([]string{vkey}); err != nil {
		t.Fatal(err)
	}
	for i := len(prefix); i < n; i++ {
		h := audit.LeafHash(fmt.Appendf(nil, "%s %d", seed, i))
		g.leaves = append(g.leaves, h[:])
	}
	return g
}

func (g *grown) tiles(level uint8, index uint64, width int) ([]byte, error) {
	var out []byte
	span := uint64(1) << (8 * level)
	for i := index * 256; i < index*256+uint64(width); i++ {
		r := audit.Ranges.NewEmptyRange(0)
		for _, l := range g.leaves[i*span : (i+1)*span] {
			if err := r.Append(l, nil); err != nil {
				return nil, err
			}
		}
		h, err := r.GetRootHash(nil)
		if err != nil {
			return nil, err
		}
		out = append(out, h...)
	}
	return out, nil
}

func (g *grown) root(t *testing.T, n uint64) [32]byte {
	t.Helper()
	r, err := audit.RangeFromTiles(n, g.tiles)
	if err != nil {
		t.Fatal(err)
	}
	root, err := audit.RootOf(r)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func (g *grown) sign(t *testing.T, body []byte) []byte {
	t.Helper()
	cp, err := note.Sign(&note.Note{Text: string(body)}, g.signer)
	if err != nil {
		t.Fatal(err)
	}
	return cp
}

// ask is a request with the proof between two sizes; prove may differ from what old says.
func (g *grown) ask(t *testing.T, old, prove, n uint64) string {
	t.Helper()
	var path [][32]byte
	if prove > 0 && prove < n {
		var err error
		if path, err = audit.ProveConsistency(prove, n, g.tiles); err != nil {
			t.Fatal(err)
		}
	}
	return string(witness.Request{Old: old, Proof: path, Checkpoint: g.sign(t, audit.CheckpointBody(origin, n, g.root(t, n)))}.Format())
}

// Our witness gives litewitness's answers to the same requests, and differs where the specification lists it.
func TestSameAnswersAsLitewitness(t *testing.T) {
	g := grow(t, nil, 1300, "log")
	fork := grow(t, g.leaves[:700], 1300, "fork")
	lite := litewitness(t, g.keys)

	dir := t.TempDir()
	if err := witness.Init(dir, "ours.example"); err != nil {
		t.Fatal(err)
	}
	s, err := witness.Open(witness.Config{Dir: dir, Logs: []*audit.Keys{g.keys}, Operator: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ours := httptest.NewServer(s)
	defer ours.Close()

	cp := func(n uint64) string { return string(g.sign(t, audit.CheckpointBody(origin, n, g.root(t, n)))) }
	hash := base64.StdEncoding.EncodeToString(g.leaves[0])
	stranger := strings.ReplaceAll(cp(1200), origin, "log.example/other")
	broken := strings.Replace(cp(1200), "\n1200\n", "\n1201\n", 1)
	for _, c := range []struct {
		name, body string
		ours, lite int
		size       string
	}{
		{"first checkpoint", g.ask(t, 0, 0, 700), 200, 200, ""},
		{"growth 700->1000", g.ask(t, 700, 700, 1000), 200, 200, ""},
		{"same-size probe", g.ask(t, 1000, 1000, 1000), 200, 200, ""},
		{"restored database", g.ask(t, 700, 700, 700), 409, 409, "1000\n"},
		{"size 700 with old 1000", g.ask(t, 1000, 0, 700), 400, 400, ""},
		{"fork after 700 with old 700", fork.ask(t, 700, 700, 1100), 409, 409, "1000\n"},
		{"fork with old 1000 and its own proof", fork.ask(t, 1000, 1000, 1200), 422, 422, ""},
		{"same size, other root", fork.ask(t, 1000, 1000, 1000), 422, 422, ""},
		{"unknown origin", "old 0\n\n" + stranger, 404, 404, ""},
		{"bad signature", "old 1000\n\n" + broken, 403, 403, ""},
		{"64 proof lines", "old 1000\n" + strings.Repeat(hash+"\n", 64) + "\n" + cp(1200), 400, 400, ""},
		{"growth to 1200", g.ask(t, 1000, 1000, 1200), 200, 200, ""},
		// Listed differences: ours follow the specification.
		{"old 01200", strings.Replace(g.ask(t, 1200, 1200, 1300), "old 1200", "old 01200", 1), 400, 200, ""},
		{"malformed note", "old 1200\n\n" + origin + "\n1300\n", 400, 500, ""},
		{"malformed checkpoint", "old 1200\n\n" + string(g.sign(t, []byte(origin+"\nmany\n"+hash+"\n"))), 400, 500, ""},
	} {
		for _, w := range []struct {
			name, url string
			want      int
		}{{"ours", ours.URL, c.ours}, {"litewitness", lite, c.lite}} {
			resp, err := http.Post(w.url+"/add-checkpoint", "text/plain", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != w.want || c.size != "" && string(text) != c.size {
				t.Errorf("%s: %s answers %d %q, want %d %s", c.name, w.name, resp.StatusCode, text, w.want, c.size)
			}
			if kind := resp.Header.Get("Content-Type"); c.size != "" && kind != "text/x.tlog.size" {
				t.Errorf("%s: %s says %q", c.name, w.name, kind)
			}
		}
	}
}
