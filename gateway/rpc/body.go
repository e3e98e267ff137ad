package rpc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"jali/gateway"
)

// What can be wrong with a body before it is a message.
var (
	tooLarge = withDetails(codes.ResourceExhausted, fmt.Sprintf("the request is larger than %d bytes", maxRequest), info(string(gateway.TextLimit), 0))
	tooSlow  = withDetails(codes.DeadlineExceeded, "the request's body did not arrive in time", info("DEADLINE", 0))
	noBody   = withDetails(codes.InvalidArgument, "the request has no body", info(string(gateway.Invalid), 0), hinted("send a JSON object"))

	noKind = withDetails(codes.InvalidArgument, "the request does not say that its body is JSON", info(string(gateway.Invalid), 0),
		hinted("send the header Content-Type: application/json (curl -H 'Content-Type: application/json')"))

	noCompression = withDetails(codes.InvalidArgument, "the request is compressed", info(string(gateway.Invalid), 0),
		hinted("send it as it is: requests are small, and what they unpack to is not bounded by their length"))
)

// compressed reports whether a request says so, in any of the three protocols.
func compressed(h http.Header) bool {
	for _, name := range []string{"Content-Encoding", "Connect-Content-Encoding", "Grpc-Encoding"} {
		if v := h.Get(name); v != "" && v != "identity" {
			return true
		}
	}
	return false
}

// timedBody bounds a request's body in size and time, and remembers what was wrong with it. The time starts with the first read;
// net/http ends the deadline with the body (a test holds it to that: left standing, it would cut the call).
type timedBody struct {
	io.ReadCloser
	control  *http.ResponseController
	within   time.Duration
	left     int64
	required bool
	started  bool
	any      bool
	fault    *status.Status
}

func (b *timedBody) Read(p []byte) (int, error) {
	if b.fault != nil {
		return 0, b.fault.Err()
	}
	if !b.started {
		b.started = true
		if err := b.control.SetReadDeadline(time.Now().Add(b.within)); err != nil {
			return 0, fmt.Errorf("limit reading time: %w", err)
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.any = b.any || n > 0
	b.left -= int64(n)
	switch {
	case b.left < 0:
		b.fault = tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.fault = tooSlow
	case errors.Is(err, io.EOF) && b.required && !b.any:
		b.fault = noBody
	}
	if b.fault != nil {
		return 0, b.fault.Err()
	}
	return n, err
}
