package store

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	// A segment is handed on to be settled at this many entries or bytes, and the writer waits for the one before at twice as much.
	settleEntries = 4096
	settleBytes   = 8 << 20
	// extendBy is how much a journal file grows at once: a sync that must record a new length costs twice one that need not.
	extendBy = 256 << 10
)

// segment is one of the two files of the journal, and in memory its image and what is needed to read from it. One segment takes
// frames while the other is settled. It belongs to the writer; while it is settled, and while a frame of it is written, others read.
type segment struct {
	side  int
	file  *os.File
	size  int64  // of the file
	image []byte // what the file is to hold, page 0 included

	start   int    // in image, of the frame that is being made
	first   uint64 // number of the first frame, next that of the next
	next    uint64
	entries int    // in it
	n       uint64 // of the log at its end

	// What the writer may look up again: rows of all buckets but those of entries, details, tiles and results, and the entries by
	// their place, the first of which is firstEntry.
	changed    map[string]span
	firstEntry uint64
	lines      []span
}

// span is a place in an image.
type span struct {
	from, to int
	gone     bool
}

// of tells whether rows of a bucket are remembered one by one.
func looked(bucket byte) bool {
	return bucket != 'e' && bucket != 'd' && bucket != 't' && bucket != 'r'
}

func (g *segment) empty() bool { return g.first == g.next }

func (g *segment) full(times int) bool {
	return g.entries >= times*settleEntries || len(g.image) >= times*settleBytes
}

// reset makes the segment empty; the next frame has the given number and stands at the beginning.
func (g *segment) reset(next uint64) {
	if cap(g.image) > 4*settleBytes { // one with large results is not kept
		g.image = make([]byte, journalPage, 2*journalPage)
	}
	g.image = g.image[:journalPage]
	g.start, g.first, g.next = journalPage, next, next
	g.entries, g.lines = 0, g.lines[:0]
	clear(g.changed)
}

// begin starts a frame. What was begun and not ended is dropped.
func (g *segment) begin() {
	g.image = append(g.image[:g.start], make([]byte, frameHead)...)
}

// rows are those of the frame that is being made.
func (g *segment) rows() []byte { return g.image[g.start+frameHead:] }

// end completes the frame, and returns its bytes and where they belong in the file.
func (g *segment) end(gen generation, n uint64, leaf [32]byte) (b []byte, at int64) {
	putFrameHead(g.image[g.start:], gen, frame{number: g.next, n: n, leaf: leaf})
	if pad := pages(len(g.image)) - len(g.image); pad > 0 {
		g.image = append(g.image, zeros[:pad]...)
	}
	b, at = g.image[g.start:], int64(g.start)
	g.start = len(g.image)
	g.next++
	return b, at
}

var zeros [extendBy]byte

func (g *segment) put(bucket byte, key, value []byte) {
	g.image = appendRow(g.image, bucket, key, value)
	to := len(g.image)
	at := span{from: to - len(value), to: to}
	switch {
	case bucket == 'e':
		if g.entries == 0 {
			g.firstEntry = fromU64(key)
		}
		g.entries++
		g.lines = append(g.lines, at)
	case looked(bucket):
		g.remember(bucket, key, at)
	}
}

func (g *segment) delete(bucket byte, key []byte) {
	g.image = appendRow(g.image, bucket|rowGone, key, nil)
	if looked(bucket) {
		g.remember(bucket, key, span{gone: true})
	}
}

func (g *segment) remember(bucket byte, key []byte, at span) {
	var few [64]byte
	g.changed[string(append(append(few[:0], bucket), key...))] = at
}

// get finds a row that is in the segment; known is false if the segment does not say.
func (g *segment) get(bucket byte, key []byte) (value []byte, known bool) {
	if bucket == 'e' {
		if g.entries == 0 || len(key) != 8 || fromU64(key) < g.firstEntry || fromU64(key)-g.firstEntry >= uint64(len(g.lines)) {
			return nil, false
		}
		at := g.lines[fromU64(key)-g.firstEntry]
		return g.image[at.from:at.to:at.to], true
	}
	var few [64]byte
	at, known := g.changed[string(append(append(few[:0], bucket), key...))]
	if !known || at.gone {
		return nil, known
	}
	return g.image[at.from:at.to:at.to], true
}

// write makes a frame durable.
func (g *segment) write(b []byte, at int64) error {
	if _, err := g.file.WriteAt(b, at); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if end := at + int64(len(b)); end > g.size {
		g.size = (end + extendBy - 1) / extendBy * extendBy
		if _, err := g.file.WriteAt(zeros[:g.size-end], end); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	if err := datasync(g.file); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// openSegment begins a generation in one file, which it makes if it is not there. What the file held must be in audit.db. It
// returns after page 0 and the file's name are durable: only then may audit.db name the generation.
func openSegment(c Config, gen generation, side int) (*segment, error) {
	path := c.journal(side)
	g := &segment{side: side, image: journalHeader(gen, side), changed: map[string]span{}}
	g.reset(1)
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		if err := placeFile(path, 0o600, g.image); err != nil {
			return nil, fmt.Errorf("create journal: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("open journal: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open journal: %w: %s is not a file: move it away", ErrDamaged, path)
	}
	if g.file, err = os.OpenFile(path, os.O_RDWR|noFollow, 0); err != nil { // never write over what a link leads to
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if info, err = g.file.Stat(); err == nil {
		g.size = info.Size()
		err = g.file.Chmod(0o600)
	}
	if err == nil {
		_, err = g.file.WriteAt(g.image, 0)
	}
	if err == nil {
		err = g.file.Sync()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		g.file.Close()
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return g, nil
}

// readPlain reads a file that is one: no link, and nothing that never ends.
func readPlain(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a file", ErrDamaged, path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// readSegment returns the content of a file, which must be of the generation.
func readSegment(c Config, gen generation, side int) ([]byte, error) {
	path := c.journal(side)
	b, err := readPlain(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	if err != nil || !isJournal(b, gen, side) {
		why := "is of another log or another time"
		switch {
		case err != nil:
			why = "is missing"
		case len(b) < journalPage || !bytes.HasPrefix(b, []byte(journalMagic)):
			why = "is no journal"
		}
		return nil, fmt.Errorf("%w: %s %s; audit.db was not closed in order and may lack its last entries without it: put back the files that lay beside this audit.db, or restore the log from its headers",
			ErrDamaged, path, why)
	}
	return b, nil
}
