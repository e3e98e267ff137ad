package rpc

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// dialect is what a request speaks. It is asked before the transcoder, which rewrites the request's headers.
type dialect struct {
	kind    string // Content-Type
	grpc    bool   // gRPC or gRPC-Web
	connect bool
}

func dialectOf(r *http.Request) dialect {
	kind := r.Header.Get("Content-Type")
	return dialect{
		kind:    kind,
		grpc:    strings.HasPrefix(kind, "application/grpc"),
		connect: r.Header.Get("Connect-Protocol-Version") != "" || strings.HasPrefix(kind, "application/connect+"),
	}
}

// spoken is the kind of body as the transcoder spells it, and whether some protocol here reads it: of others the transcoder would say so in
// its own words. JSON is UTF-8 whatever a parameter says (RFC 8259, section 11).
func (d dialect) spoken() (kind string, ok bool) {
	kind, _, err := mime.ParseMediaType(d.kind)
	return kind, err == nil && (kind == "application/json" || kind == "application/proto" || strings.HasPrefix(kind, "application/connect+") || strings.HasPrefix(kind, "application/grpc"))
}

// native reports whether the gRPC server takes the request as it is.
func (d dialect) native(r *http.Request) bool {
	return d.grpc && r.ProtoMajor == 2 && !strings.HasPrefix(d.kind, "application/grpc-web")
}

// refuse answers a request that no protocol code gets to see.
func refuse(w http.ResponseWriter, d dialect, s *status.Status) {
	switch {
	case d.grpc:
		refuseGRPC(w, d.kind, s)
	case d.connect:
		// Connect's error object; the two strings cannot fail to encode.
		body, _ := json.Marshal(map[string]string{"code": connectCode[s.Code()], "message": s.Message()})
		send(w, s.Code(), body)
	default:
		body, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(s.Proto())
		if err != nil {
			body = []byte("{}") // unreachable: our own details, in valid UTF-8
		}
		send(w, s.Code(), body)
	}
}

// refuseGRPC sends headers only ("Trailers-Only" of gRPC over HTTP2), which gRPC-Web takes as well.
func refuseGRPC(w http.ResponseWriter, kind string, s *status.Status) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Grpc-Status", strconv.Itoa(int(s.Code())))
	h.Set("Grpc-Message", url.PathEscape(s.Message()))
	if details, err := proto.Marshal(s.Proto()); err == nil {
		h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(details))
	}
	w.WriteHeader(http.StatusOK)
}

func send(w http.ResponseWriter, code codes.Code, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	status, ok := httpCode[code]
	if !ok {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may be gone; there is nobody else to tell
}

// The codes refuse is called with, in HTTP's and in Connect's words.
var (
	httpCode = map[codes.Code]int{
		codes.InvalidArgument:   http.StatusBadRequest,
		codes.Unauthenticated:   http.StatusUnauthorized,
		codes.NotFound:          http.StatusNotFound,
		codes.DeadlineExceeded:  http.StatusRequestTimeout,
		codes.ResourceExhausted: http.StatusRequestEntityTooLarge,
		codes.Unavailable:       http.StatusServiceUnavailable,
		codes.Internal:          http.StatusInternalServerError,
	}
	connectCode = map[codes.Code]string{
		codes.InvalidArgument:   "invalid_argument",
		codes.Unauthenticated:   "unauthenticated",
		codes.NotFound:          "not_found",
		codes.DeadlineExceeded:  "deadline_exceeded",
		codes.ResourceExhausted: "resource_exhausted",
		codes.Unavailable:       "unavailable",
		codes.Internal:          "internal",
	}
)
