package rpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"jali/gateway/identity"
)

// caller names who calls, from the TLS state of the connection and nothing else: no header can say it. It is asked at each call, because the certificate may
// have ended since the handshake.
func caller(ctx context.Context) (identity.Principal, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return identity.Principal{}, fmt.Errorf("%w: no connection", identity.ErrNoPrincipal)
	}
	tls, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return identity.Principal{}, fmt.Errorf("%w: the connection is not TLS", identity.ErrNoPrincipal)
	}
	return identity.FromTLS(tls.State)
}
