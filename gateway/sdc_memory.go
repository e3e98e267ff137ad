package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/catalog"
	"jali/gateway/protect"
)

// What organisations have been told about a population in mode sdc lies in one file, sdc/POPULATION.told, that only grows: frames
// of a length (4 bytes), a kind (1), content, and the SHA-256 of the digest before and all that. A frame is written and synced
// before the entry that lets the answer go, and that entry makes the digest active in the log (name sdc/POPULATION). So:
//
//   - a crash between the two leaves a charge without an answer (INTERRUPTED) and a frame that counts as told: nothing is forgotten;
//   - a file that lacks anything the log's digest covers is found at the start, and the population is not served.
//
// The file holds exact data, who is in which cell by ordinal: it belongs to the rows and is kept like them.
var errMemory = errors.New("the memory of released cells is not the one on record")

const (
	frameTold    = 't' // protect.Disclosed
	frameRefused = 'r' // an agreement's version, that met a refusal
	mostFrame    = 1 << 30
)

// pinMemory is the name under which the log keeps the digest of a population's memory.
const pinMemory = "sdc/"

// memory is that of one population. Its lock orders frames and their entries alike.
type memory struct {
	mu      sync.Mutex
	file    *os.File
	head    [32]byte
	failed  error // after a failed write nothing more is told
	cells   *protect.Memory
	refused map[string]int64 // by agreement and version
	flying  map[string]int64 // charged questions that may yet be refused
}

// openMemory reads what is remembered. pin is the digest on record, or empty.
func openMemory(path, pin string) (*memory, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read memory: %w", err)
	}
	m := &memory{cells: &protect.Memory{}, refused: map[string]int64{}, flying: map[string]int64{}}
	end, covered, err := m.read(old, pin)
	if err != nil {
		return nil, err
	}
	if !covered {
		return nil, fmt.Errorf("%w: restore %s from the backup of the same time as the log", errMemory, filepath.Base(path))
	}
	if m.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("open memory: %w", err)
	}
	// What a crash left of a frame that no entry names goes.
	err = m.file.Truncate(end)
	if err == nil {
		_, err = m.file.Seek(0, io.SeekEnd)
	}
	if err = errors.Join(err, m.file.Sync(), syncDir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open memory: %w", err), m.file.Close())
	}
	return m, nil
}

// read takes in all whole frames, and tells where they end and whether they cover the digest on record.
func (m *memory) read(b []byte, pin string) (end int64, covered bool, err error) {
	covered = pin == ""
	for len(b) >= 4 {
		n := binary.BigEndian.Uint32(b)
		if n < 1 || n > mostFrame || uint64(len(b)) < 4+uint64(n)+32 {
			break
		}
		body := b[:4+n]
		digest := link(m.head, body)
		if !bytes.Equal(digest[:], b[4+n:][:32]) {
			break
		}
		if err := m.restore(body[4], body[5:]); err != nil {
			return 0, false, err
		}
		m.head = digest
		covered = covered || audit.Digest(digest) == pin
		end += int64(n) + 36
		b = b[4+n+32:]
	}
	return end, covered, nil
}

func link(before [32]byte, body []byte) [32]byte {
	return sha256.Sum256(append(before[:], body...))
}

func (m *memory) restore(kind byte, content []byte) error {
	switch kind {
	case frameTold:
		if err := m.cells.Restore(content); err != nil {
			return fmt.Errorf("%w: %w", errMemory, err)
		}
	case frameRefused:
		var r refusedFrame
		if err := json.Unmarshal(content, &r); err != nil || r.Of == "" {
			return fmt.Errorf("%w: a refusal cannot be read", errMemory)
		}
		m.refused[r.Of]++
	default:
		return fmt.Errorf("%w: a frame of an unknown kind", errMemory)
	}
	return nil
}

// refusedFrame is one refusal: which version of which agreement met it, and the charge.
type refusedFrame struct {
	Of     string `json:"of"`
	Intent uint64 `json:"intent"`
}

