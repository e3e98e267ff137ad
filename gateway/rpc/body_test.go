package rpc

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/status"
)

// drip is a caller that sends one byte and then nothing.
func drip(t *testing.T, url string) {
	t.Helper()
	reader, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = writer.Write([]byte("{")) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
	}
}

func TestBodyInTime(t *testing.T) {
	faults := make(chan *status.Status, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &timedBody{ReadCloser: r.Body, control: http.NewResponseController(w), within: 50 * time.Millisecond, left: maxRequest}
		_, _ = io.Copy(io.Discard, b)
		faults <- b.fault
	}))
	defer server.Close()
	drip(t, server.URL)
	if got := <-faults; got != tooSlow {
		t.Errorf("got %v, want %v", got, tooSlow)
	}
}

// A body that arrived leaves no deadline behind: the call may take longer than the body was allowed to.
func TestBodyLeavesNoDeadline(t *testing.T) {
	canceled := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &timedBody{ReadCloser: r.Body, control: http.NewResponseController(w), within: 50 * time.Millisecond, left: maxRequest}
		_, _ = io.Copy(io.Discard, b)
		select {
		case <-r.Context().Done():
			canceled <- r.Context().Err()
		case <-time.After(300 * time.Millisecond):
			canceled <- nil
		}
	}))
	defer server.Close()
	response, err := http.Post(server.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if err := <-canceled; err != nil {
		t.Errorf("the call was cut: %v", err)
	}
}

func TestBodyLimits(t *testing.T) {
	for name, test := range map[string]struct {
		body     string
		left     int64
		required bool
		want     *status.Status
	}{
		"fits exactly": {"1234", 4, true, nil},
		"too large":    {"12345", 4, true, tooLarge},
		"empty":        {"", 4, true, noBody},
		"empty, fine":  {"", 4, false, nil},
	} {
		b := &timedBody{
			ReadCloser: io.NopCloser(strings.NewReader(test.body)), control: http.NewResponseController(deadlines{httptest.NewRecorder()}),
			within: time.Second, left: test.left, required: test.required,
		}
		_, err := io.ReadAll(b)
		if b.fault != test.want || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, %v", name, b.fault, err)
		}
		if test.want != nil && !errors.Is(err, test.want.Err()) {
			t.Errorf("%s: read returned %v", name, err)
		}
	}
}

// deadlines is a recorder on a connection without time.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error { return nil }
