package export

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/compact"

	"jali/audit"
)

// Report says what was written or checked.
type Report struct {
	Origin        string
	Size          uint64
	Root          [32]byte
	SignedBy      []string  // algorithms of the log's signatures on the checkpoint
	Signed        time.Time // the log's own statement; zero if it made none
	Counts        map[audit.Kind]uint64
	Uninterpreted uint64
	OpenIntents   int
	Ledgers       map[audit.LedgerKey]*audit.Ledger
	Audience      string
	Details       uint64
	Holds         []audit.Held // that stand, whether or not their time has come
	// Cosigned is the checkpoint in the file cosigned, found to lie on this log; nil if there is none. Whose cosignatures it has, and
	// whether they are enough, is for the reader's own quorum to say.
	Cosigned *audit.Checkpoint
	Checks   []string
}

// Verify checks an export completely: every file it must have, byte for byte. With keys nil the keys in the directory are
// used, and the report says so. earlier are checkpoints of the log that somebody has kept: it must continue them.
func Verify(dir string, keys *audit.Keys, earlier ...audit.Checkpoint) (Report, error) {
	return VerifyFS(os.DirFS(dir), keys, earlier...)
}

// VerifyFS is Verify for files that lie elsewhere than in a directory: in a browser's memory.
func VerifyFS(files fs.FS, keys *audit.Keys, earlier ...audit.Checkpoint) (Report, error) {
	v := &verifier{files: files, keys: keys, whose: "the keys given", earlier: earlier}
	rep, err := v.run()
	if err != nil {
		return Report{}, fmt.Errorf("verify export: %w", err)
	}
	return rep, nil
}

type verifier struct {
	files   fs.FS
	keys    *audit.Keys
	whose   string
	cp      audit.Checkpoint
	chain   *audit.Chain
	earlier []audit.Checkpoint

	tile   map[uint]*tile // as read, by level
	bundle []byte
	bad    error
}