// write appends a frame durably. The caller holds the lock. What fails leaves a file that the next start repairs; until then the
// population is not answered about.
func (m *memory) write(kind byte, content []byte) error {
	if m.failed != nil {
		return m.failed
	}
	if len(content) >= mostFrame {
		return fmt.Errorf("write memory: %w", errMemory)
	}
	body := binary.BigEndian.AppendUint32(nil, uint32(len(content)+1))
	body = append(append(body, kind), content...)
	digest := link(m.head, body)
	_, err := m.file.Write(append(body, digest[:]...))
	if err = errors.Join(err, m.file.Sync()); err != nil {
		m.failed = fmt.Errorf("write memory: %w", err)
		return m.failed
	}
	m.head = digest
	return nil
}

// remember makes what is told durable, then lets the RELEASE be appended with the digest of it all. A nil control is mode dp.
func (c *control) remember(population string, release func([]store.Pin) (store.Appended, error)) (store.Appended, error) {
	if c == nil {
		return release(nil)
	}
	content, err := c.told.Encode()
	if err != nil {
		return store.Appended{}, err
	}
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	if err := c.memory.write(frameTold, content); err != nil {
		return store.Appended{}, err
	}
	return release([]store.Pin{{Name: pinMemory + population, Value: audit.Digest(c.memory.head)}})
}

// refuse counts a refusal durably, then lets the FAILURE be appended.
func (c *control) refuse(a *ask, intent uint64, fail func([]store.Pin) error) error {
	content, err := json.Marshal(refusedFrame{Of: a.quotaKey(), Intent: intent})
	if err != nil {
		return err
	}
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	c.memory.refused[a.quotaKey()]++
	if err := c.memory.write(frameRefused, content); err != nil {
		return err
	}
	return fail([]store.Pin{{Name: pinMemory + a.data.catalog.Population, Value: audit.Digest(c.memory.head)}})
}

// quotaKey is whose refusals count together: a new version of an agreement is the sign that a person has looked.
func (a *ask) quotaKey() string { return fmt.Sprintf("%s@%d", a.agreement.ID, a.agreement.Version) }

// reviewed refuses a question when the agreement has met as many refusals as the policy allows, or might with what is on its way.
func (m *memory) reviewed(a *ask) *Refusal {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reviewedLocked(a)
}

func (m *memory) reviewedLocked(a *ask) *Refusal {
	if m.failed != nil {
		return unavailable()
	}
	if key := a.quotaKey(); m.refused[key]+m.flying[key] < a.control.refusals {
		return nil
	}
	return denied("refusals", fmt.Sprintf("%d questions under this version of the agreement were not released, or are on their way", a.control.refusals),
		"ask the custodian to look at them and to register a new version of the agreement")
}

// fly reserves a refusal for a question before it is charged, so that many at once cannot all see a low count. What it returns
// gives it back. Mode dp has no such quota.
func (a *ask) fly() (settle func(), refusal *Refusal) {
	if a.control == nil {
		return func() {}, nil
	}
	m := a.control.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.reviewedLocked(a); r != nil {
		return nil, r
	}
	m.flying[a.quotaKey()]++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.flying[a.quotaKey()]--; m.flying[a.quotaKey()] == 0 {
			delete(m.flying, a.quotaKey())
		}
	}, nil
}

func (m *memory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = errors.Join(errMemory, errors.New("closed"))
	return m.file.Close()
}

// memory is that of a population in mode sdc, or nil.
func (g *Gateway) memory(population string) *memory {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.memories[population]
}

// loadMemory opens a population's memory before its dataset is served. A population that has been charged and has no memory at all
// has lost it.
func (g *Gateway) loadMemory(population string) error {
	if g.memory(population) != nil {
		return nil
	}
	pin, err := g.pinned(population)
	if err != nil {
		return err
	}
	path := g.layout.Memory(population)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && pin == "" {
		charged, err := g.charged(population)
		if err != nil {
			return err
		}
		if charged {
			return fmt.Errorf("%w: %s is missing, and cells were charged: restore it from the backup of the same time as the log", errMemory, filepath.Base(path))
		}
	}
	m, err := openMemory(path, pin)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.memories[population] = m
	return nil
}

