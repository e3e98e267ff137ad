package export

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/transparency-dev/merkle/compact"

	"jali/audit"
)

// Errors of exports.
var (
	// ErrInvalid: files that do not verify, or a log that must not be exported because it does not.
	ErrInvalid = errors.New("export not valid")
	// ErrExists: the directory or file to write to is there already.
	ErrExists = errors.New("it exists already")
)

// Source is a log to be exported: the entries below the checkpoint's size.
type Source struct {
	Keys       *audit.Keys
	Checkpoint []byte
	// Final is the last checkpoint of the log before this one, to which the GENESIS commits; empty for a log that began by itself.
	Final []byte
	// Cosigned is a checkpoint with the cosignatures of witnesses, of no more entries than Checkpoint; empty: there is none.
	Cosigned []byte
	// Policy is the quorum file under which receipts count as sealed; empty: none is in force.
	Policy []byte
	// Entries returns header lines from a number on, at least one while there are any below the checkpoint's size.
	Entries func(from uint64) ([][]byte, error)
	// Details returns the disclosures of an entry that can still be opened. Not called for the public.
	Details func(seq uint64) ([]string, error)
}

// Write writes an export for an audience to dir, which must not exist. The log is verified while it is written, so nothing
// that does not verify is exported.
func Write(dir string, src Source, audience string) (Report, error) {
	readers, err := NewReaders(audience)
	if err != nil {
		return Report{}, fmt.Errorf("export: %w", err)
	}
	if _, err := os.Lstat(dir); err == nil {
		return Report{}, fmt.Errorf("export to %s: %w", dir, ErrExists)
	}
	cp, err := src.Keys.OpenCheckpoint(src.Checkpoint)
	if err != nil {
		return Report{}, fmt.Errorf("export: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), filepath.Base(dir)+".tmp-")
	if err != nil {
		return Report{}, fmt.Errorf("export: %w", err)
	}
	w := &writer{dir: tmp, src: src, cp: cp, readers: readers, chain: audit.NewChain(src.Keys.Origin, src.Keys.VKeys, src.Final), tiles: map[uint]*tile{}}
	if err := w.run(); err != nil {
		return Report{}, fmt.Errorf("export: %w", errors.Join(err, os.RemoveAll(tmp)))
	}
	if err := errors.Join(os.Chmod(tmp, 0o755), os.Rename(tmp, dir)); err != nil {
		return Report{}, fmt.Errorf("export: %w", errors.Join(err, os.RemoveAll(tmp)))
	}
	return w.report(), nil
}

type writer struct {
	dir     string
	src     Source
	cp      audit.Checkpoint
	readers *Readers
	chain   *audit.Chain
	tiles   map[uint]*tile // by tile level
	bundle  bytes.Buffer   // of up to 256 entries
	details uint64
	err     error // of a tile written inside the chain's visitor
}

type tile struct {
	index  uint64
	hashes []byte
}

func (w *writer) run() error {
	jsonl, err := newLines(filepath.Join(w.dir, "entries.jsonl"))
	if err != nil {
		return err
	}
	var open *lines
	if w.readers.name != Public {
		if open, err = newLines(filepath.Join(w.dir, "disclosures."+w.readers.name+".jsonl")); err != nil {
			return errors.Join(err, jsonl.close())
		}
	}
	cosigned, err := openCosigned(w.src.Keys, w.src.Cosigned, w.cp.Size)
	if err != nil {
		return err
	}
	if cosigned != nil {
		w.chain.Expect(*cosigned)
	}
	err = w.entries(jsonl, open)
	err = errors.Join(err, jsonl.close())
	if open != nil {
		err = errors.Join(err, open.close())
	}
	if err != nil {
		return err
	}
	if root, err := w.chain.Root(); err != nil || root != w.cp.Root {
		return fmt.Errorf("%w: the entries do not give the root of the checkpoint", ErrInvalid)
	}
	if len(w.src.Final) > 0 {
		if err := w.file("final", w.src.Final); err != nil {
			return err
		}
	}
	if cosigned != nil {
		if err := w.file("cosigned", cosigned.Note); err != nil {
			return err
		}
	}
	if len(w.src.Policy) > 0 {
		if err := w.file("seal.policy", w.src.Policy); err != nil {
			return err
		}
	}
	return errors.Join(
		w.rest(),
		w.file("checkpoint", w.cp.Note),
		w.file("vkeys", []byte(w.src.Keys.Text())),
		w.file("VERIFY.md", instructions),
	)
}

func (w *writer) entries(jsonl, open *lines) error {
	w.chain.Visit = w.visit
	for w.chain.Size() < w.cp.Size {
		page, err := w.src.Entries(w.chain.Size())
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("%w: the log ends before its checkpoint", ErrInvalid)
		}
		for _, line := range page {
			if w.chain.Size() == w.cp.Size {
				break
			}
			seq := w.chain.Size()
			if err := w.chain.Next(line); err != nil {
				return fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			if err := errors.Join(w.err, jsonl.write(line), w.pack(line)); err != nil {
				return err
			}
			if open == nil || !bytes.Contains(line, []byte(`"dtl":`)) {
				continue
			}
			if err := w.disclose(open, seq, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// pack appends a line to the entry bundle and writes every full one.
func (w *writer) pack(line []byte) error {
	w.bundle.Write(binary.BigEndian.AppendUint16(nil, uint16(len(line))))
	w.bundle.Write(line)
	if n := w.chain.Size(); n%audit.TileWidth == 0 {
		return w.flushBundle(n/audit.TileWidth-1, audit.TileWidth)
	}
	return nil
}

func (w *writer) flushBundle(index uint64, width int) error {
	defer w.bundle.Reset()
	return w.file("tile/"+audit.TilePath("entries", index, width), w.bundle.Bytes())
}

func (w *writer) disclose(open *lines, seq uint64, line []byte) error {
	ds, err := w.src.Details(seq)
	if err != nil {
		return err
	}
	e, err := audit.ParseEntry(line)
	if err != nil {
		return err
	}
	for _, d := range ds {
		if _, err := audit.VerifyDetail(e, d); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	if ds, err = w.readers.Choose(e, ds); err != nil || len(ds) == 0 {
		return err
	}
	if e.Kind == audit.Timestamp {
		if err := w.token(seq, ds); err != nil {
			return err
		}
	}
	w.details += uint64(len(ds))
	b, err := json.Marshal(audit.Disclosures{Seq: seq, D: ds})
	if err != nil {
		return err
	}
	return open.write(b)
}

// token writes the token of a TIMESTAMP as a file, for programs that know nothing of details: openssl ts -verify.
func (w *writer) token(seq uint64, ds []string) error {
	for _, d := range ds {
		_, name, value, err := audit.OpenDetail(d)
		if err != nil || name != "token" {
			continue
		}
		token, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, &audit.EntryError{Seq: seq, Field: "token", Err: err})
		}
		if err := w.file(fmt.Sprintf("timestamp-%d.tsr", seq), token); err != nil {
			return err
		}
	}
	return nil
}

// visit collects the hashes of tile levels and writes every full tile.
func (w *writer) visit(id compact.NodeID, hash []byte) {
	if id.Level%8 != 0 || w.err != nil {
		return
	}
	level, index := id.Level/8, id.Index/audit.TileWidth
	t := w.tiles[level]
	if t == nil || t.index != index {
		t = &tile{index: index}
		w.tiles[level] = t
	}
	t.hashes = append(t.hashes, hash...)
	if len(t.hashes) == 32*audit.TileWidth {
		w.err = w.file("tile/"+audit.TilePath(strconv.Itoa(int(level)), index, audit.TileWidth), t.hashes)
	}
}

// rest writes the partial tiles and the partial bundle.
func (w *writer) rest() error {
	for level, t := range w.tiles {
		if width := len(t.hashes) / 32; width < audit.TileWidth {
			if err := w.file("tile/"+audit.TilePath(strconv.Itoa(int(level)), t.index, width), t.hashes); err != nil {
				return err
			}
		}
	}
	if width := int(w.cp.Size % audit.TileWidth); width > 0 {
		return w.flushBundle(w.cp.Size/audit.TileWidth, width)
	}
	return nil
}

func (w *writer) file(name string, content []byte) error {
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

func (w *writer) report() Report {
	return Report{
		Origin: w.cp.Origin, Size: w.cp.Size, Root: w.cp.Root, SignedBy: w.cp.SignedBy, Signed: w.cp.Time,
		Counts: w.chain.Counts(), Uninterpreted: w.chain.Uninterpreted(), OpenIntents: len(w.chain.Open()),
		Ledgers: w.chain.Ledgers(), Audience: w.readers.name, Details: w.details,
	}
}

// lines is a file of lines.
type lines struct {
	f *os.File
	w *bufio.Writer
}

func newLines(path string) (*lines, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &lines{f, bufio.NewWriterSize(f, 1<<16)}, nil
}

func (l *lines) write(line []byte) error {
	if _, err := l.w.Write(line); err != nil {
		return err
	}
	return l.w.WriteByte('\n')
}

func (l *lines) close() error { return errors.Join(l.w.Flush(), l.f.Close()) }
