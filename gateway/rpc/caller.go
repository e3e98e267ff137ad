package rpc

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"jali/gateway/identity"
)

// callers names who calls, each time anew: a certificate or token may have ended, or been shut out, since the connection was made or the stream began.
type callers struct{ trust *identity.Trust }

// of names the caller of a gRPC call from the TLS state of its connection and the token it brings; no other header can say it.
func (c callers) of(ctx context.Context) (identity.Principal, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return identity.Principal{}, fmt.Errorf("%w: no connection", identity.ErrNoPrincipal)
	}
	tls, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return identity.Principal{}, fmt.Errorf("%w: the connection is not TLS", identity.ErrNoPrincipal)
	}
	return c.trust.Caller(ctx, tls.State, metadata.ValueFromIncomingContext(ctx, "authorization"))
}

// ofRequest names the caller of an HTTP request, before its body is read.
func (c callers) ofRequest(r *http.Request) (identity.Principal, error) {
	if r.TLS == nil {
		return identity.Principal{}, fmt.Errorf("%w: the connection is not TLS", identity.ErrNoPrincipal)
	}
	return c.trust.Caller(r.Context(), *r.TLS, r.Header.Values("Authorization"))
}
