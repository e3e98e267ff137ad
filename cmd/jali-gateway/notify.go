package main

import (
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// notify tells a supervisor that asks for it how the gateway is: sd_notify(3), one datagram. Without NOTIFY_SOCKET nobody asks. A supervisor that cannot be told is not a reason to
// stop: it notices by itself.
func notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}) // a leading @ is an abstract socket, here as there
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}

// monotonic is the clock that systemd compares a reload with, in microseconds.
func monotonic() string {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return "0"
	}
	return strconv.FormatInt(t.Nano()/1000, 10)
}
