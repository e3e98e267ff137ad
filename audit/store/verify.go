package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Report says what a verification has checked. Only what it states was checked.
type Report struct {
	Origin        string
	VKeys         []string
	Size          uint64
	Head, Root    [32]byte
	First, Last   time.Time
	Counts        map[audit.Kind]uint64
	Uninterpreted uint64 // entries of kinds this version does not know: chain position checked, content not
	OpenIntents   int
	Holds         []audit.Held // that stand, whether or not their time has come
	Details       uint64       // details that are there
	// DetailsOpened: each was decrypted and matches its header. Withheld counts those erased on record.
	DetailsOpened bool
	Withheld      uint64
	Results       uint64
	Ledgers       map[audit.LedgerKey]Ledger
	Checkpoint    *audit.Checkpoint // the newest kept
	Cosigned      *audit.Checkpoint // the newest kept that met the gateway's seal policy
	Checks        []string          // in words
}

// VerifyConfig says what to verify.
type VerifyConfig struct {
	Config
	// VKeys are the verifier keys of the log, from whoever vouches for them. Nil takes those in the file, and the report
	// says so: a log that somebody replaced as a whole then verifies under keys that were replaced with it.
	VKeys []string
	// Earlier are checkpoints of this log that somebody has kept, signed by its keys: the log must continue them.
	Earlier []audit.Checkpoint
	// Progress, if set, is told how many entries were checked, every now and then.
	Progress func(n uint64)
}

// Verify checks the files of a stopped gateway completely: it reads every byte that the report speaks of. It never writes. If the
// gateway was killed, what its journal holds is checked as the end of the log; that needs files that may be written (ErrUnsettled).
// An error names the entry and the field, or the bucket. Details are opened where keys.db can be.
func Verify(cfg VerifyConfig) (rep Report, err error) {
	cfg.Config = cfg.Config.withDefaults()
	// A truncated file shows as a fault in mapped memory. It becomes an error, for this goroutine.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	v := &verifier{cfg: cfg, erasures: map[uint64][]audit.Span{}, unlisted: map[uint64]audit.Span{}}
	defer func() {
		if r := recover(); r != nil {
			rep, err = Report{}, fmt.Errorf("verify: %w: %w", ErrDamaged,
				&audit.EntryError{Seq: v.at, Err: fmt.Errorf("the file cannot be read here or after: %v", r)})
		}
	}()
	db, err := openSettled(cfg.Config)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	defer db.close()
	v.view = db.view
	if _, e := os.Stat(cfg.Keys); e == nil {
		if v.keys, err = openKeyring(cfg.Config, true); err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
		defer v.keys.close()
	} else if !errors.Is(e, fs.ErrNotExist) {
		return Report{}, fmt.Errorf("verify: %w", e)
	}
	return v.run(context.Background())
}

// Verify checks the whole log while it is being written, through short read transactions.
func (s *Store) Verify(ctx context.Context) (Report, error) {
	v := &verifier{
		cfg: VerifyConfig{Config: s.cfg, VKeys: s.signer.keys.VKeys}, view: s.view, keys: s.keys,
		erasures: map[uint64][]audit.Span{}, unlisted: map[uint64]audit.Span{},
	}
	return v.run(ctx)
}

type verifier struct {
	cfg  VerifyConfig
	view func(func(*bolt.Tx) error) error
	keys *keyring // nil: details are not opened

	chain    *audit.Chain
	at       uint64 // entry being checked
	first    int64
	tiles    tileChecker
	details  uint64
	withheld []missing
	lost     []missing               // details that are not there at all
	restored [][2]uint64             // ranges that an ADMIN act=restore says were rebuilt from headers
	erasures map[uint64][]audit.Span // ERASE -> its list, where details can be opened
	unlisted map[uint64]audit.Span   // ERASE -> its range, where a restore has lost its list
	trusted  bool                    // keys came from outside
	logKeys  *audit.Keys
}

func (v *verifier) run(ctx context.Context) (Report, error) {
	if err := v.view(v.begin); err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	var rep Report
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
		err := v.view(func(tx *bolt.Tx) error {
			h, err := decodeHead(tx.Bucket(bState).Get(keyHead))
			if err != nil {
				return err
			}
			if err := v.entries(tx, h); err != nil {
				return err
			}
			// What the entries must agree with is compared in the transaction that saw the last of them.
			if done = v.chain.Size() >= h.n; done {
				rep, err = v.finish(tx, h)
			}
			return err
		})
		if err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
		if v.cfg.Progress != nil {
			v.cfg.Progress(v.chain.Size())
		}
	}
	return rep, nil
}

// begin reads what the log says of itself and starts the chain.
func (v *verifier) begin(tx *bolt.Tx) error {
	origin, vkeys, final, err := checkSchema(tx)
	if err != nil {
		return err
	}
	if v.cfg.VKeys != nil {
		v.trusted = true
		if strings.Join(vkeys, "\n") != strings.Join(v.cfg.VKeys, "\n") {
			return fmt.Errorf("%w: the log names other verifier keys than those given", ErrDamaged)
		}
	}
	if v.logKeys, err = audit.ParseKeys(vkeys); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if v.logKeys.Origin != origin {
		return fmt.Errorf("%w: %w", ErrDamaged, audit.ErrOrigin)
	}
	v.chain = audit.NewChain(origin, vkeys, final)
	v.chain.Visit = v.tiles.visit
	for _, cp := range v.cfg.Earlier {
		v.chain.Expect(cp)
	}
	return nil
}

