package rpc

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// One address gets a quarter of the connections, and its place back when it hangs up.
func TestCrowd(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(inner, 12)
	let := make(chan net.Conn, 16)
	go func() {
		for {
			conn, err := c.Accept()
			if err != nil {
				close(let)
				return
			}
			let <- conn
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var in []net.Conn
	for range 3 {
		dial()
		in = append(in, <-let)
	}
	over := dial()
	_ = over.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := over.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, errTimeout(err)) {
		t.Fatalf("the fourth connection of one address of 12 in all reads %d bytes, %v; want it closed", n, err)
	}
	if got := c.refused.Load(); got != 1 {
		t.Errorf("%d connections refused, want 1", got)
	}
	for range 2 { // closed twice leaves once
		if err := in[0].Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	dial()
	again := <-let
	if _, err := again.Write([]byte{1}); err != nil {
		t.Error(err)
	}
	if c.open != 3 {
		t.Errorf("%d connections counted, want 3", c.open)
	}
	if err := inner.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-let; ok {
		t.Error("a connection after the end")
	}
}

// errTimeout is err itself if it is a timeout, which would mean that the connection stood.
func errTimeout(err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return err
	}
	return io.ErrNoProgress
}
