package main

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"jali/audit/store"
	"jali/gateway"
)

// Where a gateway may serve of which a state directory is a copy, neither serve nor doctor appends to the copy's log.
func TestAddressTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "d")
	run := func(args ...string) (string, error) {
		t.Helper()
		out, err := exec.Command(filepath.Join(os.Getenv("JALI_BIN"), "jali-gateway"), args...).CombinedOutput()
		return string(out), err
	}
	size := func() uint64 {
		t.Helper()
		r, err := store.Verify(store.VerifyConfig{Config: gateway.Layout(dir).Log()})
		if err != nil {
			t.Fatal(err)
		}
		return r.Size
	}
	if out, err := run("init", "--dir", dir, "--listen", l.Addr().String()); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	before := size()
	refused := func(why, hint string, args ...string) {
		t.Helper()
		if out, err := run(args...); err == nil || !strings.Contains(out, why) || !strings.Contains(out, "hint: "+hint) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if got := size(); got != before {
			t.Errorf("%v: the log has %d entries, had %d", args, got, before)
		}
	}
	refused(errTaken.Error(), takenHint, "serve", "--dir", dir)
	refused(errTaken.Error(), takenHint, "serve", "--dir", dir, "--listen", "127.0.0.1:0", "--pg-addr", l.Addr().String())

	// Somebody with the certificate of the directory: its original, or another copy.
	var shown atomic.Pointer[tls.Certificate]
	show := func(of gateway.Layout) {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(of.ServerCert(), of.ServerKey())
		if err != nil {
			t.Fatal(err)
		}
		shown.Store(&pair)
	}
	show(gateway.Layout(dir))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*shown.Load()}, MinVersion: tls.VersionTLS13}).Handshake()
			c.Close()
		}
	}()
	refused(errTwin.Error(), twinHint, "doctor", "--dir", dir)
	// Where witnesses remember what is opened, doctor reads and no more, unless it is told.
	policy := gateway.Layout(dir).SealPolicy()
	if err := os.WriteFile(policy, []byte("quorum none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("doctor", "--dir", dir); err != nil || size() != before || !strings.Contains(out, "doctor --open") {
		t.Errorf("doctor on a witnessed log: %v, %d entries of %d\n%s", err, size(), before, out)
	}
	refused(errTwin.Error(), twinHint, "doctor", "--dir", dir, "--open")
	if err := os.Remove(policy); err != nil {
		t.Fatal(err)
	}
	// Somebody else there is no reason not to examine it.
	other := t.TempDir()
	files(t, other)
	show(gateway.Layout(other))
	if out, err := run("doctor", "--dir", dir); err != nil || size() <= before {
		t.Errorf("doctor, another gateway at the address: %v, %d entries of %d\n%s", err, size(), before, out)
	}
}
