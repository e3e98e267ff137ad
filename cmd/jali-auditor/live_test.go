package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"jali/audit"
	"jali/audit/store"
	jaliv1 "jali/proto/jali/v1"
)

// server serves AuditService over a real store. lie, if set, changes what it sends: a gateway that its own operator
// has changed.
type server struct {
	jaliv1.UnimplementedAuditServiceServer
	s   *store.Store
	mu  sync.Mutex
	lie func(*jaliv1.ListEntriesResponse)
	// nano is added to every spend claimed, shift to the number of every entry proved.
	nano  int64
	shift uint64
	// cosigned is what it shows as cosigned by witnesses, policy whom it says it asks, audience what it says the caller may export for.
	cosigned, policy, audience string
}

func (s *server) GetCheckpoint(context.Context, *jaliv1.GetCheckpointRequest) (*jaliv1.GetCheckpointResponse, error) {
	note, err := s.s.SealedCheckpoint()
	return &jaliv1.GetCheckpointResponse{Checkpoint: string(note), Origin: s.s.Origin(), Vkeys: s.s.VKeys(), Cosigned: s.cosigned, SealPolicy: s.policy, Audience: s.audience}, err
}

func (s *server) page(from uint64, limit int, details bool) (*jaliv1.ListEntriesResponse, error) {
	lines, err := s.s.Entries(from, min(limit, 5)) // short pages, so that there are several
	out := &jaliv1.ListEntriesResponse{Size: s.s.Size()}
	for i, l := range lines {
		e := &jaliv1.Entry{Seq: from + uint64(i), Header: string(l)}
		if details {
			if e.Details, err = s.s.Details(e.Seq); err != nil {
				return nil, err
			}
		}
		out.Entries = append(out.Entries, e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lie != nil {
		s.lie(out)
	}
	return out, err
}

func (s *server) ListEntries(_ context.Context, in *jaliv1.ListEntriesRequest) (*jaliv1.ListEntriesResponse, error) {
	return s.page(in.GetFrom(), int(in.GetLimit()), in.GetDetails())
}

func (s *server) WatchEntries(in *jaliv1.WatchEntriesRequest, stream grpc.ServerStreamingServer[jaliv1.ListEntriesResponse]) error {
	for from := in.GetFrom(); ; {
		if _, err := s.s.Wait(stream.Context(), from); err != nil {
			return err
		}
		p, err := s.page(from, 100, in.GetDetails())
		if err != nil {
			return err
		}
		if err := stream.Send(p); err != nil {
			return err
		}
		from += uint64(len(p.GetEntries()))
	}
}

// gateway starts a server and returns the flags that name it.
func gateway(t *testing.T) (*server, []string, string) {
	t.Helper()
	dir := t.TempDir()
	cfg := store.InDir(dir)
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: "audit.example.gov/gw1/2027"}); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		if _, err := store.Verify(store.VerifyConfig{Config: cfg}); err != nil {
			t.Error(err)
		}
	})
	if err := sampleLog(st, dir); err != nil {
		t.Fatal(err)
	}
	cert := certificate(t, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{s: st, audience: "regulator"}
	g := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert})))
	jaliv1.RegisterAuditServiceServer(g, s)
	go g.Serve(l)
	t.Cleanup(g.Stop)
	t.Setenv("JALI_CONFIG", filepath.Join(dir, "none.yaml"))
	at := func(name string) string { return filepath.Join(dir, name) }
	return s, []string{"--endpoint", "https://" + l.Addr().String(), "--ca", at("cert.pem"), "--cert", at("cert.pem"), "--key", at("key.pem")}, at("vkeys")
}

