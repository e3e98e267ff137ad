package client

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"

	"jali/crypto/cohort"
)

// Upload is one encrypted question: Head, Block 0 .. Blocks-1, Tail, in this order. Blocks are the same each time they are asked
// for, so that an interrupted upload can be resumed, and may be asked for concurrently.
type Upload struct {
	key  *Key
	seed [32]byte

	mu     sync.RWMutex // held for reading while the seeds are in use
	enc    *cohort.Encryption
	erased bool

	hashing sync.Mutex
	hash    hash.Hash // of the head, of blocks 0 .. hashed-1, and at last of the tail
	hashed  int
	commit  *[32]byte
}

// Encrypt prepares the upload of a question (ReadQuestion) about these entries. An entry listed twice is selected once. The caller
// writes Seed to its journal, and gives up if it is there already, before it sends anything.
func (k *Key) Encrypt(question []byte, selected []uint32, auditor []byte) (*Upload, error) {
	q, err := ReadQuestion(question)
	if err != nil {
		return nil, err
	}
	a, err := parseAuditor(auditor)
	if err != nil {
		return nil, err
	}
	s, err := cohort.NewSelector(q.Layout.Entries())
	if err != nil {
		return nil, err
	}
	defer s.Erase()
	for _, i := range selected {
		if err := s.Select(int(i)); err != nil {
			return nil, err
		}
	}
	defer k.use()()
	u := &Upload{key: k, hash: sha256.New()}
	u.enc, err = k.key.Encrypt(q, s, a, func(seed cohort.Digest) error {
		u.seed = seed
		return nil
	})
	if err != nil {
		return nil, err
	}
	u.hash.Write(u.enc.Head())
	return u, nil
}

// Seed is the digest of the query seed, for a journal.
func (u *Upload) Seed() [32]byte { return u.seed }

// Blocks is the number of ciphertexts.
func (u *Upload) Blocks() int { return u.enc.Blocks() }

// Bytes is the length of all parts together.
func (u *Upload) Bytes() int { return u.enc.Bytes() }

// Head is the first part.
func (u *Upload) Head() ([]byte, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.erased {
		return nil, fmt.Errorf("upload: %w", ErrErased)
	}
	return u.enc.Head(), nil
}

// Tail is the last part; empty if the agreement names no auditor.
func (u *Upload) Tail() ([]byte, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.erased {
		return nil, fmt.Errorf("upload: %w", ErrErased)
	}
	return u.enc.Tail(), nil
}

// Block encrypts block j.
func (u *Upload) Block(j int) ([]byte, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.erased {
		return nil, fmt.Errorf("upload: %w", ErrErased)
	}
	if j < 0 || j >= u.enc.Blocks() {
		return nil, fmt.Errorf("%w: block %d of %d", ErrArgument, j, u.enc.Blocks())
	}
	defer u.key.use()()
	b, err := u.enc.Block(j)
	if err != nil {
		return nil, err
	}
	u.hashing.Lock()
	defer u.hashing.Unlock()
	if j == u.hashed {
		u.hash.Write(b)
		u.hashed++
	}
	return b, nil
}

// Part is any of them by number: 0 is the head, 1 .. Blocks the ciphertexts, Blocks + 1 the tail.
func (u *Upload) Part(i int) ([]byte, error) {
	switch i {
	case 0:
		return u.Head()
	case u.Blocks() + 1:
		return u.Tail()
	}
	return u.Block(i - 1)
}

// Commit is SHA-256 of the whole upload, by which the gateway is told which upload is meant. Blocks that were asked for in order
// have been hashed by then; the others are encrypted once more.
func (u *Upload) Commit() ([32]byte, error) {
	for {
		u.hashing.Lock()
		next := u.hashed
		u.hashing.Unlock()
		if next == u.Blocks() {
			break
		}
		if _, err := u.Block(next); err != nil {
			return [32]byte{}, err
		}
	}
	tail, err := u.Tail()
	if err != nil {
		return [32]byte{}, err
	}
	u.hashing.Lock()
	defer u.hashing.Unlock()
	if u.commit == nil {
		u.hash.Write(tail)
		u.commit = new([32]byte(u.hash.Sum(nil)))
	}
	return *u.commit, nil
}

// Erase zeroes the selection and the query seed, after what is under way has ended.
func (u *Upload) Erase() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.enc.Erase()
	u.erased = true
}