// pinned is the digest of a population's memory on record: in this log or, until something is told in it, in the latest before it that
// has one. A new origin is no reason to forget.
func (g *Gateway) pinned(population string) (string, error) {
	pin, _, _ := g.log.Active(pinMemory + population)
	for final := g.log.Final(); pin == "" && len(final) > 0; {
		origin, _, _ := strings.Cut(string(final), "\n")
		r, err := store.OpenReader(g.layout.Shard(shardName(origin)).Log())
		if err != nil {
			return "", fmt.Errorf("%w: the log before, which has its digest, cannot be read: %w", errMemory, err)
		}
		pins, err := r.Active()
		final = r.Final()
		if err = errors.Join(err, r.Close()); err != nil {
			return "", fmt.Errorf("%w: %w", errMemory, err)
		}
		for _, p := range pins {
			if p.Name == pinMemory+population {
				pin = p.Value
			}
		}
	}
	return pin, nil
}

func (g *Gateway) charged(population string) (bool, error) {
	claims, _, err := g.log.Claims()
	for _, c := range claims {
		if c.Agreement == "" && c.Population == population && c.Spent.Rho > 0 {
			return true, err
		}
	}
	return false, err
}

// units of ledgers.
const (
	unitRho   = "nrho"
	unitCells = "cells"
)

// unitOf is the unit in which a population's ledgers are kept: that of the first, or else what its dataset is in; "" if nothing says.
func (g *Gateway) unitOf(population string) (string, error) {
	claims, _, err := g.log.Claims()
	if err != nil {
		return "", g.unrecorded(err)
	}
	for _, c := range claims {
		if c.Population == population {
			return c.Unit, nil
		}
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, d := range g.datasets {
		if d.catalog.Population == population {
			return unitIn(string(d.catalog.Mode)), nil
		}
	}
	return "", nil
}

func unitIn(mode string) string {
	if mode == "sdc" {
		return unitCells
	}
	return unitRho
}

// fitsMode refuses a dataset whose catalogue would bring its population into a second mode. A population in mode sdc has one dataset:
// persons of two have no numbers in common, so no overlap between them would be seen.
func (g *Gateway) fitsMode(id, population string) *Refusal {
	cat, err := catalog.Load(g.layout.Catalog(id))
	if err != nil {
		return &Refusal{Code: Invalid, Message: "catalogue: " + err.Error(), Hint: "put the catalogue that the data were imported under back"}
	}
	if refusal := g.oneMode(population, string(cat.Mode)); refusal != nil || cat.Mode != catalog.ModeSDC {
		return refusal
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for other, d := range g.datasets {
		if other != id && d.catalog.Population == population {
			return &Refusal{
				Code: Invalid, Message: "population " + population + " is in mode sdc and has the dataset " + other + " already: overlaps between two would not be seen",
				Hint: "put the tables into one dataset",
			}
		}
	}
	return nil
}

// oneMode refuses to bring a population into a second mode: an exact figure has no finite privacy loss, so neither ledger could
// hold what the other mode has told. Another population id is another decision of the regulator, on record as its budget.
func (g *Gateway) oneMode(population, mode string) *Refusal {
	unit, err := g.unitOf(population)
	if err != nil {
		return unavailable()
	}
	if unit == "" || unit == unitIn(mode) {
		return nil
	}
	other := map[string]string{unitRho: "dp", unitCells: "sdc"}[unit]
	return &Refusal{
		Code: Invalid, Message: fmt.Sprintf("population %s is in mode %s, for good", population, strings.TrimSpace(other)),
		Hint: "keep its mode, or give these data a population id of their own, whose budget the regulator sets anew",
	}
}
