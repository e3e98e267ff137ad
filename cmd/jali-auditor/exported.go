package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"jali/audit"
	"jali/audit/export"
)

// exportSource reads entries.jsonl and, for details, the disclosures beside it. Pages must be read in order.
type exportSource struct {
	entries   *os.File
	in        *bufio.Reader
	next      uint64
	disclosed *os.File
	dec       *json.Decoder
	pending   *audit.Disclosures
}

func openExport(dir string, details bool) (source, error) {
	f, err := os.Open(filepath.Join(dir, "entries.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("name the directory that `jali-auditor export` wrote", "%s is no export: it has no entries.jsonl", dir)
	}
	if err != nil {
		return nil, err
	}
	s := &exportSource{entries: f, in: bufio.NewReaderSize(f, 1<<16)}
	if !details {
		return s, nil
	}
	found, err := filepath.Glob(filepath.Join(dir, "disclosures.*.jsonl"))
	if err != nil || len(found) != 1 {
		return s, nil // an export for the public has none
	}
	if s.disclosed, err = os.Open(found[0]); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.dec = json.NewDecoder(s.disclosed)
	return s, nil
}

func (s *exportSource) close() error {
	err := s.entries.Close()
	if s.disclosed != nil {
		err = errors.Join(err, s.disclosed.Close())
	}
	return err
}

func (s *exportSource) page(_ context.Context, from uint64) ([]entry, error) {
	if from != s.next {
		return nil, fmt.Errorf("read export: entries are read in order")
	}
	var out []entry
	for len(out) < 4096 {
		line, err := s.in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: entries.jsonl: line %d is cut or too long", export.ErrInvalid, s.next)
		}
		e := entry{seq: s.next, line: bytes.Clone(line[:len(line)-1])}
		if e.details, err = s.detailsOf(e.seq); err != nil {
			return nil, err
		}
		out = append(out, e)
		s.next++
	}
	return out, nil
}

func (s *exportSource) detailsOf(seq uint64) ([]string, error) {
	if s.dec == nil {
		return nil, nil
	}
	if s.pending == nil {
		var d audit.Disclosures
		if err := s.dec.Decode(&d); errors.Is(err, io.EOF) {
			s.dec = nil
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("%w: malformed disclosures", export.ErrInvalid)
		}
		s.pending = &d
	}
	if s.pending.Seq != seq {
		return nil, nil
	}
	d := s.pending.D
	s.pending = nil
	return d, nil
}
