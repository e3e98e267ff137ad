package synth

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// Config says what to generate. Persons is required.
type Config struct {
	Persons int
	Seed    uint64 // 0 is a seed like any other
	Tables  []string
	// Plain writes .csv instead of .csv.gz.
	Plain bool
	// Workers generate in parallel; 0: all processors. The bytes do not depend on it.
	Workers int
	// Progress, if set, is told how many persons are written. It is called from one goroutine.
	Progress func(persons int)
}

// MaxPersons keeps claim numbers far inside 63 bits and person ids inside what the catalogue declares.
const MaxPersons = 1_000_000_000

// TableNames lists the tables in the order of the catalogue, the public one last.
func TableNames() []string {
	var out []string
	for _, t := range tables {
		out = append(out, t.name)
	}
	return append(out, regionsTable)
}

const regionsTable = "regions"

// blockPersons is the unit of work: one gzip member per table.
const blockPersons = 2048

// Write generates the tables into dir, one file each, and returns their paths in the order of TableNames. Existing files are
// replaced. If it fails, the files are incomplete.
func Write(ctx context.Context, dir string, cfg Config) ([]string, error) {
	if cfg.Persons < 1 || cfg.Persons > MaxPersons {
		return nil, fmt.Errorf("generate: persons must lie between 1 and %d", MaxPersons)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	for _, name := range cfg.Tables {
		if !slices.Contains(TableNames(), name) {
			return nil, fmt.Errorf("generate: no table %q: tables are %v", name, TableNames())
		}
	}
	w := &fileSet{cfg: cfg}
	err := w.open(dir)
	if err == nil {
		err = w.generate(ctx)
	}
	for _, f := range w.files {
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return w.paths, nil
}

// fileSet is the open output: files[i] belongs to chosen[i]; the public table is written at once.
type fileSet struct {
	cfg    Config
	chosen []table
	files  []*os.File
	paths  []string
}

func (w *fileSet) wanted(name string) bool {
	return len(w.cfg.Tables) == 0 || slices.Contains(w.cfg.Tables, name)
}

func (w *fileSet) open(dir string) error {
	suffix := ".csv.gz"
	if w.cfg.Plain {
		suffix = ".csv"
	}
	for _, t := range tables {
		if !w.wanted(t.name) {
			continue
		}
		f, err := os.Create(filepath.Join(dir, t.name+suffix))
		if err != nil {
			return err
		}
		w.chosen, w.files, w.paths = append(w.chosen, t), append(w.files, f), append(w.paths, f.Name())
		if err := w.put(f, []byte(t.header+"\n")); err != nil {
			return err
		}
	}
	if !w.wanted(regionsTable) {
		return nil
	}
	b := []byte("region,name,part\n")
	for _, r := range regions {
		b = text(text(text(b, r.code, ','), r.name, ','), r.part, '\n')
	}
	path := filepath.Join(dir, regionsTable+suffix)
	w.paths = append(w.paths, path)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(w.put(f, b), f.Close())
}

func (w *fileSet) put(f *os.File, b []byte) error {
	b, err := w.pack(b)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return err
}

// pack compresses one block. A file of several gzip members is one gzip file (RFC 1952, section 2.2).
func (w *fileSet) pack(b []byte) ([]byte, error) {
	if w.cfg.Plain || len(b) == 0 {
		return b, nil
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// block is the output of some persons: one piece per chosen table.
type block struct {
	pieces [][]byte
	err    error
}

// generate makes blocks in parallel and writes them in order.
func (w *fileSet) generate(ctx context.Context) error {
	blocks := (w.cfg.Persons + blockPersons - 1) / blockPersons
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	// Each block has its own slot; at most two per worker are ahead of the writer.
	slots := make(chan chan block, 2*w.cfg.Workers)
	jobs := make(chan func())
	for range w.cfg.Workers {
		workers.Go(func() {
			for job := range jobs {
				job()
			}
		})
	}
	workers.Go(func() {
		defer close(slots)
		defer close(jobs)
		for i := range blocks {
			slot := make(chan block, 1)
			select {
			case slots <- slot:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- func() { slot <- w.block(i) }:
			case <-ctx.Done():
				slot <- block{err: ctx.Err()}
				return
			}
		}
	})
	done := 0
	for slot := range slots {
		b := <-slot
		if b.err != nil {
			return b.err
		}
		for i, piece := range b.pieces {
			if _, err := w.files[i].Write(piece); err != nil {
				return err
			}
		}
		done = min(done+blockPersons, w.cfg.Persons)
		if w.cfg.Progress != nil {
			w.cfg.Progress(done)
		}
	}
	return ctx.Err()
}

func (w *fileSet) block(i int) block {
	first, last := i*blockPersons+1, min((i+1)*blockPersons, w.cfg.Persons)
	raw := make([][]byte, len(w.chosen))
	for id := first; id <= last; id++ {
		p := makePerson(w.cfg.Seed, uint64(id))
		for j, t := range w.chosen {
			raw[j] = t.rows(raw[j], p)
		}
	}
	b := block{pieces: make([][]byte, len(raw))}
	for j := range raw {
		if b.pieces[j], b.err = w.pack(raw[j]); b.err != nil {
			break
		}
	}
	return b
}
