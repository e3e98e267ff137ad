package client

import (
	"errors"
	"fmt"
	"sync"

	"jali/crypto/cohort"
)

var (
	// ErrErased: the key or upload was erased.
	ErrErased = errors.New("it was erased")
	// ErrArgument: a value that no right program passes.
	ErrArgument = errors.New("bad argument")
)

// Sizes are the public numbers of a parameter set.
type Sizes struct {
	SlotsPerBlock int // entries per ciphertext
	Registration  int // bytes, without opening
	Reply         int // bytes per aggregate
	Limit         int64
}

// SizesOf tells the sizes of a set.
func SizesOf(params string) (Sizes, error) {
	p, err := cohort.ParamsByID(params)
	if err != nil {
		return Sizes{}, err
	}
	return Sizes{SlotsPerBlock: p.SlotsPerBlock(), Registration: p.RegistrationBytes(), Reply: p.ReplyBytes(), Limit: p.Limit()}, nil
}

// Key is a secret key.
type Key struct {
	mu  sync.RWMutex // held for reading while the secret is in use
	key *cohort.SecretKey
}

// Generate draws a key for the gateway's 32 random bytes and returns it with its registration body. auditor is empty unless the
// agreement names one.
func Generate(params string, crs, auditor []byte) (*Key, []byte, error) {
	p, err := cohort.ParamsByID(params)
	if err != nil {
		return nil, nil, err
	}
	if len(crs) != 32 {
		return nil, nil, fmt.Errorf("%w: crs has %d bytes, not 32", ErrArgument, len(crs))
	}
	a, err := parseAuditor(auditor)
	if err != nil {
		return nil, nil, err
	}
	k, body, err := cohort.GenerateKey(p, [32]byte(crs), a)
	if err != nil {
		return nil, nil, err
	}
	return &Key{key: k}, body, nil
}

// Restore makes a key again from what Store returned.
func Restore(stored []byte) (*Key, error) {
	k, err := cohort.RestoreKey(stored)
	if err != nil {
		return nil, err
	}
	return &Key{key: k}, nil
}

// Store returns what Restore needs, as secret as the key: the caller encrypts it and erases it.
func (k *Key) Store() ([]byte, error) {
	defer k.use()()
	return k.key.Store()
}

// ID is kd, by which the gateway names the key.
func (k *Key) ID() [32]byte { return k.key.ID() }

// Params names the parameter set of the key.
func (k *Key) Params() string { return k.key.Params().ID() }

// Erase zeroes the secret, after what is under way has ended.
func (k *Key) Erase() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key.Erase()
}

func (k *Key) use() (done func()) {
	k.mu.RLock()
	return k.mu.RUnlock
}

// Decrypt reads a reply, one number per bound: sum + noise. outOfRange says that a number is not an answer to an honest question:
// the selector was rejected, a rule was violated, or key and table version do not match. It is for the researcher's eyes, and never
// reported to the gateway by a program.
func (k *Key) Decrypt(reply []byte, bounds []int64) (numbers []int64, outOfRange bool, err error) {
	defer k.use()()
	for _, b := range bounds {
		if b < 0 {
			return nil, false, fmt.Errorf("%w: a bound is negative", ErrArgument)
		}
	}
	numbers, err = k.key.Decrypt(reply, bounds)
	if errors.Is(err, cohort.ErrImplausible) {
		return numbers, true, nil
	}
	return numbers, false, err
}

func parseAuditor(b []byte) (*cohort.Auditor, error) {
	if len(b) == 0 {
		return nil, nil
	}
	return cohort.ParseAuditor(b)
}
