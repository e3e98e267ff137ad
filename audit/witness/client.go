package witness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"jali/audit"
)

// Verdict is what an answer of a witness means for the log that asked: audit-log.md section 7.
type Verdict string

const (
	Cosigned Verdict = "cosigned"  // consistent with what the witness has seen
	Rollback Verdict = "rollback"  // it has cosigned more entries than the log holds: the log was cut or restored
	Fork     Verdict = "fork"      // it has cosigned another history
	Amnesia  Verdict = "amnesia"   // it has lost state; it does not count until its operator has explained
	Refused  Verdict = "refused"   // log or key are not registered there
	NoAnswer Verdict = "no-answer" // not reached, or it said nothing that the protocol knows
)

// Peer is a witness: one URL, one name, one or more keys.
type Peer struct{ Name, URL string }

// Peers lists the witnesses that quorums name, each once.
func Peers(quorums ...*audit.Quorum) []Peer {
	var out []Peer
	seen := map[string]bool{}
	for _, q := range quorums {
		if q == nil || q.None {
			continue
		}
		for _, c := range q.Cosigners {
			if !seen[c.URL] {
				seen[c.URL] = true
				out = append(out, Peer{c.Name, c.URL})
			}
		}
	}
	return out
}

// Log is what a client must know of the log whose checkpoint it submits.
type Log struct {
	Checkpoint []byte
	Size       uint64
	// Seen is the size last cosigned, by witness name.
	Seen map[string]uint64
	// Prove makes a consistency proof from a size to Size.
	Prove func(old uint64) ([][32]byte, error)
}

// Result is what came of asking one witness.
type Result struct {
	Peer    Peer
	Verdict Verdict
	Lines   []byte // cosignature lines, not verified yet
	Size    uint64 // that the witness stated, where it did
	Err     error  // why there is no cosignature
}

// Client asks witnesses. The zero value is ready for use.
type Client struct {
	// Timeout bounds what one witness may take, with its second try; default 10 s.
	Timeout time.Duration
	HTTP    *http.Client // default: no redirects, system roots
}

var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return direct
}

// Ask submits a checkpoint to all witnesses at once and returns when each has answered or timed out.
func (c *Client) Ask(ctx context.Context, peers []Peer, log Log) []Result {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	out := make([]Result, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			out[i] = c.ask(ctx, p, log)
		})
	}
	wg.Wait()
	return out
}

// ask tries twice: a witness that is ahead of what we have recorded of it, but not of the log, answered before a crash of ours.
func (c *Client) ask(ctx context.Context, p Peer, log Log) Result {
	res := Result{Peer: p, Verdict: NoAnswer}
	known := log.Seen[p.Name]
	old := known
	for try := range 2 {
		if old > log.Size {
			res.Verdict, res.Size = Rollback, old
			return res
		}
		var proof [][32]byte
		if old > 0 && old < log.Size {
			if proof, res.Err = log.Prove(old); res.Err != nil {
				return res
			}
		}
		status, size, body, err := c.post(ctx, p, Request{Old: old, Proof: proof, Checkpoint: log.Checkpoint})
		switch {
		case err != nil:
			res.Err = err
			return res
		case status == http.StatusOK:
			res.Verdict, res.Size, res.Lines = Cosigned, log.Size, body
			return res
		case status == http.StatusConflict && size > log.Size:
			res.Verdict, res.Size = Rollback, size
			return res
		case status == http.StatusConflict && size < known:
			res.Verdict, res.Size = Amnesia, size
			return res
		case status == http.StatusConflict && try == 0:
			res.Size, old = size, size
		case status == http.StatusUnprocessableEntity:
			res.Verdict, res.Size = Fork, old
			return res
		case status == http.StatusForbidden, status == http.StatusNotFound:
			res.Verdict, res.Err = Refused, fmt.Errorf("the witness answers %d: register this log's origin and keys there", status)
			return res
		default:
			res.Err = fmt.Errorf("the witness answers %d", status)
			return res
		}
	}
	res.Err = errors.New("the witness changes its mind about the size")
	return res
}

func (c *Client) post(ctx context.Context, p Peer, r Request) (status int, size uint64, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/add-checkpoint", bytes.NewReader(r.Format()))
	if err != nil {
		return 0, 0, nil, fmt.Errorf("ask witness: %w", err)
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("ask witness: %w", err)
	}
	defer resp.Body.Close()
	if body, err = readAnswer(resp); err != nil {
		return 0, 0, nil, fmt.Errorf("ask witness: %w", err)
	}
	if resp.StatusCode == http.StatusConflict {
		text := strings.TrimSuffix(string(body), "\n")
		size, err = strconv.ParseUint(text, 10, 64)
		if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); err != nil || kind != "text/x.tlog.size" {
			return 0, 0, nil, errors.New("ask witness: a conflict without a size")
		}
	}
	return resp.StatusCode, size, body, nil
}

// Latest fetches the last checkpoint that a witness has cosigned of a log: evidence, where it differs from the log's. Nothing of
// it is verified. Not every witness offers it.
func (c *Client) Latest(ctx context.Context, p Peer, origin string) ([]byte, error) {
	id := sha256.Sum256([]byte(origin))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/"+hex.EncodeToString(id[:])+"/checkpoint", nil)
	if err != nil {
		return nil, fmt.Errorf("fetch checkpoint: %w", err)
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch checkpoint: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch checkpoint: the witness answers %d", resp.StatusCode)
	}
	return readAnswer(resp)
}

func readAnswer(resp *http.Response) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxBody {
		return nil, errors.New("the answer is too long")
	}
	return b, nil
}