func certificate(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, pub, priv)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for name, b := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func auditor(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestLive(t *testing.T) {
	_, link, vkeys := gateway(t)
	dir := t.TempDir()
	status, out, errs := auditor(append(link, "verify", "--vkeys", vkeys, "--details", "--remember", filepath.Join(dir, "seen"))...)
	if status != statusOK || !strings.Contains(out, "9 details match") || !strings.Contains(out, "Ed25519 and ML-DSA-44") || !strings.Contains(out, "remembered nothing yet") {
		t.Errorf("verify: %d\n%s%s", status, out, errs)
	}
	status, out, errs = auditor(append(link, "verify", "--vkeys", vkeys, "--remember", filepath.Join(dir, "seen"))...)
	if status != statusOK || !strings.Contains(out, "continues the one of 12 entries") || strings.Contains(out, "cut or rebuilt") {
		t.Errorf("verify again: %d\n%s%s", status, out, errs)
	}
	status, out, errs = auditor(append(link, "list", "--kind", "INTENT", "--details", "--format", "json")...)
	if status != statusOK || !strings.Contains(out, `"actor": "r-0042"`) || !strings.Contains(out, `"outcome": "failure"`) {
		t.Errorf("list: %d\n%s%s", status, out, errs)
	}
	intents := regexp.MustCompile(`"seq": (\d+),\s+"time": "[^"]*",\s+"kind": "INTENT"[^{]*"outcome": "(\w+)"`).FindAllStringSubmatch(out, -1)
	if len(intents) == 0 {
		t.Errorf("no intents with an outcome in\n%s", out)
	}
	for _, m := range intents {
		status, out, errs := auditor(append(link, "show", m[1], "--vkeys", vkeys, "--format", "json")...)
		if status != statusOK || !strings.Contains(out, `"outcome": "`+m[2]+`"`) {
			t.Errorf("show %s does not tell the outcome %s that list tells: %d\n%s%s", m[1], m[2], status, out, errs)
		}
	}
	exp := filepath.Join(dir, "out")
	status, out, errs = auditor(append(link, "export", "--vkeys", vkeys, "--out", exp, "--audience", "regulator")...)
	if status != statusOK || !strings.Contains(out, "9 details") || errs != "" {
		t.Errorf("export: %d\n%s%s", status, out, errs)
	}
	if status, out, errs = auditor("verify", "--export", exp, "--vkeys", vkeys); status != statusOK {
		t.Errorf("verify export: %d\n%s%s", status, out, errs)
	}
	_, otherLink, otherKeys := gateway(t)
	if status, _, errs = auditor(append(otherLink, "verify", "--vkeys", vkeys)...); status != statusFailed {
		t.Errorf("another log under these keys: %d %s", status, errs)
	}
	if status, _, errs = auditor(append(otherLink, "verify", "--vkeys", otherKeys, "--remember", filepath.Join(dir, "seen"))...); status != statusFailed {
		t.Errorf("another log with this checkpoint: %d %s", status, errs)
	}
	link[1] = "https://127.0.0.1:1"
	status, _, errs = auditor(append(link, "list", "--timeout", "500ms")...)
	if status != statusUnavailable || !strings.Contains(errs, "hint: ") {
		t.Errorf("nobody there: %d %s", status, errs)
	}
}

// What a changed gateway sends does not verify, and the entry is named.
func TestLyingGateway(t *testing.T) {
	s, link, vkeys := gateway(t)
	change := func(seq uint64, old, new string) func(*jaliv1.ListEntriesResponse) {
		return func(p *jaliv1.ListEntriesResponse) {
			for _, e := range p.Entries {
				if e.Seq == seq {
					e.Header = strings.Replace(e.Header, old, new, 1)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		lie  func(*jaliv1.ListEntriesResponse)
		says string
		cmd  string
	}{
		"header":         {change(7, "epi-03", "epi-04"), "entry 8", "verify"},
		"spend":          {change(7, `"cost":{"d":0,"r":10000}`, `"cost":{"d":0,"r":1}`), "entry 7: field bud1", "verify"},
		"last header":    {change(11, `"why":"budget"`, `"why":"policy"`), "root", "verify"},
		"gap":            {func(p *jaliv1.ListEntriesResponse) { drop(p, 6) }, "entry 6", "verify"},
		"ends early":     {func(p *jaliv1.ListEntriesResponse) { cutAt(p, 10) }, "ends at entry 10", "verify"},
		"foreign detail": {func(p *jaliv1.ListEntriesResponse) { swapDetails(p, 7) }, "entry 7: field dtl", "verify"},
		"listed detail":  {func(p *jaliv1.ListEntriesResponse) { swapDetails(p, 7) }, "entry 7: field dtl", "list"},
		"watched":        {change(9, "epi-03", "epi-04"), "entry 10", "watch"},
		"exported":       {change(9, "epi-03", "epi-04"), "entry 10", "export"},
	} {
		t.Run(name, func(t *testing.T) {
			s.mu.Lock()
			s.lie = c.lie
			s.mu.Unlock()
			args := append(append([]string(nil), link...), c.cmd, "--vkeys", vkeys)
			switch c.cmd {
			case "watch":
				args = append(args, "--from", "0")
			case "export":
				args = append(args, "--out", filepath.Join(t.TempDir(), "out"))
			default:
				args = append(args, "--details")
			}
			status, _, errs := auditor(args...)
			if status != statusFailed || !strings.Contains(errs, c.says) {
				t.Errorf("status %d: %s\nwant %d and %q", status, errs, statusFailed, c.says)
			}
		})
	}
}

func drop(p *jaliv1.ListEntriesResponse, seq uint64) {
	for i, e := range p.Entries {
		if e.Seq == seq {
			p.Entries = append(p.Entries[:i], p.Entries[i+1:]...)
			return
		}
	}
}

func cutAt(p *jaliv1.ListEntriesResponse, seq uint64) {
	for i, e := range p.Entries {
		if e.Seq >= seq {
			p.Entries = p.Entries[:i]
			return
		}
	}
}

func swapDetails(p *jaliv1.ListEntriesResponse, seq uint64) {
	for _, e := range p.Entries {
		if e.Seq == seq && len(e.Details) > 0 {
			d, err := audit.SealDetail(audit.Detail{Name: "actor", Value: "someone else"})
			if err != nil {
				panic(err)
			}
			e.Details = append([]string{d}, e.Details[1:]...)
		}
	}
}

// A watcher sees entries as they become durable, each continuing the one before.
func TestWatch(t *testing.T) {
	s, link, _ := gateway(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	a := &app{stdout: w, stderr: os.Stderr, from: sourceFlags{endpoint: link[1], ca: link[3], cert: link[5], key: link[7], timeout: time.Minute}}
	done := make(chan error, 1)
	go func() {
		done <- a.watch(ctx, &filter{}, format{formatJSON}, true, 10)
		w.Close()
	}()
	buf := make([]byte, 64<<10)
	got := ""
	until := func(want string) {
		for !strings.Contains(got, want) {
			n, err := r.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v; got\n%s", want, err, got)
			}
			got += string(buf[:n])
		}
	}
	until(`"seq":11`)
	if _, err := s.s.Append(t.Context(), store.Item{Kind: audit.Heartbeat}); err != nil {
		t.Fatal(err)
	}
	until(`"seq":12`)
	if strings.Contains(got, `"seq":9,`) || !strings.Contains(got, `"kind":"HEARTBEAT"`) {
		t.Errorf("got\n%s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("watch: %v", err)
	}
}
