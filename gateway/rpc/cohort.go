package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

// cohorts serves CohortService. Bodies of keys and uploads pass through it as bytes; the gateway alone reads them.
type cohorts struct {
	jaliv1.UnimplementedCohortServiceServer
	gateway *gateway.Gateway
	callers callers
}

func (s *cohorts) NewKey(ctx context.Context, in *jaliv1.NewKeyRequest) (*jaliv1.NewKeyResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	crs, expires, err := s.gateway.NewKey(who, in.GetAgreement(), in.GetParams())
	if err != nil {
		return nil, err
	}
	return &jaliv1.NewKeyResponse{Crs: crs[:], ExpiresAt: expires.Unix(), Auditor: s.gateway.CohortAuditor(in.GetAgreement())}, nil
}

func (s *cohorts) RegisterKey(ctx context.Context, in *jaliv1.RegisterKeyRequest) (*jaliv1.RegisterKeyResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.gateway.RegisterKey(ctx, who, [32]byte(in.GetCrs()), in.GetBody())
	if err != nil {
		return nil, err
	}
	return &jaliv1.RegisterKeyResponse{Key: key.ID[:], ExpiresAt: key.Expires.Unix(), Entry: key.Entry}, nil
}

func (s *cohorts) Quote(ctx context.Context, in *jaliv1.CohortServiceQuoteRequest) (*jaliv1.CohortServiceQuoteResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	offer, err := s.gateway.QuoteCohort(ctx, who, cohortNative(in))
	if err != nil {
		return nil, err
	}
	return cohortOfferProto(offer), nil
}

func (s *cohorts) UploadPart(ctx context.Context, in *jaliv1.UploadPartRequest) (*jaliv1.UploadPartResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	received, want, err := s.gateway.UploadPart(ctx, who, [32]byte(in.GetNonce()), in.GetOffset(), in.GetData())
	if err != nil {
		return nil, err
	}
	return &jaliv1.UploadPartResponse{Received: received, Want: want}, nil
}

// Admit tells the place in the queue until there is room.
func (s *cohorts) Admit(in *jaliv1.AdmitRequest, stream grpc.ServerStreamingServer[jaliv1.AdmitResponse]) error {
	who, err := s.callers.of(stream.Context())
	if err != nil {
		return err
	}
	err = s.gateway.AdmitUpload(stream.Context(), who, [32]byte(in.GetNonce()), func(ahead int, bytes int64) error {
		return stream.Send(&jaliv1.AdmitResponse{Ahead: int32(ahead), BytesAhead: bytes})
	})
	if err != nil {
		return err
	}
	return stream.Send(&jaliv1.AdmitResponse{Admitted: true})
}

// Upload takes a stream. When the caller goes away before its end, nothing is left of it.
func (s *cohorts) Upload(stream grpc.ClientStreamingServer[jaliv1.UploadRequest, jaliv1.UploadResponse]) error {
	who, err := s.callers.of(stream.Context())
	if err != nil {
		return err
	}
	part, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(part.GetNonce()) != 32 {
		return &gateway.Refusal{Code: gateway.Invalid, Message: "the first message of an upload names no nonce", Hint: "send the 32 bytes of a quote"}
	}
	upload, err := s.gateway.BeginUpload(stream.Context(), who, [32]byte(part.GetNonce()))
	if err != nil {
		return err
	}
	var received int64
	for {
		n, err := upload.Write(part.GetData())
		if err != nil {
			return err
		}
		received += int64(n)
		if part, err = stream.Recv(); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			upload.Abort()
			return err
		}
	}
	commit, err := upload.Close()
	if err != nil {
		return err
	}
	return stream.SendAndClose(&jaliv1.UploadResponse{Received: received, Commit: commit[:]})
}

func (s *cohorts) Evaluate(ctx context.Context, in *jaliv1.EvaluateRequest) (*jaliv1.EvaluateResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	a, err := s.gateway.Evaluate(ctx, who, [32]byte(in.GetNonce()), [32]byte(in.GetCommit()))
	if err != nil {
		return nil, err
	}
	return &jaliv1.EvaluateResponse{
		Reply: a.Reply, Aggregates: aggregatesProto(a.Aggregates), PricePu: int64(a.Price.Rho.PU()), Budget: remainingProto(a.Budget),
		Replayed: a.Replayed, Receipt: a.Receipt, Decision: a.Decision, SlotsOff: a.SlotOff, Notes: a.Notes,
	}, nil
}

func cohortNative(in *jaliv1.CohortServiceQuoteRequest) gateway.CohortRequest {
	req := gateway.CohortRequest{
		Agreement: in.GetAgreement(), Purpose: in.GetPurpose(), Dataset: in.GetDataset(), Key: in.GetKey(),
		By: in.GetBy(), Group: in.GetGroup(), Where: in.GetWhere(), Aggregate: in.GetAggregate(), Measure: in.GetMeasure(), Error: in.GetError(), PerPerson: in.GetPerPerson(),
	}
	req.Study = in.GetStudy()
	switch rule := in.GetRule().GetRule().(type) {
	case *jaliv1.SizeRule_Exact:
		req.Rule.Exact = rule.Exact
	case *jaliv1.SizeRule_Range:
		req.Rule = gateway.SizeRule{Range: true, Min: rule.Range.GetMin(), Max: rule.Range.GetMax()}
	}
	return req
}

func cohortOfferProto(o gateway.CohortOffer) *jaliv1.CohortServiceQuoteResponse {
	out := &jaliv1.CohortServiceQuoteResponse{
		Allowed: o.Allowed, Reasons: reasonsProto(o.Reasons), Nonce: o.Nonce, Params: o.Params, Entries: int64(o.Entries),
		Mapping: o.Mapping[:], Table: o.Table[:], UploadBytes: int64(o.UploadBytes), ReplyBytes: int64(o.ReplyBytes),
		PricePu: int64(o.Price.Rho.PU()), Lines: linesProto(o.Price.Lines), Aggregates: aggregatesProto(o.Aggregates),
		Plan: planProto(o.Plan), Budget: remainingProto(o.Budget), Population: o.Population, Fits: o.Fits, Warnings: o.Warnings, Auditor: o.Auditor,
	}
	if !o.Expires.IsZero() {
		out.ExpiresAt = o.Expires.Unix()
	}
	return out
}

func aggregatesProto(list []gateway.CohortAggregate) []*jaliv1.CohortAggregate {
	out := make([]*jaliv1.CohortAggregate, len(list))
	for i, a := range list {
		out[i] = &jaliv1.CohortAggregate{Name: a.Name, HalfWidth: a.HalfWidth, Bound: a.Bound, Decimals: int32(a.Decimals), Center: a.Center, Unit: a.Unit, Group: groupLabelProto(a.Group)}
	}
	return out
}
