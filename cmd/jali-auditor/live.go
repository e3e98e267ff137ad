package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// pageSize is the most entries that one call may ask for.
const pageSize = 1000

// liveSource reads a serving gateway.
type liveSource struct {
	client   *sdk.Client
	audits   jaliv1.AuditServiceClient
	details  bool
	endpoint string
	given    *audit.Keys       // from --vkeys or the profile; nil if neither says
	final    []byte            // last checkpoint of the log before, as the gateway says; the genesis commits to it
	cosigned *audit.Checkpoint // the latest that witnesses have cosigned, as the gateway says; nil: none
	policy   []byte            // the quorum file that the gateway says is in force; empty: none
	audience string            // for whom all that the gateway shows this caller can be exported, as it says
}

func (f *sourceFlags) dial(ctx context.Context, details bool) (*liveSource, error) {
	p, err := f.settings()
	if err != nil {
		return nil, err
	}
	s := &liveSource{details: details, endpoint: p.Endpoint}
	if p.VKeys != "" {
		flags := sourceFlags{vkeys: p.VKeys}
		if s.given, err = flags.keys(); err != nil {
			return nil, err
		}
	}
	config := p.Config()
	config.VKeys = "" // read here: --vkeys means the same for every source
	config.Timeout = f.timeout
	if s.client, err = sdk.Dial(ctx, config); err != nil {
		return nil, err
	}
	s.audits = jaliv1.NewAuditServiceClient(s.client.Conn())
	return s, nil
}

func (s *liveSource) close() error { return s.client.Close() }

// keysAndCheckpoint asks for the latest checkpoint and verifies it: under the keys given or, without any, under those that
// the gateway itself names.
func (s *liveSource) keysAndCheckpoint(ctx context.Context) (*audit.Keys, audit.Checkpoint, error) {
	got, err := s.audits.GetCheckpoint(ctx, &jaliv1.GetCheckpointRequest{})
	if err != nil {
		return nil, audit.Checkpoint{}, sdk.FromStatus(err)
	}
	keys := s.given
	if keys == nil {
		if keys, err = audit.ParseKeys(got.GetVkeys()); err != nil {
			return nil, audit.Checkpoint{}, failedError{fmt.Errorf("the gateway's verifier keys: %w", err)}
		}
	}
	s.final, s.audience = []byte(got.GetFinal()), got.GetAudience()
	if text := got.GetSealPolicy(); text != "" {
		if _, err := audit.ParseQuorum([]byte(text)); err != nil {
			return nil, audit.Checkpoint{}, failedError{fmt.Errorf("the gateway's seal policy: %w", err)}
		}
		s.policy = []byte(text)
	}
	cp, err := keys.OpenCheckpoint([]byte(got.GetCheckpoint()))
	if err != nil || got.GetCosigned() == "" {
		return keys, cp, err
	}
	cosigned, err := keys.OpenCheckpoint([]byte(got.GetCosigned()))
	if err == nil && cosigned.Size > cp.Size {
		err = failedError{fmt.Errorf("%w: witnesses have cosigned %d entries, the gateway shows %d", audit.ErrHistory, cosigned.Size, cp.Size)}
	}
	s.cosigned = &cosigned
	return keys, cp, err
}

func (s *liveSource) cosignedNote() []byte {
	if s.cosigned == nil {
		return nil
	}
	return s.cosigned.Note
}

func (s *liveSource) page(ctx context.Context, from uint64) ([]entry, error) {
	got, err := s.audits.ListEntries(ctx, &jaliv1.ListEntriesRequest{From: from, Limit: pageSize, Details: s.details})
	if err != nil {
		return nil, sdk.FromStatus(err)
	}
	return entriesOf(got, from)
}

// entriesOf checks that a page is what was asked for: entries from a number on, without gaps.
func entriesOf(got *jaliv1.ListEntriesResponse, from uint64) ([]entry, error) {
	out := make([]entry, len(got.GetEntries()))
	for i, e := range got.GetEntries() {
		if e.GetSeq() != from+uint64(i) {
			return nil, failedError{&audit.EntryError{Seq: from + uint64(i), Field: "seq", Err: fmt.Errorf("%w: the gateway sent another", audit.ErrSeq)}}
		}
		out[i] = entry{e.GetSeq(), []byte(e.GetHeader()), e.GetDetails()}
	}
	return out, nil
}

// follow calls visit for every entry from a number on as it becomes durable, until ctx ends.
func (s *liveSource) follow(ctx context.Context, from uint64, visit func(entry) error) error {
	stream, err := s.audits.WatchEntries(ctx, &jaliv1.WatchEntriesRequest{From: from, Details: s.details})
	if err != nil {
		return sdk.FromStatus(err)
	}
	return receive(ctx, stream, from, visit)
}

func receive(ctx context.Context, stream grpc.ServerStreamingClient[jaliv1.ListEntriesResponse], from uint64, visit func(entry) error) error {
	for {
		got, err := stream.Recv()
		switch {
		case ctx.Err() != nil:
			return nil // the watcher was told to stop
		case errors.Is(err, io.EOF):
			return hintedError{fmt.Errorf("the gateway ended the stream: %w", sdk.ErrUnavailable), "watch again with --from"}
		case err != nil:
			return sdk.FromStatus(err)
		}
		entries, err := entriesOf(got, from)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := visit(e); err != nil {
				return err
			}
		}
		from += uint64(len(entries))
	}
}
