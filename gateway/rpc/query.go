package rpc

import (
	"context"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

// queries serves QueryService.
type queries struct {
	jaliv1.UnimplementedQueryServiceServer
	gateway *gateway.Gateway
	callers callers
	metrics *metrics
}

func (s *queries) Quote(ctx context.Context, in *jaliv1.QuoteRequest) (*jaliv1.QuoteResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	offer, err := s.gateway.Quote(ctx, who, quoteNative(in))
	if err != nil {
		return nil, err
	}
	return offerProto(offer), nil
}

func (s *queries) Query(ctx context.Context, in *jaliv1.QueryRequest) (*jaliv1.QueryResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := s.gateway.Answer(ctx, who, queryNative(in))
	s.metrics.decided(answer, err)
	if err != nil {
		return nil, err
	}
	return padded(answerProto(answer), answer), nil
}
