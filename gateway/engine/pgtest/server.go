// Package pgtest starts a PostgreSQL server for a test: the installed binaries, a cluster of its own in a temporary folder, a
// socket there and a loopback port. It is a real server in all but durability (fsync is off).
//
// Not guaranteed: that a server is at hand. Where the binaries are not installed the test is skipped, with a message that says
// how to get them. Run by root, the server runs as the user postgres, or nobody: PostgreSQL refuses root.
package pgtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Password is that of the superuser postgres and of every role that Role makes.
const Password = "pgtest-secret"

// Server is a running server.
type Server struct {
	bin, dir string
	port     int
	run      *exec.Cmd
	done     chan struct{}
	as       *syscall.SysProcAttr
	extra    []string
}

// Start makes a cluster and starts its server, which is stopped when the test ends. settings are further ones: "ssl=on".
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is constant
	if len(found) == 0 {
		t.Skip("no PostgreSQL server: install it (tools/setup.sh, or apt-get install postgresql)")
	}
	slices.SortFunc(found, func(a, b string) int { return major(a) - major(b) })
	s := &Server{bin: filepath.Dir(found[len(found)-1]), extra: settings}
	var err error
	// Not t.TempDir: the path of a socket has at most 107 bytes, and another user must reach it.
	if s.dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		if err := os.RemoveAll(s.dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.unprivileged(t)
	pw := filepath.Join(s.dir, "pw")
	if err := os.WriteFile(pw, []byte(Password), 0o644); err != nil {
		t.Fatal(err)
	}
	init := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-A", "scram-sha-256", "-U", "postgres", "--pwfile", pw,
		"--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8")
	init.SysProcAttr, init.Dir = s.as, s.dir
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.port = freePort(t)
	s.Resume(t)
	return s
}

func major(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 sorts first
	return n
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Dir is a folder that the server's user can read.
func (s *Server) Dir() string { return s.dir }

// unprivileged finds whom to run the server as.
func (s *Server) unprivileged(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
		s.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		return
	}
	t.Skip("no user to run PostgreSQL as")
}

// Own gives a file to the server's user, with mode 0600: what it wants of a private key.
func (s *Server) Own(t testing.TB, path string) {
	t.Helper()
	err := os.Chmod(path, 0o600)
	if err == nil && s.as != nil {
		err = os.Chown(path, int(s.as.Credential.Uid), int(s.as.Credential.Gid))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Resume starts the server again after Kill or Stop and waits until it takes connections.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	args := []string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port)}
	for _, set := range append([]string{"listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=64MB", "max_wal_size=512MB", "logging_collector=off"}, s.extra...) {
		args = append(args, "-c", set)
	}
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.run = exec.Command(filepath.Join(s.bin, "postgres"), args...)
	s.run.SysProcAttr, s.run.Dir, s.run.Stdout, s.run.Stderr = s.as, s.dir, log, log
	if err := s.run.Start(); err != nil {
		t.Fatal(err)
	}
	run, done := s.run, make(chan struct{})
	s.done = done
	go func() {
		_ = run.Wait() // how it ended does not matter
		close(done)
	}()
	for range 300 {
		if exec.Command(filepath.Join(s.bin, "pg_isready"), "-q", "-h", s.dir, "-p", strconv.Itoa(s.port)).Run() == nil {
			return
		}
		select {
		case <-done:
			text, _ := os.ReadFile(s.LogFile()) // best effort: the test fails either way
			t.Fatalf("PostgreSQL did not start:\n%s", text)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("PostgreSQL does not answer")
}

// LogFile is the server's log.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "log") }

// Stop ends the server in order.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends it at once, as a crash does: every process is gone, nothing is written, the next start recovers.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(how syscall.Signal) {
	if s.run == nil {
		return
	}
	_ = s.run.Process.Signal(how) // it may have ended by itself
	<-s.done
	s.run = nil
}

// DSN is the connection string of a role to a database through the socket.
func (s *Server) DSN(role, database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s", s.dir, s.port, role, Password, database)
}

// Port is the loopback port.
func (s *Server) Port() int { return s.port }

// SQL runs statements as the superuser and returns what psql prints: rows without headings, columns parted by |.
func (s *Server) SQL(t testing.TB, database, sql string) string {
	t.Helper()
	psql := exec.Command(filepath.Join(s.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", s.DSN("postgres", database))
	psql.Stdin = strings.NewReader(sql)
	out, err := psql.CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// Role makes a role that can log in and nothing else, and writes its connection string to a file that only its owner can read.
func (s *Server) Role(t testing.TB, role, database string) (file string) {
	t.Helper()
	s.SQL(t, database, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, Password))
	file = filepath.Join(t.TempDir(), role+".dsn")
	if err := os.WriteFile(file, []byte(s.DSN(role, database)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Lock holds a table against every reader, in a session of its own, until release is called or the server ends: what reads it then
// is in the middle of its statement. It returns once the lock is held.
func (s *Server) Lock(t testing.TB, database, table string) (release func()) {
	t.Helper()
	psql := exec.Command(filepath.Join(s.bin, "psql"), "-X", "-q", "-d", s.DSN("postgres", database), "-c",
		"BEGIN; LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)")
	if err := psql.Start(); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		_ = psql.Process.Kill() // it may have ended with the server
		_ = psql.Wait()         // how it ended does not matter
	})
	t.Cleanup(release)
	for range 200 {
		if s.SQL(t, database, "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = '"+table+"'::regclass") != "0" {
			return release
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("no lock")
	return nil
}

// Waiting counts the statements of a role that wait for a lock.
func (s *Server) Waiting(t testing.TB, role string) string {
	t.Helper()
	return s.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+role+"' AND wait_event_type = 'Lock'")
}
