package sdktest

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long the gateway may take to start (recovery included) and to drain.
const (
	startTimeout = time.Minute
	stopTimeout  = time.Minute
)

// process is one serving gateway.
type process struct {
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{} // closed when it has ended; err is then set
	err    error
}

// Serve starts serving, after Stop or Kill. It returns when questions are answered.
func (g *Gateway) Serve() {
	g.t.Helper()
	if g.server != nil {
		g.t.Fatal("sdktest: the gateway is serving")
	}
	listen := "127.0.0.1:0"
	if g.Endpoint != "" {
		listen = strings.TrimPrefix(g.Endpoint, "https://") // clients keep the address
	}
	p := &process{cmd: exec.Command(g.program, "serve", "--dir", g.Dir, "--listen", listen), stderr: &tail{}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), g.config.Environment...)
	p.cmd.Stderr = g.heard(p.stderr)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		g.t.Fatalf("sdktest: start gateway: %v", err)
	}
	said := make(chan string, 1)
	go func() {
		defer close(p.done)
		stdout := io.TeeReader(stdout, g.heard(io.Discard))
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				select {
				case said <- at:
				default:
				}
			}
		}
		io.Copy(io.Discard, stdout) // a line too long for the scanner must not block the gateway
		p.err = p.cmd.Wait()
	}()
	select {
	case g.Endpoint = <-said:
		g.server = p
	case <-p.done:
		g.t.Fatalf("sdktest: the gateway did not start: %v\n%s", p.err, p.stderr)
	case <-time.After(startTimeout):
		p.end(syscall.SIGKILL)
		g.t.Fatalf("sdktest: the gateway was not ready after %v\n%s", startTimeout, p.stderr)
	}
}

// Stop asks the gateway to drain and end, and fails the test if it does not end cleanly.
func (g *Gateway) Stop() {
	g.t.Helper()
	p := g.server
	if p == nil {
		return
	}
	g.server = nil
	if !p.end(syscall.SIGTERM) {
		p.end(syscall.SIGKILL)
		g.t.Errorf("sdktest: the gateway did not drain within %v\n%s", stopTimeout, p.stderr)
		return
	}
	if p.err != nil {
		g.t.Errorf("sdktest: the gateway ended with %v\n%s", p.err, p.stderr)
	}
}

// Kill ends the gateway as a power cut would: SIGKILL, nothing flushed.
func (g *Gateway) Kill() {
	g.t.Helper()
	if g.server == nil {
		return
	}
	g.server.end(syscall.SIGKILL)
	g.server = nil
}

// Restart stops and serves again, at the same address.
func (g *Gateway) Restart() {
	g.t.Helper()
	g.Stop()
	g.Serve()
}

// PID is the process id of the serving gateway; 0: none.
func (g *Gateway) PID() int {
	if g.server == nil {
		return 0
	}
	return g.server.cmd.Process.Pid
}

// Log is the end of what the serving gateway wrote to standard error.
func (g *Gateway) Log() string {
	if g.server == nil {
		return ""
	}
	return g.server.stderr.String()
}

// end signals the process and waits for it; false: it did not end in time.
func (p *process) end(signal os.Signal) bool {
	// An error means that it has ended already, which the wait below sees.
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
		return true
	case <-time.After(stopTimeout):
		return false
	}
}

// tail keeps the last part of what is written to it.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const tailSize = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p)
	if over := t.b.Len() - tailSize; over > 0 {
		t.b.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
