package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/timestamp"
)

// TimestampConfig names an RFC 3161 time-stamping authority. Without a URL there are no time stamps.
type TimestampConfig struct {
	URL string
	CA  string        // PEM file to verify its tokens under
	Min time.Duration // between two stamps; a day
}

const (
	// stampTime bounds one request; stampAgain is the pause after one that failed.
	stampTime  = 30 * time.Second
	stampAgain = 10 * time.Minute
)

// ErrStamper: time stamps are configured in a way in which none can be had.
var ErrStamper = errors.New("time stamps")

// pinStamp keeps the size stamped last; the entry that it names says when.
const pinStamp = "timestamp/last"

// stamper asks the authority.
type stamper struct {
	url   *url.URL
	roots *x509.CertPool
	every time.Duration
}

func loadStamper(cfg TimestampConfig) (*stamper, error) {
	if cfg.URL == "" {
		return nil, nil
	}
	s := &stamper{every: cfg.Min}
	if s.every <= 0 {
		s.every = 24 * time.Hour
	}
	var err error
	if s.url, err = url.Parse(cfg.URL); err != nil || s.url.Host == "" || !audit.ValidString(s.url.Host) {
		return nil, fmt.Errorf("%w: %q is no URL of an authority", ErrStamper, cfg.URL)
	}
	text, err := os.ReadFile(cfg.CA)
	if err != nil {
		return nil, fmt.Errorf("%w: read the authority's certificates: %w", ErrStamper, err)
	}
	if s.roots, err = timestamp.ReadRoots(text); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrStamper, cfg.CA, err)
	}
	return s, nil
}

// Timestamp obtains a token over the newest checkpoint that witnesses have cosigned, or, where none have, over the newest, verifies
// it and records it: TIMESTAMP, with the token as detail. Nothing is recorded that does not verify.
func (g *Gateway) Timestamp(ctx context.Context) (Activated, error) {
	if g.stamper == nil {
		return Activated{}, &Refusal{Code: Invalid, Message: "no time-stamping authority is configured", Hint: "timestamp.url and timestamp.ca in config.yaml (docs/operations.md)"}
	}
	note, err := g.stamped()
	if err != nil {
		return Activated{}, unavailable()
	}
	keys, err := audit.ParseKeys(g.log.VKeys())
	if err != nil {
		return Activated{}, unavailable()
	}
	cp, err := keys.OpenCheckpoint(note)
	if err != nil {
		return Activated{}, unavailable()
	}
	ctx, cancel := context.WithTimeout(ctx, stampTime)
	defer cancel()
	token, _, err := timestamp.Obtain(ctx, http.DefaultClient, g.stamper.url.String(), audit.CheckpointBody(cp.Origin, cp.Size, cp.Root), g.stamper.roots)
	if err != nil {
		g.operator.Error("no time stamp", "authority", g.stamper.url.Host, "cause", err)
		return Activated{}, &Refusal{Code: Unavailable, Message: "the time-stamping authority gave no valid token: " + err.Error(), Hint: "nothing was recorded; try again, or check timestamp.ca in config.yaml"}
	}
	digest := audit.Digest(sha256.Sum256(token))
	a, err := g.log.Append(context.WithoutCancel(ctx), store.Item{
		Kind: audit.Timestamp, Fields: audit.Object{"size": cp.Size, "tok": digest, "tsa": g.stamper.url.Host},
		Details: []audit.Detail{{Name: "token", Value: base64.StdEncoding.EncodeToString(token)}},
		Subject: "timestamp", Class: "timestamp",
		Active: []store.Pin{{Name: pinStamp, Value: fmt.Sprint(cp.Size)}},
	})
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	return Activated{Seq: a.Seq, Digest: digest}, nil
}

// stamped is the checkpoint to stamp.
func (g *Gateway) stamped() ([]byte, error) {
	g.witnesses.mu.Lock()
	sealed := g.witnesses.sealed
	g.witnesses.mu.Unlock()
	if sealed.note != nil {
		return sealed.note, nil
	}
	return g.log.SealedCheckpoint()
}

// Timestamps obtains a token whenever one is due, until the context ends. Failures are for the operator's log: an authority
// that is away stops nothing.
func (g *Gateway) Timestamps(ctx context.Context) {
	if g.stamper == nil {
		return
	}
	for {
		wait := g.due()
		if wait <= 0 {
			wait = stampAgain
			if _, err := g.Timestamp(ctx); err == nil {
				wait = g.stamper.every
			} else if r := (*Refusal)(nil); !errors.As(err, &r) {
				g.operator.Error("time stamp not recorded", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// due is how long until the next token.
func (g *Gateway) due() time.Duration {
	_, seq, ok := g.log.Active(pinStamp)
	if !ok {
		return 0
	}
	line, err := g.log.Entry(seq)
	if err != nil {
		return 0
	}
	e, err := audit.ParseEntry(line)
	if err != nil {
		return 0
	}
	return time.UnixMicro(e.Time).Add(g.stamper.every).Sub(g.now())
}
