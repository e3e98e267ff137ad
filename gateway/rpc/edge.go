package rpc

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/vanguard"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"jali/gateway"
	"jali/gateway/console"
)

const (
	// maxRequest bounds a message a caller sends, maxAnswer one the gateway sends through the transcoder, which buffers it.
	maxRequest = 4 << 20
	maxAnswer  = 256 << 20

	healthPrefix = "/grpc.health.v1.Health/"
	oursPrefix   = "/jali.v1."
)

// edge is the port's HTTP handler: health, who calls, then gRPC or the transcoder.
type edge struct {
	metrics    *metrics
	callers    callers
	grpc       *grpc.Server
	transcoder http.Handler
	draining   context.Context
	// A request ends at the latest after call, or stream if its path is in streams, also when its caller does not read the answer.
	call, stream time.Duration
	streams      map[string]bool
	// console and the sessions of its users; nil: it is not served.
	console  http.Handler
	sessions *console.Sessions
}

func newEdge(server *grpc.Server, who callers, m *metrics, draining context.Context, c Config) (http.Handler, error) {
	transcoder, err := vanguardgrpc.NewTranscoder(server,
		vanguard.WithDefaultServiceOptions(vanguard.WithMaxMessageBufferBytes(maxAnswer), vanguard.WithNoTargetCompression()),
		// Strict: a misspelt field is an error, not a default.
		vanguard.WithCodec(func(types vanguard.TypeResolver) vanguard.Codec {
			return paddedJSON{&vanguard.JSONCodec{
				MarshalOptions:   protojson.MarshalOptions{Resolver: types, EmitUnpopulated: true},
				UnmarshalOptions: protojson.UnmarshalOptions{Resolver: types},
			}}
		}),
		vanguard.WithUnknownHandler(http.HandlerFunc(unknown)),
	)
	if err != nil {
		return nil, fmt.Errorf("make transcoder: %w", err)
	}
	e := &edge{
		callers: who, metrics: m, grpc: server, transcoder: transcoder, draining: draining,
		call: c.Longest + slack, stream: c.Streams + slack, streams: map[string]bool{},
	}
	if c.Console {
		e.sessions = console.NewSessions(who.trust, time.Now)
		e.console = console.NewHandler(c.Gateway, e.sessions, c.Operator)
	}
	for service, info := range server.GetServiceInfo() {
		for _, m := range info.Methods {
			if m.IsServerStream || m.IsClientStream {
				e.streams["/"+service+"/"+m.Name] = true
			}
		}
	}
	// A browser with a client certificate would send it along with another site's form: requests that change something must come from our own origin.
	return http.NewCrossOriginProtection().Handler(e), nil
}

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin") // no other origin's page loads an answer that a certificate or a session opened
	d := dialectOf(r)
	switch r.URL.Path {
	case "/healthz", "/readyz":
		e.health(w, r)
		return
	}
	if e.console != nil {
		if strings.HasPrefix(r.URL.Path, console.Prefix) {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slack)); err != nil {
				refuse(w, d, toStatus(err, network))
				return
			}
			e.console.ServeHTTP(w, r)
			return
		}
		if !d.native(r) {
			r = e.sessions.Attach(r)
		}
	}
	if !strings.HasPrefix(r.URL.Path, healthPrefix) {
		if _, err := e.callers.ofRequest(r); err != nil {
			e.metrics.refused(err, len(r.Header.Values("Authorization")) > 0)
			refuse(w, d, toStatus(err, network))
			return
		}
	}
	control := http.NewResponseController(w)
	most := e.call
	if e.streams[r.URL.Path] {
		most = e.stream
	}
	if err := control.SetWriteDeadline(time.Now().Add(most)); err != nil {
		refuse(w, d, toStatus(err, network))
		return
	}
	if d.native(r) {
		e.grpc.ServeHTTP(w, r)
		return
	}
	e.transcode(w, r, d, control)
}

// transcode serves REST, Connect and gRPC-Web.
func (e *edge) transcode(w http.ResponseWriter, r *http.Request, d dialect, control *http.ResponseController) {
	if r.ContentLength > maxRequest {
		refuse(w, d, tooLarge)
		return
	}
	if compressed(r.Header) {
		refuse(w, d, noCompression)
		return
	}
	if r.Method == http.MethodPost {
		kind, ok := d.spoken()
		if !ok {
			refuse(w, d, noKind)
			return
		}
		r.Header.Set("Content-Type", kind)
	}
	// The transcoder answers in an encoding the caller accepts; ours are not compressed.
	r.Header.Del("Accept-Encoding")
	r.Header.Del("Connect-Accept-Encoding")
	r.Header.Del("Grpc-Accept-Encoding")
	body := &timedBody{
		ReadCloser: r.Body, control: control, within: bodyTime, left: maxRequest,
		required: r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"),
	}
	r.Body = body
	answer := &mended{ResponseWriter: w}
	e.transcoder.ServeHTTP(answer, r)
	answer.finish(d, body.fault)
}

// health tells up or down, to anybody, and nothing else.
func (e *edge) health(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/readyz" {
		switch certificate, lists := e.callers.trust.Until(); {
		case e.draining.Err() != nil:
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		case time.Now().After(certificate), !lists.IsZero() && time.Now().After(lists):
			// Nobody could be served. Which it is, is the operator's to know: metrics and doctor tell.
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// unknown answers what is no path of the contract.
func unknown(w http.ResponseWriter, r *http.Request) {
	hint := "see docs/api.md for the paths"
	if strings.HasPrefix(r.URL.Path, oursPrefix) {
		hint = "check the method; a Connect request needs the header Connect-Protocol-Version: 1"
	}
	refuse(w, dialectOf(r), toStatus(&gateway.Refusal{Code: gateway.NotFound, Message: "no such path", Hint: hint}, network))
}
