package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"jali/audit"
)

// Buckets of audit.db: audit-log.md section 5, and "a".
var (
	bMeta    = []byte("m") // format, origin, vkeys, final
	bEntries = []byte("e") // u64be seq -> header line
	bDetails = []byte("d") // u64be seq, name -> sealed disclosure
	bTiles   = []byte("t") // u8 level, u56be index -> 1..256 hashes
	bState   = []byte("s") // head
	bCheck   = []byte("c") // u64be size -> signed checkpoint
	bOpen    = []byte("o") // u64be seq of an INTENT without outcome, or of an ERASE not carried out
	bBudget  = []byte("b") // ag/<ag>/<pop>, pop/<pop> -> ledger
	bIndex   = []byte("q") // type, HMAC -> u64be seq of the INTENT, sealed index string
	bResults = []byte("r") // u64be INTENT seq -> sealed result
	bActive  = []byte("a") // name -> u64be seq, value that is active
	bDerived = []byte("x") // rebuildable, never trusted: 'o', u64be INTENT seq -> u64be seq of its outcome

	buckets = [][]byte{bMeta, bEntries, bDetails, bTiles, bState, bCheck, bOpen, bBudget, bIndex, bResults, bActive, bDerived}

	keyHead = []byte("head")
)

func u64(n uint64) []byte                      { return binary.BigEndian.AppendUint64(nil, n) }
func fromU64(b []byte) uint64                  { return binary.BigEndian.Uint64(b) }
func detailKey(seq uint64, name string) []byte { return append(u64(seq), name...) }
func outcomeKey(seq uint64) []byte             { return binary.BigEndian.AppendUint64([]byte{'o'}, seq) }

func tileKey(level uint8, index uint64) []byte {
	return u64(uint64(level)<<56 | index)
}

// head is the value of s/head.
type head struct {
	n    uint64
	leaf [32]byte
	root [32]byte
	t    int64
}

func (h head) encode() []byte {
	b := u64(h.n)
	b = append(b, h.leaf[:]...)
	b = append(b, h.root[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(h.t))
}

func decodeHead(b []byte) (head, error) {
	if len(b) != 80 {
		return head{}, fmt.Errorf("%w: head has %d bytes, want 80", ErrDamaged, len(b))
	}
	return head{fromU64(b), [32]byte(b[8:40]), [32]byte(b[40:72]), int64(fromU64(b[72:]))}, nil
}

// ledger is a value of bucket b.
type ledger struct {
	spent, cap audit.Amount
	seq        uint64
}

func (l ledger) encode() []byte {
	b := make([]byte, 0, 40)
	for _, v := range [...]int64{l.spent.Rho, l.spent.Delta, l.cap.Rho, l.cap.Delta} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return binary.BigEndian.AppendUint64(b, l.seq)
}

func decodeLedger(b []byte) (ledger, error) {
	if len(b) != 40 {
		return ledger{}, fmt.Errorf("%w: a ledger has %d bytes, want 40", ErrDamaged, len(b))
	}
	at := func(i int) int64 { return int64(fromU64(b[8*i:])) }
	return ledger{audit.Amount{Rho: at(0), Delta: at(1)}, audit.Amount{Rho: at(2), Delta: at(3)}, fromU64(b[32:])}, nil
}

// ledgerKey names a ledger. Ids hold no slash (checked when an item is prepared), so keys are unambiguous.
func ledgerKey(k audit.LedgerKey) []byte {
	if k.Agreement == "" {
		return []byte("pop/" + k.Population)
	}
	return []byte("ag/" + k.Agreement + "/" + k.Population)
}

func parseLedgerKey(b []byte) (audit.LedgerKey, error) {
	parts := strings.Split(string(b), "/")
	switch {
	case len(parts) == 2 && parts[0] == "pop":
		return audit.LedgerKey{Population: parts[1]}, nil
	case len(parts) == 3 && parts[0] == "ag" && parts[1] != "":
		return audit.LedgerKey{Agreement: parts[1], Population: parts[2]}, nil
	}
	return audit.LedgerKey{}, fmt.Errorf("%w: malformed ledger key", ErrDamaged)
}

// validID reports whether an id may be part of a ledger or active name.
func validID(s string) bool { return s != "" && audit.ValidString(s) && !strings.Contains(s, "/") }

// openDB opens an existing bbolt file and never creates one. The address space reserved for the map (64 GiB where pointers
// have 64 bits) keeps readers from blocking the writer when the file grows.
func openDB(path string, readOnly bool, reserve int) (*bolt.DB, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", path, ErrMissing)
	}
	if err == nil && info.Size() == 0 {
		return nil, fmt.Errorf("open %s: %w: the file is empty", path, ErrDamaged)
	}
	o := &bolt.Options{
		Timeout: time.Second, FreelistType: bolt.FreelistMapType, ReadOnly: readOnly, InitialMmapSize: reserve,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag&^os.O_CREATE, mode)
		},
	}
	db, err := bolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: %w", path, ErrLocked)
	case err != nil && isSystem(err):
		return nil, fmt.Errorf("open %s: %w", path, err)
	case err != nil: // what bbolt says of the content
		return nil, fmt.Errorf("open %s: %w: %w", path, ErrDamaged, err)
	}
	return db, nil
}

// isSystem reports whether an error is the operating system's: it says nothing of the content.
func isSystem(err error) bool {
	var path *fs.PathError
	var errno syscall.Errno
	return errors.As(err, &path) || errors.As(err, &errno)
}

// reserve is the address space of audit.db.
func reserve() int {
	if strconv.IntSize < 64 {
		return 0
	}
	return 64 << 30
}

// checkSchema reads what must be in every store.
func checkSchema(tx *bolt.Tx) (origin string, vkeys []string, final []byte, err error) {
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return "", nil, nil, fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name)
		}
	}
	m := tx.Bucket(bMeta)
	switch f := m.Get(keyFormat); {
	case bytes.Equal(f, formatJournal) && tx.Bucket(bState).Get(keyJournal) == nil:
		return "", nil, nil, fmt.Errorf("%w: it lacks entries of a journal, and does not say of which", ErrDamaged)
	case !bytes.Equal(f, formatAlone) && !bytes.Equal(f, formatJournal):
		return "", nil, nil, fmt.Errorf("%w: not format 1 or 2", ErrDamaged)
	}
	final = append(final, m.Get([]byte("final"))...)
	return string(m.Get([]byte("origin"))), strings.Split(string(m.Get([]byte("vkeys"))), "\n"), final, nil
}
