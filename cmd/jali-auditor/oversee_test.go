package main

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
)

func (s *server) ListLedgers(context.Context, *jaliv1.ListLedgersRequest) (*jaliv1.ListLedgersResponse, error) {
	claims, size, err := s.s.Claims()
	out := &jaliv1.ListLedgersResponse{Size: size}
	for _, c := range claims {
		out.Ledgers = append(out.Ledgers, &jaliv1.LedgerClaim{
			Agreement: c.Agreement, Population: c.Population, Seq: c.Seq,
			CapNanoRho: c.Cap.Rho, SpentNanoRho: c.Spent.Rho + s.nano, CapDelta: c.Cap.Delta, SpentDelta: c.Spent.Delta,
		})
	}
	return out, err
}

func (s *server) GetProof(_ context.Context, in *jaliv1.GetProofRequest) (*jaliv1.GetProofResponse, error) {
	p, err := s.s.Proof(in.GetSeq() + s.shift)
	return &jaliv1.GetProofResponse{Proof: string(p)}, err
}

func (s *server) GetBundle(_ context.Context, in *jaliv1.GetBundleRequest) (*jaliv1.GetBundleResponse, error) {
	return &jaliv1.GetBundleResponse{Bundle: []byte("not the bundle on record")}, nil
}

func (s *server) Hold(context.Context, *jaliv1.HoldRequest) (*jaliv1.HoldResponse, error) {
	return nil, status.Error(codes.InvalidArgument, "a hold ends in the future")
}

// A serving gateway: cases with proofs, budgets as it claims them, and what a lying one is caught at.
func TestOversee(t *testing.T) {
	s, link, vkeys := gateway(t)
	link = append(link, "--vkeys", vkeys)
	try := func(want int, says string, args ...string) {
		t.Helper()
		status, out, errs := auditor(append(append([]string(nil), link...), args...)...)
		if status != want || !strings.Contains(out+errs, says) {
			t.Errorf("%v: %d, want %d and %q\n%s%s", args, status, want, says, out, errs)
		}
	}
	try(statusOK, "by a Merkle proof", "show", "8")
	try(statusOK, "released, level L1", "show", "7")
	try(statusOK, "r-0042", "show", "7")
	try(statusUsage, "no signed entry 12", "show", "12")
	try(statusUsage, "a hold ends in the future", "hold", "--entries", "7-8", "--until", "2020-01-01", "--order", "7 Js 12/27", "--judge", "District Court")
	try(statusOK, "2 ledgers as the gateway claims them at 12 entries", "spend")
	s.nano = 1
	try(statusFailed, "agreement agr-1 on insured: spent, as the gateway claims is 30001, the log gives 30000 (+1 nano-rho)", "spend")
	s.nano, s.shift = 0, 1
	try(statusFailed, "another entry", "show", "7")
	s.shift = 0
	// Inputs of the sample are not recorded: nothing can be repeated, and that is said.
	try(statusOK, "0 of 2 decisions to allow repeated", "replay")
	try(statusOK, "2 decisions whose input is erased or withheld", "replay")
	rec, err := (&app{from: sourceFlags{endpoint: link[1], ca: link[3], cert: link[5], key: link[7], timeout: 60e9}}).liveRecord(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.close()
	if _, err := recorded(t.Context(), rec, audit.Digest(sha256.Sum256([]byte("the bundle on record")))); statusOf(err) != statusFailed {
		t.Errorf("a bundle with another digest: %v", err)
	}
	s.mu.Lock()
	s.lie = func(p *jaliv1.ListEntriesResponse) {
		for _, e := range p.Entries {
			if e.Seq == 7 {
				e.Header = strings.Replace(e.Header, `"cost":{"d":0,"r":10000}`, `"cost":{"d":0,"r":10001}`, 1)
			}
		}
	}
	s.mu.Unlock()
	try(statusFailed, "entry 8: field prev", "spend")
	try(statusFailed, "entry 8: field prev", "replay")
	try(statusFailed, "not in the tree", "show", "7")
}
