package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

// audits serves AuditService. What a caller may see of the record is the gateway's decision; headers are fit for every principal.
type audits struct {
	jaliv1.UnimplementedAuditServiceServer
	gateway *gateway.Gateway
	callers callers
}

// pageOfEntries is how many entries come when no limit is given, and how many a stream sends at a time.
const pageOfEntries = 100

func (s *audits) GetCheckpoint(ctx context.Context, _ *jaliv1.GetCheckpointRequest) (*jaliv1.GetCheckpointResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	cosigned, err := s.gateway.Cosigned(who) // first, so that it is never the newer one
	if err != nil {
		return nil, err
	}
	checkpoint, origin, vkeys, err := s.gateway.Checkpoint(who)
	if err != nil {
		return nil, err
	}
	return &jaliv1.GetCheckpointResponse{
		Checkpoint: string(checkpoint), Origin: origin, Vkeys: vkeys, Final: string(s.gateway.Final()), Cosigned: string(cosigned),
		SealPolicy: string(s.gateway.SealPolicy()), Audience: gateway.AudienceOf(who),
	}, nil
}

func (s *audits) ListEntries(ctx context.Context, in *jaliv1.ListEntriesRequest) (*jaliv1.ListEntriesResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	limit := int(in.GetLimit())
	if limit == 0 {
		limit = pageOfEntries
	}
	entries, size, err := s.gateway.Entries(ctx, who, in.GetFrom(), limit, in.GetDetails())
	if err != nil {
		return nil, err
	}
	return entriesProto(entries, size), nil
}

func (s *audits) GetProof(ctx context.Context, in *jaliv1.GetProofRequest) (*jaliv1.GetProofResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	proof, err := s.gateway.Proof(who, in.GetSeq())
	if err != nil {
		return nil, err
	}
	return &jaliv1.GetProofResponse{Proof: string(proof)}, nil
}

func (s *audits) GetConsistency(ctx context.Context, in *jaliv1.GetConsistencyRequest) (*jaliv1.GetConsistencyResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	hashes, err := s.gateway.Consistency(who, in.GetOldSize(), in.GetNewSize())
	if err != nil {
		return nil, err
	}
	return &jaliv1.GetConsistencyResponse{Hashes: hashes}, nil
}

func (s *audits) ListLedgers(ctx context.Context, _ *jaliv1.ListLedgersRequest) (*jaliv1.ListLedgersResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	claims, size, err := s.gateway.Claims(who)
	if err != nil {
		return nil, err
	}
	out := &jaliv1.ListLedgersResponse{Size: size}
	for _, c := range claims {
		out.Ledgers = append(out.Ledgers, &jaliv1.LedgerClaim{
			Agreement: c.Agreement, Population: c.Population, Seq: c.Seq,
			CapNanoRho: c.Cap.Rho, SpentNanoRho: c.Spent.Rho, CapDelta: c.Cap.Delta, SpentDelta: c.Spent.Delta,
		})
	}
	return out, nil
}

func (s *audits) GetBundle(ctx context.Context, in *jaliv1.GetBundleRequest) (*jaliv1.GetBundleResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	bundle, err := s.gateway.Bundle(who, in.GetDigest())
	if err != nil {
		return nil, err
	}
	return &jaliv1.GetBundleResponse{Bundle: bundle}, nil
}

func (s *audits) Hold(ctx context.Context, in *jaliv1.HoldRequest) (*jaliv1.HoldResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	return holdProto(s.gateway.Hold(ctx, who, holdOrder(in)))
}

func (s *audits) Unhold(ctx context.Context, in *jaliv1.UnholdRequest) (*jaliv1.HoldResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	return holdProto(s.gateway.Unhold(ctx, who, in.GetHold(), in.GetOrder(), in.GetJudge()))
}

func holdOrder(in *jaliv1.HoldRequest) gateway.HoldOrder {
	return gateway.HoldOrder{A: in.GetA(), B: in.GetB(), Until: time.UnixMicro(in.GetUntil()), Order: in.GetOrder(), Judge: in.GetJudge()}
}

func holdProto(seq uint64, err error) (*jaliv1.HoldResponse, error) {
	if err != nil {
		return nil, err
	}
	return &jaliv1.HoldResponse{Seq: seq}, nil
}

// FindEntries looks for entries in pieces of bounded cost.
func (s *audits) FindEntries(ctx context.Context, in *jaliv1.FindEntriesRequest) (*jaliv1.FindEntriesResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.gateway.Find(ctx, who, gateway.Search{
		Kinds: in.GetKinds(), Agreement: in.GetAgreement(), Dataset: in.GetDataset(), Purpose: in.GetPurpose(), Since: in.GetSince(), Until: in.GetUntil(),
		Ref: in.Ref, Start: in.Start, Forward: in.GetForward(), Limit: int(in.GetLimit()), Details: in.GetDetails(),
	})
	if err != nil {
		return nil, err
	}
	return &jaliv1.FindEntriesResponse{
		Entries: entriesProto(found.Entries, found.Size).GetEntries(), Next: found.Next, Size: found.Size, Scanned: int64(found.Scanned),
	}, nil
}

// WatchEntries sends every entry from a number on, in order and without gaps, and goes on as they become durable. A watcher that was cut off
// resumes from the number after the last entry it got. An entry beyond the end is awaited.
func (s *audits) WatchEntries(in *jaliv1.WatchEntriesRequest, stream grpc.ServerStreamingServer[jaliv1.ListEntriesResponse]) error {
	ctx := stream.Context()
	who, err := s.callers.of(ctx)
	if err != nil {
		return err
	}
	next := in.GetFrom()
	for {
		entries, size, err := s.gateway.Entries(ctx, who, next, pageOfEntries, in.GetDetails())
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			if err := stream.Send(entriesProto(entries, size)); err != nil {
				return err
			}
			next = entries[len(entries)-1].Seq + 1
			continue
		}
		if _, err := s.gateway.Wait(ctx, max(next, size)); err != nil {
			return err
		}
	}
}

func entriesProto(entries []gateway.LogEntry, size uint64) *jaliv1.ListEntriesResponse {
	out := &jaliv1.ListEntriesResponse{Size: size}
	for _, e := range entries {
		out.Entries = append(out.Entries, &jaliv1.Entry{Seq: e.Seq, Header: string(e.Header), Details: e.Details})
	}
	return out
}
