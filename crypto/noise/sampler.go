package noise

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrSource: the random source failed, was closed, or produced what a working source never does. Nothing may be released.
var ErrSource = errors.New("random source failed")

const (
	// batch is how many random bytes are read at once: some thirty draws.
	batch = 4096
	// wordsPerDraw ends a draw on a broken source. A draw takes about 15 words; every loop ends with constant probability
	// per word, so a working source needs this many with probability far below 2^-1000.
	wordsPerDraw = 1 << 16
	// maxGeometric bounds the geometric part of a draw: a working source exceeds it with probability e^-1000.
	maxGeometric = 1000
)

// Sampler draws noise for one release. It is for one goroutine, must not be copied, and must be closed. Bytes it read are
// its own, are zeroed as they are used, and do not survive Close.
type Sampler struct {
	_     noCopy
	src   io.Reader
	buf   [batch]byte
	next  int // first unused byte of buf
	words int // words left for the draw under way
	err   error
}

// NewSampler returns a sampler over the operating system's random source, with a first batch read.
func NewSampler() (*Sampler, error) { return newSampler(rand.Reader) }

func newSampler(src io.Reader) (*Sampler, error) {
	s := &Sampler{src: src, next: batch}
	if err := s.refill(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close wipes what is left of the batch. Draws fail afterwards.
func (s *Sampler) Close() {
	clear(s.buf[:])
	s.next = batch
	s.err = fmt.Errorf("%w: sampler is closed", ErrSource)
}

// refill reads a new batch. A failure is final.
func (s *Sampler) refill() error {
	if s.err != nil {
		return s.err
	}
	if _, err := io.ReadFull(s.src, s.buf[:]); err != nil {
		s.Close()
		s.err = fmt.Errorf("%w: %w", ErrSource, err)
		return s.err
	}
	s.next = 0
	return nil
}

// word returns 64 fresh random bits and wipes them from the batch.
func (s *Sampler) word() (uint64, error) {
	if s.words--; s.words < 0 {
		return 0, fmt.Errorf("%w: a draw does not end", ErrSource)
	}
	if s.next == batch {
		if err := s.refill(); err != nil {
			return 0, err
		}
	}
	b := s.buf[s.next : s.next+8 : s.next+8]
	x := binary.LittleEndian.Uint64(b)
	binary.LittleEndian.PutUint64(b, 0)
	s.next += 8
	return x, nil
}

// noCopy makes go vet refuse copies: a copied batch would repeat draws.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
