package policy

import (
	"context"
	"crypto/ecdsa"
	"embed"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

//go:embed all:bundle
var embedded embed.FS

// Source is the default bundle's directory, to start an own one from.
func Source() fs.FS {
	dir, err := fs.Sub(embedded, "bundle")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return dir
}

// defaultBundle is packed once; the same program always packs the same bytes.
var defaultBundle = sync.OnceValues(func() ([]byte, error) {
	fsys, err := readDir(Source())
	if err != nil {
		return nil, err
	}
	return pack(fsys)
})

// Config says what a Policy starts with.
type Config struct {
	// Bundle is the signed bundle to start with (.tar.gz). Nil: the one compiled in.
	Bundle []byte
	// VerifyKey is the P-256 key bundles are signed with. Nil: only the compiled-in bundle can be active.
	VerifyKey *ecdsa.PublicKey
	// Clock tells the present, for the life of grants. Nil: time.Now.
	Clock func() time.Time
	// Timeout bounds one evaluation. Zero: two seconds, far more than a bundle takes even on a busy machine.
	Timeout time.Duration
}

// A query waits for a decision; an activation or an auditor can wait longer for theirs.
const (
	defaultTimeout = 2 * time.Second
	patientTimeout = 20 * time.Second
)

// Policy is the active bundle and the means to replace it.
type Policy struct {
	active  atomic.Pointer[Bundle]
	key     *ecdsa.PublicKey
	clock   func() time.Time
	timeout time.Duration
}

// Open makes the configured bundle active.
func Open(cfg Config) (*Policy, error) {
	p := &Policy{key: cfg.VerifyKey, clock: cfg.Clock, timeout: cfg.Timeout}
	if p.clock == nil {
		p.clock = time.Now
	}
	if p.timeout <= 0 {
		p.timeout = defaultTimeout
	}
	b, err := p.Prepare(cfg.Bundle)
	if err != nil {
		return nil, fmt.Errorf("open policy: %w", err)
	}
	p.active.Store(b)
	return p, nil
}

// Prepare verifies, compiles, probes and tests a bundle without activating it; nil or empty is the one compiled in.
// The caller records the activation in between and then calls Swap.
func (p *Policy) Prepare(bundle []byte) (*Bundle, error) {
	sealed := len(bundle) > 0
	if !sealed {
		var err error
		if bundle, err = defaultBundle(); err != nil {
			return nil, fmt.Errorf("prepare bundle: %w", err)
		}
	}
	b, err := load(bundle, p.key, sealed)
	if err != nil {
		return nil, fmt.Errorf("prepare bundle: %w", err)
	}
	if err := b.probe(context.Background()); err != nil {
		return nil, fmt.Errorf("prepare bundle: %w", err)
	}
	if b.tests, err = b.test(context.Background()); err != nil {
		return nil, fmt.Errorf("prepare bundle: %w", err)
	}
	if err := failed(b.tests); err != nil {
		return nil, fmt.Errorf("prepare bundle: %w", err)
	}
	return b, nil
}

// Swap makes a prepared bundle active. Decisions under way finish with the one they began with; their grants name it.
func (p *Policy) Swap(b *Bundle) { p.active.Store(b) }

// Activate is Prepare and Swap. On an error the active bundle stays.
func (p *Policy) Activate(bundle []byte) ([32]byte, error) {
	b, err := p.Prepare(bundle)
	if err != nil {
		return [32]byte{}, fmt.Errorf("activate policy: %w", err)
	}
	p.Swap(b)
	return b.digest, nil
}

// Active is the bundle that decides now.
func (p *Policy) Active() *Bundle { return p.active.Load() }

// Digest is the SHA-256 of the bundle that decides now.
func (p *Policy) Digest() [32]byte { return p.active.Load().digest }