func (v *verifier) run() (Report, error) {
	text, err := v.read("vkeys", 1<<16)
	if err != nil {
		return Report{}, err
	}
	if v.keys == nil {
		v.whose = "the keys in the export itself"
		if v.keys, err = audit.ReadKeys(text); err != nil {
			return Report{}, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	note, err := v.read("checkpoint", 1<<20)
	if err != nil {
		return Report{}, err
	}
	if v.cp, err = v.keys.OpenCheckpoint(note); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	rep := Report{Origin: v.cp.Origin, Size: v.cp.Size, Root: v.cp.Root, SignedBy: v.cp.SignedBy, Signed: v.cp.Time, Audience: Public}
	rep.note("the checkpoint of %d entries is signed by %s with %v, under %s", v.cp.Size, v.cp.Origin, v.cp.SignedBy, v.whose)
	disclosed, err := v.disclosures(&rep)
	if err != nil {
		return Report{}, err
	}
	if disclosed != nil {
		defer disclosed.f.Close()
	}
	final, err := v.final(&rep)
	if err != nil {
		return Report{}, err
	}
	v.chain = audit.NewChain(v.keys.Origin, v.keys.VKeys, final)
	v.chain.Visit = v.visit
	v.tile = map[uint]*tile{}
	for _, cp := range v.earlier {
		v.chain.Expect(cp)
		rep.note("the log continues the one of %d entries whose checkpoint was kept", cp.Size)
	}
	if rep.Cosigned, err = v.cosigned(); err != nil {
		return Report{}, err
	}
	if err := v.entries(disclosed, &rep); err != nil {
		return Report{}, err
	}
	if root, err := v.chain.Root(); err != nil || root != v.cp.Root {
		return Report{}, fmt.Errorf("%w: the entries do not give the root of the checkpoint", ErrInvalid)
	}
	if err := v.chain.Unmet(); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	rep.Counts, rep.Uninterpreted, rep.Ledgers = v.chain.Counts(), v.chain.Uninterpreted(), v.chain.Ledgers()
	rep.OpenIntents, rep.Holds = len(v.chain.Open()), v.chain.Holds()
	rep.note("%d headers hashed and chained from the genesis on; every tile and bundle holds the same; the root is the one signed", v.cp.Size)
	rep.note("%d budget ledgers recomputed: every spend adds up and none exceeds its cap", len(rep.Ledgers))
	rep.note("%d details for the audience %s match their headers", rep.Details, rep.Audience)
	return rep, nil
}

func (r *Report) note(format string, args ...any) {
	r.Checks = append(r.Checks, fmt.Sprintf(format, args...))
}

// entries reads entries.jsonl in step with tiles, bundles and disclosures. A header is blamed if it alone disagrees.
func (v *verifier) entries(disclosed *disclosures, rep *Report) error {
	f, err := v.files.Open("entries.jsonl")
	if err != nil {
		return missing(err)
	}
	defer f.Close()
	in := newLineReader(f)
	for v.chain.Size() < v.cp.Size {
		seq := v.chain.Size()
		fail := func(field string, err error) error {
			return fmt.Errorf("%w: %w", ErrInvalid, &audit.EntryError{Seq: seq, Field: field, Err: err})
		}
		line, err := in.next(audit.MaxHeader)
		if err != nil {
			return fail("", fmt.Errorf("entries.jsonl ends here or cannot be read: %w", err))
		}
		if err := v.chain.Next(line); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if v.bad != nil {
			return fail("hash", v.bad)
		}
		packed, err := v.packed(seq)
		if err != nil {
			return err
		}
		if !bytes.Equal(packed, line) {
			return fail("", errors.New("the entry bundle holds another header than entries.jsonl"))
		}
		n, err := disclosed.check(seq, line)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		rep.Details += n
	}
	if _, err := in.next(audit.MaxHeader); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: entries.jsonl goes on beyond the checkpoint", ErrInvalid)
	}
	if disclosed != nil && disclosed.pending != nil {
		return fmt.Errorf("%w: disclosures of an entry that commits to none, or out of order", ErrInvalid)
	}
	return nil
}

// visit compares the nodes of the tree with the tiles.
func (v *verifier) visit(id compact.NodeID, hash []byte) {
	if id.Level%8 != 0 || v.bad != nil {
		return
	}
	level, index, at := id.Level/8, id.Index/audit.TileWidth, int(id.Index%audit.TileWidth)
	t := v.tile[level]
	if t == nil || t.index != index {
		width := int(min(audit.TileWidth, v.cp.Size>>(8*level)-index*audit.TileWidth))
		b, err := v.read("tile/"+audit.TilePath(strconv.Itoa(int(level)), index, width), 32*audit.TileWidth)
		if err == nil && len(b) != 32*width {
			err = errors.New("wrong length")
		}
		if err != nil {
			v.bad = fmt.Errorf("tile %d/%d: %w", level, index, err)
			return
		}
		t = &tile{index, b}
		v.tile[level] = t
	}
	if !bytes.Equal(t.hashes[32*at:32*at+32], hash) {
		v.bad = fmt.Errorf("tile %d/%d holds another hash: the header or the tile was changed", level, index)
	}
}

// packed returns the entry's line from its bundle.
func (v *verifier) packed(seq uint64) ([]byte, error) {
	if seq%audit.TileWidth == 0 {
		width := int(min(audit.TileWidth, v.cp.Size-seq))
		var err error
		if v.bundle, err = v.read("tile/"+audit.TilePath("entries", seq/audit.TileWidth, width), audit.TileWidth*(2+audit.MaxHeader)); err != nil {
			return nil, err
		}
	}
	if len(v.bundle) < 2 || len(v.bundle)-2 < int(binary.BigEndian.Uint16(v.bundle)) {
		return nil, fmt.Errorf("%w: the entry bundle ends before entry %d", ErrInvalid, seq)
	}
	n := 2 + int(binary.BigEndian.Uint16(v.bundle))
	line := v.bundle[2:n]
	v.bundle = v.bundle[n:]
	if seq+1 == v.cp.Size || (seq+1)%audit.TileWidth == 0 {
		if len(v.bundle) > 0 {
			return nil, fmt.Errorf("%w: the entry bundle goes on after entry %d", ErrInvalid, seq)
		}
	}
	return line, nil
}

// cosigned reads the checkpoint with cosignatures, if there is one, and has the chain pass through it.
func (v *verifier) cosigned() (*audit.Checkpoint, error) {
	note, err := v.read("cosigned", 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cp, err := openCosigned(v.keys, note, v.cp.Size)
	if err == nil && cp != nil {
		v.chain.Expect(*cp)
	}
	return cp, err
}

// openCosigned verifies the log's own signatures on a cosigned checkpoint; nil if note is empty.
func openCosigned(keys *audit.Keys, note []byte, size uint64) (*audit.Checkpoint, error) {
	if len(note) == 0 {
		return nil, nil
	}
	cp, err := keys.OpenCheckpoint(note)
	if err != nil {
		return nil, fmt.Errorf("%w: cosigned: %w", ErrInvalid, err)
	}
	if cp.Size > size {
		return nil, fmt.Errorf("%w: witnesses have cosigned %d entries, here are %d", ErrInvalid, cp.Size, size)
	}
	return &cp, nil
}

// final reads the last checkpoint of the log before this one, if this one goes on from another.
func (v *verifier) final(rep *Report) ([]byte, error) {
	text, err := v.read("final", 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && len(text) == 0 {
		err = fmt.Errorf("%w: final is empty", ErrInvalid)
	}
	if err == nil {
		rep.note("the genesis commits to the last checkpoint of the log before, in the file final")
	}
	return text, err
}

// disclosures finds the one disclosures file that an export may have.
func (v *verifier) disclosures(rep *Report) (*disclosures, error) {
	found, err := fs.Glob(v.files, "disclosures.*.jsonl")
	if err != nil || len(found) > 1 {
		return nil, fmt.Errorf("%w: disclosures for more than one audience", ErrInvalid)
	}
	if len(found) == 0 {
		return nil, nil
	}
	rep.Audience = strings.TrimSuffix(strings.TrimPrefix(found[0], "disclosures."), ".jsonl")
	f, err := v.files.Open(found[0])
	if err != nil {
		return nil, missing(err)
	}
	d := &disclosures{f: f, in: newLineReader(f)}
	if err := d.advance(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrInvalid, err), f.Close())
	}
	return d, nil
}

type disclosures struct {
	f       fs.File
	in      *lineReader
	pending *audit.Disclosures
}

func (d *disclosures) advance() error {
	line, err := d.in.next(audit.MaxDetails*(audit.MaxDisclosure+3) + 64)
	if errors.Is(err, io.EOF) {
		d.pending = nil
		return nil
	}
	if err != nil {
		return err
	}
	d.pending = &audit.Disclosures{}
	// Exactly the bytes that Write makes: encoding/json also reads "D" for "d", and another reader would not.
	err = json.Unmarshal(line, d.pending)
	if again, e := json.Marshal(*d.pending); err != nil || e != nil || !bytes.Equal(again, line) {
		return errors.New("malformed line of disclosures")
	}
	return nil
}

// check verifies the disclosures of an entry, if there are any.
func (d *disclosures) check(seq uint64, line []byte) (uint64, error) {
	if d == nil || d.pending == nil || d.pending.Seq != seq {
		return 0, nil
	}
	e, err := audit.ParseEntry(line)
	if err != nil {
		return 0, err
	}
	for _, disclosure := range d.pending.D {
		if _, err := audit.VerifyDetail(e, disclosure); err != nil {
			return 0, err
		}
	}
	n := uint64(len(d.pending.D))
	return n, d.advance()
}

// read reads a file of the export that is at most limit bytes.
func (v *verifier) read(name string, limit int64) ([]byte, error) {
	f, err := v.files.Open(name)
	if err != nil {
		return nil, missing(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: %s is too large", ErrInvalid, name)
	}
	return b, nil
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: a file is missing: %w", ErrInvalid, err)
	}
	return err
}

// lineReader reads lines of bounded length.
type lineReader struct{ r *bufio.Reader }

func newLineReader(r io.Reader) *lineReader { return &lineReader{bufio.NewReaderSize(r, 1<<20)} }

func (l *lineReader) next(limit int) ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, errors.New("last line is cut")
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errors.New("line too long")
	case err != nil:
		return nil, err
	case len(line)-1 > limit:
		return nil, errors.New("line too long")
	}
	return line[:len(line)-1], nil
}
