package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"jali/gateway"
)

var (
	errTaken = errors.New("another program listens there")
	errTwin  = errors.New("a gateway with the certificate of this directory serves there")
)

// A start, and what opens the state as a start does, appends an entry and has witnesses cosign it. Where a gateway serves of which this
// directory is a restored copy, one entry of the copy makes two histories of one log, and the witnesses then end the gateway that serves
// (exit 74). So addresses are looked at before the log is opened. It helps on one machine only; docs/operations.md has the rest.

// vacant reports that an address to listen on is another program's: a start would fail after it has appended.
func vacant(layout gateway.Layout, addrs ...string) error {
	if answers(layout.Socket()) {
		return nil // this directory's own gateway; the lock of the log says so, with its own exit status
	}
	for _, addr := range addrs {
		if addr == "" {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s: %w", addr, errTaken)
		}
		if err == nil {
			l.Close() // any other error is for whoever listens in earnest
		}
	}
	return nil
}

// alone reports that whoever answers at the address has this directory's server certificate, as the original of a copy has. Another
// program there is no reason not to examine a directory.
func alone(layout gateway.Layout, addr string) error {
	text, err := os.ReadFile(layout.ServerCert())
	if err != nil {
		return nil // said by the check of certificates
	}
	own, _ := pem.Decode(text)
	if own == nil {
		return nil
	}
	// Nobody is trusted over this connection: the certificate is compared, and nothing is sent.
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 2 * time.Second}, "tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil
	}
	defer c.Close()
	if seen := c.ConnectionState().PeerCertificates; len(seen) > 0 && bytes.Equal(seen[0].Raw, own.Bytes) {
		return fmt.Errorf("%s: %w", addr, errTwin)
	}
	return nil
}

const (
	takenHint = "if that is the gateway this directory was copied or restored from, stop it for good first, for two that append to one log end both; else set another address: listen and listen_pg in config.yaml, serve --listen"
	twinHint  = "this directory is a copy of what it serves: stop it for good first, or rehearse without witnesses (docs/operations.md, backup and restore)"
)