// entries checks the next entries, at most MaxRead.
func (v *verifier) entries(tx *bolt.Tx, h head) error {
	v.tiles.begin(tx)
	from := v.chain.Size()
	lines, details := tx.Bucket(bEntries).Cursor(), newDetailCursor(tx, from)
	k, line := lines.Seek(u64(from))
	for n := 0; n < MaxRead && v.chain.Size() < h.n; n++ {
		v.at = v.chain.Size()
		if len(k) != 8 || fromU64(k) != v.at {
			return &audit.EntryError{Seq: v.at, Field: "seq", Err: fmt.Errorf("%w: no entry is stored under this number", audit.ErrSeq)}
		}
		if err := v.chain.Next(line); err != nil {
			return err
		}
		nextKey, next := lines.Next()
		if v.tiles.bad {
			return v.blame(line, nextKey, next, h)
		}
		if v.at == 0 {
			v.first = v.chain.Time()
		}
		if err := v.entryDetails(details); err != nil {
			return err
		}
		k, line = nextKey, next
	}
	if v.chain.Size() == h.n && k != nil {
		return &audit.EntryError{Seq: h.n, Field: "seq", Err: fmt.Errorf("%w: entries beyond the head", audit.ErrSeq)}
	}
	return nil
}

// blame decides what was changed when an entry's hash is not the tile's. The next entry, or the head, is the third witness.
func (v *verifier) blame(line, nextKey, next []byte, h head) error {
	if v.tiles.level > 0 {
		return fmt.Errorf("%w: tile %d/%d does not hold the hashes of the entries below it", ErrDamaged, v.tiles.level, v.tiles.index)
	}
	leaf, third := audit.LeafHash(line), h.leaf
	if nextKey != nil && v.at+1 < h.n {
		e, err := audit.ParseEntry(next)
		if err == nil && e.Prev == audit.Digest(leaf) {
			third = leaf
		}
	}
	if third == leaf {
		return fmt.Errorf("%w: tile 0/%d: the hash of entry %d was changed", ErrDamaged, v.tiles.index, v.at)
	}
	return &audit.EntryError{Seq: v.at, Field: "hash", Err: fmt.Errorf("%w: the header is not the one that was logged", ErrDamaged)}
}

// entryDetails checks that exactly the details to which the header commits are there, and that they match.
func (v *verifier) entryDetails(c *detailCursor) error {
	seq := v.at
	var opened []string
	erase, listed := v.chain.LastKind() == audit.Erase, true
	if v.chain.LastKind() == audit.Admin {
		if e := v.chain.Last(); e.Text("act") == "restore" && e.Text("po") == "" {
			v.restored = append(v.restored, [2]uint64{uint64(e.Int("a")), uint64(e.Int("b"))})
		}
	}
	err := v.chain.Commitments(func(name, digest []byte) error {
		fail := func(err error) error { return &audit.EntryError{Seq: seq, Field: "dtl." + string(name), Err: err} }
		sealed, ok := c.take(seq, string(name))
		if !ok {
			v.lost = append(v.lost, missing{seq, string(name)})
			listed = listed && string(name) != "list"
			return nil
		}
		v.details++
		if v.keys == nil {
			return nil
		}
		d, err := v.keys.open(sealed, aad(v.logKeys.Origin, seq, string(name)))
		switch {
		case isWithheld(err):
			v.withheld = append(v.withheld, missing{seq, string(name)})
		case err != nil:
			return fail(fmt.Errorf("%w: %w", audit.ErrDetailMismatch, err))
		case audit.DetailDigest(string(d)) != string(digest):
			return fail(audit.ErrDetailMismatch)
		default:
			if _, n, _, err := audit.OpenDetail(string(d)); err != nil || n != string(name) {
				return fail(audit.ErrDetailMismatch)
			}
			if erase {
				opened = append(opened, string(d))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.left(seq) {
		return &audit.EntryError{Seq: seq, Field: "dtl", Err: fmt.Errorf("%w: a detail is stored that the header does not commit to", ErrDamaged)}
	}
	switch {
	case erase && !listed: // lostOnRecord raises the alarm unless a restore explains it
		e := v.chain.Last()
		v.unlisted[seq] = audit.Span{From: uint64(e.Int("a")), To: uint64(e.Int("b"))}
	case erase && v.keys != nil:
		spans, err := listOf(opened)
		if err != nil {
			return &audit.EntryError{Seq: seq, Field: "dtl.list", Err: fmt.Errorf("%w: %w", ErrDamaged, err)}
		}
		v.erasures[seq] = spans
	}
	return nil
}

// detailCursor walks bucket d in step with the entries.
type detailCursor struct {
	c    *bolt.Cursor
	k, v []byte
}

func newDetailCursor(tx *bolt.Tx, from uint64) *detailCursor {
	d := &detailCursor{c: tx.Bucket(bDetails).Cursor()}
	d.k, d.v = d.c.Seek(u64(from))
	return d
}

// take returns the detail if it is the next one. Headers list their details in the order of the bucket.
func (d *detailCursor) take(seq uint64, name string) ([]byte, bool) {
	if string(d.k) != string(detailKey(seq, name)) {
		return nil, false
	}
	v := d.v
	d.k, d.v = d.c.Next()
	return v, true
}

// left reports whether details of this entry or an earlier one remain.
func (d *detailCursor) left(seq uint64) bool {
	return d.k != nil && (len(d.k) < 8 || fromU64(d.k) <= seq)
}
