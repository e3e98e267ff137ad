package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// The journal's bytes. A file is a page that says of which generation it is, then frames, each on a page boundary: no page of a
// durable frame is ever written again before all of the file's frames are in audit.db.
//
//	page 0  magic "jali-journal/1\n", 0, generation (16), side u32be, CRC-32C u32be of the 36 bytes before
//	frame   magic "jfr1", CRC-32C u32be of the rest, generation (16), number u64be, entries of the log before u64be,
//	        leaf hash before (32), length u32be, then that many bytes of rows
//	row     bucket (its letter, + 0x80 to delete), length of the key u16be, of the value u32be, key, value
//
// A generation is one run of a process. It numbers its frames from 1 without a gap, over both files.
const (
	journalPage  = 4096
	journalMagic = "jali-journal/1\n\x00"
	journalHead  = 16 + 16 + 4
	frameMagic   = "jfr1"
	frameHead    = 4 + 4 + 16 + 8 + 8 + 32 + 4
	rowHead      = 1 + 2 + 4
	rowGone      = 0x80
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type generation [16]byte

// frame is one group of entries as written: all rows that it changes.
type frame struct {
	number uint64
	n      uint64 // entries of the log before it
	leaf   [32]byte
	rows   []byte
}

// pages rounds up to whole pages.
func pages(n int) int { return (n + journalPage - 1) &^ (journalPage - 1) }

// journalHeader is page 0 of a file.
func journalHeader(g generation, side int) []byte {
	b := append(make([]byte, 0, journalPage), journalMagic...)
	b = append(b, g[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(side))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:journalPage]
}

// isJournal reports whether b begins with the page 0 of that generation and side.
func isJournal(b []byte, g generation, side int) bool {
	return len(b) >= journalPage && bytes.Equal(b[:journalHead+4], journalHeader(g, side)[:journalHead+4])
}

// putFrameHead completes a frame: b begins with frameHead bytes that are still to be written, the rows follow.
func putFrameHead(b []byte, g generation, f frame) {
	copy(b, frameMagic)
	copy(b[8:], g[:])
	binary.BigEndian.PutUint64(b[24:], f.number)
	binary.BigEndian.PutUint64(b[32:], f.n)
	copy(b[40:], f.leaf[:])
	binary.BigEndian.PutUint32(b[72:], uint32(len(b)-frameHead))
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
}

// parseFrame reads the frame at the beginning of b. ok is false for anything that is not a whole frame of that generation: what was
// never written, an older generation's, or one that a crash tore.
func parseFrame(b []byte, g generation) (f frame, ok bool) {
	if len(b) < frameHead || string(b[:4]) != frameMagic || generation(b[8:24]) != g {
		return frame{}, false
	}
	size := uint64(frameHead) + uint64(binary.BigEndian.Uint32(b[72:]))
	if size > uint64(len(b)) || binary.BigEndian.Uint32(b[4:]) != crc32.Checksum(b[8:size], castagnoli) {
		return frame{}, false
	}
	return frame{
		number: binary.BigEndian.Uint64(b[24:]), n: binary.BigEndian.Uint64(b[32:]), leaf: [32]byte(b[40:72]), rows: b[frameHead:size],
	}, true
}

// parseJournal reads the frames of a file: those that follow each other from its beginning, and the highest number of any whole
// frame behind these, which may be of an earlier use of the file.
func parseJournal(b []byte, g generation) (run []frame, behind uint64) {
	at := journalPage
	for at < len(b) {
		f, ok := parseFrame(b[at:], g)
		if !ok || len(run) > 0 && f.number != run[len(run)-1].number+1 {
			break
		}
		run = append(run, f)
		at += pages(frameHead + len(f.rows))
	}
	for ; at < len(b); at += journalPage {
		if f, ok := parseFrame(b[at:], g); ok {
			behind = max(behind, f.number)
		}
	}
	return run, behind
}

func appendRow(b []byte, bucket byte, key, value []byte) []byte {
	b = append(b, bucket)
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	b = append(b, key...)
	return append(b, value...)
}

// parseRow takes the first row off b. Slices alias b.
func parseRow(b []byte) (bucket byte, key, value, rest []byte, err error) {
	if len(b) < rowHead {
		return 0, nil, nil, nil, fmt.Errorf("%w: the journal has a row that is cut", ErrDamaged)
	}
	k, v := int(binary.BigEndian.Uint16(b[1:])), uint64(binary.BigEndian.Uint32(b[3:]))
	if k == 0 || uint64(len(b)-rowHead) < uint64(k)+v {
		return 0, nil, nil, nil, fmt.Errorf("%w: the journal has a row that is cut", ErrDamaged)
	}
	if !strings.ContainsRune(journaled, rune(b[0]&^rowGone)) || b[0]&rowGone != 0 && v != 0 {
		return 0, nil, nil, nil, fmt.Errorf("%w: the journal has a row of an unknown bucket", ErrDamaged)
	}
	end := rowHead + k + int(v)
	return b[0], b[rowHead : rowHead+k : rowHead+k], b[rowHead+k : end : end], b[end:], nil
}

// journaled are the buckets that the writer changes; bucket m is written once, with the file.
const journaled = "edtscobqrax"

// applyRows does in audit.db what the rows say. It refers to them until the transaction ends.
func applyRows(tx *bolt.Tx, rows []byte) error {
	var cached [128]*bolt.Bucket
	for len(rows) > 0 {
		letter, key, value, rest, err := parseRow(rows)
		if err != nil {
			return err
		}
		rows = rest
		name := letter &^ rowGone
		b := cached[name]
		if b == nil {
			if b = tx.Bucket([]byte{name}); b == nil {
				return fmt.Errorf("%w: bucket %c is missing", ErrDamaged, name)
			}
			switch name {
			case 'e', 'd', 't': // only ever appended to
				b.FillPercent = 1
			}
			cached[name] = b
		}
		if letter&rowGone != 0 {
			err = b.Delete(key)
		} else {
			err = b.Put(key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
