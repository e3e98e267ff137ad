package sdktest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jali/audit"
	"jali/crypto/cohort"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// crowd is how many clients ask at once over how many slots, with how much memory for uploads.
type crowd struct {
	clients, slots int
	memory         int // MiB
	leave          int // every so-many-th client goes away half-way, and comes back
}

// TestCohortLoad: the uploads of all clients together are several times what the gateway may hold. It holds no more, the others wait and are told
// their place, who goes away half-way leaves nothing but an entry in the log, and everybody is answered. JALI_LONG=1 is 64 clients with a million
// slots each.
func TestCohortLoad(t *testing.T) {
	l := crowd{clients: 18, slots: 160_000, memory: 5, leave: 6}
	if os.Getenv("JALI_LONG") != "" {
		l = crowd{clients: 64, slots: 1_000_000, memory: 128, leave: 8}
	}
	g := start(t, l.gateway(t))
	clients := make([]*loader, l.clients)
	for i := range clients {
		clients[i] = newLoader(t, g, i)
	}
	size, limit := clients[0].quote(t), int64(l.memory)<<20
	hogs := int(limit / size)
	if total := size * int64(l.clients); hogs < 1 || total < 5*limit {
		t.Fatalf("%d uploads of %d bytes do not crowd a memory of %d", l.clients, size, limit)
	}
	for _, c := range clients[:hogs+1] {
		c.quote(t)
	}
	clients[hogs].run(t.Context(), nil) // prepares the table, which stays
	if err := clients[hogs].err; err != nil {
		t.Fatal(err)
	}
	before, files := resident(t, g), listing(t, g.Dir)
	peak, stop := watchMemory(t, g)

	// Some fill the memory; all others find it full, and are told so, before the first of them is served.
	for _, c := range clients[:hogs] {
		if c.upload(t.Context(), false); c.err != nil {
			t.Fatal(c.err)
		}
	}
	start := time.Now()
	var waiting, everybody sync.WaitGroup
	for i, c := range clients[hogs:] {
		c.quote(t)
		c.leaves = i%l.leave == 0
		waiting.Add(1)
		everybody.Go(func() { c.run(t.Context(), sync.OnceFunc(waiting.Done)) })
	}
	waiting.Wait()
	for _, c := range clients[:hogs] {
		everybody.Go(func() { c.evaluate(t.Context()) })
	}
	everybody.Wait()
	took := time.Since(start)
	stop()

	left, longest := 0, 0
	for i, c := range clients {
		if c.err != nil {
			t.Errorf("client %d: %v", i, sdk.FromStatus(c.err))
		}
		if c.leaves {
			left++
		}
		if i < hogs {
			continue
		}
		if len(c.places) == 0 || slices.Min(c.places) < 1 {
			t.Errorf("client %d was told the places %v", i, c.places)
		} else {
			longest = max(longest, slices.Max(c.places))
		}
	}
	if want := l.clients - 1; longest < want-left {
		t.Errorf("the longest queue had %d ahead, of %d clients", longest, l.clients)
	}
	// What may live at once: uploads up to the limit, and what one evaluation (the clients are of one organisation) and one quote need, 4 MB and 80 B
	// for each slot. The garbage collector lets the heap grow by a quarter more (GOGC below); transport buffers take a message and a window for each
	// client, together below 1/2 MB.
	bound := 5*(limit+2*(4<<20+80*int64(l.slots)))/4 + int64(l.clients)<<19
	grown := peak.Load() - before
	if total := size * int64(l.clients); bound > total*9/10 {
		t.Fatalf("the bound of %d bytes says little about uploads of %d in all", bound, total)
	}
	t.Logf("%d clients of %.1f MB (%.0f MB in all), limit %d MiB: resident %.0f MB before, %.0f MB more at the peak (bound %.0f MB), longest queue %d, %.1f s",
		l.clients, float64(size)/1e6, float64(size)*float64(l.clients)/1e6, l.memory, float64(before)/1e6, float64(grown)/1e6, float64(bound)/1e6, longest, took.Seconds())
	if before > 0 && grown > bound {
		t.Errorf("the gateway grew by %d bytes, more than %d", grown, bound)
	}
	if diff := slices.DeleteFunc(listing(t, g.Dir), func(name string) bool { return slices.Contains(files, name) }); len(diff) > 0 {
		t.Errorf("files were left behind: %v", diff)
	}
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	if n := log.Count(audit.Refused); n != left {
		t.Errorf("%d broken uploads on record, %d clients went away", n, left)
	}
	if n := log.Count(audit.Release); n != l.clients+1 {
		t.Errorf("%d answers on record, of %d", n, l.clients+1)
	}
	// All memory is free again: uploads that fill it are admitted without a wait.
	for _, c := range clients[:hogs] {
		c.quote(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := c.admit(ctx, func() { t.Error("memory was not given back") }); err != nil {
			t.Error(sdk.FromStatus(err))
		}
		cancel()
	}
}

// gateway has one person per row and one published list of slots.
func (l crowd) gateway(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	catalogue := fmt.Sprintf(`catalogue: 1
dataset: cells
title: Cells
description: persons in numbered cells
source: made up
population: cells
mode: dp
class: test
level: 1
slots: off
tables:
  visit:
    description: one row per person
    rows_per_person: 1
    columns:
      person: {type: integer, role: person, sensitivity: low}
      cell: {type: integer, role: group, sensitivity: low, codes: {from: 1, to: %d}}
`, l.slots)
	var rows strings.Builder
	rows.WriteString("person,cell\n")
	for i := range 2000 {
		fmt.Fprintf(&rows, "%d,%d\n", i+1, 1+i*(l.slots/2000))
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	terms := strings.NewReplacer(
		"id: scheme", "id: cells", "[person.*, enrolment.*, medical_claim.*, death.*]", "[visit.*]", "scheme-insured", "cells", "pu: 100000", "pu: 100000000",
	).Replace(schemeAgreement)
	return Config{
		Datasets:   []Dataset{{Catalog: write("cells.yaml", catalogue), Files: []string{write("visit.csv", rows.String())}}},
		Agreements: []string{terms}, PopulationPU: 100_000_000, PopulationDelta: "1e-6",
		Environment: []string{"GOGC=25"}, ServerConfig: map[string]string{"upload_mb: 256": fmt.Sprintf("upload_mb: %d", l.memory)},
	}
}

// loader is one client with a key of its own, who asks for the persons in the first half of the cells.
type loader struct {
	*wire
	offer  *jaliv1.CohortServiceQuoteResponse
	enc    *cohort.Encryption
	leaves bool
	places []int // as told while waiting
	err    error
}

func newLoader(t *testing.T, g *Gateway, i int) *loader {
	t.Helper()
	return &loader{wire: newWireOf(t, g, g.Client("loader"+strconv.Itoa(i), "Example Pharma", Researcher))}
}

// quote asks for a nonce and encrypts for it; it returns the length of the upload.
func (c *loader) quote(t *testing.T) int64 {
	t.Helper()
	id := c.key.ID()
	offer, err := c.Quote(t.Context(), &jaliv1.CohortServiceQuoteRequest{
		Agreement: c.g.Agreement, Purpose: c.g.Purpose, Key: id[:], By: "visit.cell", Aggregate: "count", Error: "20",
	})
	if err != nil || !offer.GetAllowed() {
		t.Fatalf("quote: %v, %v", offer.GetReasons(), sdk.FromStatus(err))
	}
	n := int(offer.GetEntries())
	layout, err := cohort.NewLayout(c.key.Params(), n)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cohort.NewSelector(n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n / 2 {
		if err := s.Select(i); err != nil {
			t.Fatal(err)
		}
	}
	c.offer = offer
	if c.enc, err = c.key.Encrypt(cohort.Query{Layout: layout, Table: cohort.Digest(offer.GetTable()), Nonce: [32]byte(offer.GetNonce())}, s, nil, nil); err != nil {
		t.Fatal(err)
	}
	return offer.GetUploadBytes()
}

// run waits, uploads and evaluates. waits is called once it is known whether there is a queue.
func (c *loader) run(ctx context.Context, waits func()) {
	if waits == nil {
		waits = func() {}
	}
	defer waits()
	if c.err = c.admit(ctx, waits); c.err != nil {
		return
	}
	if c.leaves {
		if c.upload(ctx, true); c.err != nil {
			return
		}
	}
	if c.upload(ctx, false); c.err == nil {
		c.evaluate(ctx)
	}
}

func (c *loader) admit(ctx context.Context, waits func()) error {
	stream, err := c.Admit(ctx, &jaliv1.AdmitRequest{Nonce: c.offer.GetNonce()})
	if err != nil {
		return err
	}
	for {
		place, err := stream.Recv()
		if err != nil {
			return err
		}
		if place.GetAdmitted() {
			return nil
		}
		c.places = append(c.places, int(place.GetAhead()))
		waits()
	}
}

// errLeft ends a client that goes away half-way.
var errLeft = errors.New("went away")

// upload streams the ciphertexts as they are made. half goes away in the middle, and returns when the gateway has noticed.
func (c *loader) upload(ctx context.Context, half bool) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Upload(within)
	if err != nil {
		c.err = err
		return
	}
	out := &messages{send: stream.Send, nonce: c.offer.GetNonce(), most: c.enc.Bytes()}
	if half {
		out.most /= 2
	}
	if _, err := c.enc.Send(ctx, out, nil); half && errors.Is(err, errLeft) {
		cancel()
		c.err = c.gone(ctx)
		return
	} else if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
		return
	}
	_, c.err = stream.CloseAndRecv()
}

// gone waits until nothing is left of the upload.
func (c *loader) gone(ctx context.Context) error {
	for {
		part, err := c.UploadPart(ctx, &jaliv1.UploadPartRequest{Nonce: c.offer.GetNonce()})
		if err != nil || part.GetReceived() == 0 {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type messages struct {
	send  func(*jaliv1.UploadRequest) error
	nonce []byte
	most  int
}

func (m *messages) Write(p []byte) (int, error) {
	if m.most -= len(p); m.most < 0 {
		return 0, errLeft
	}
	err := m.send(&jaliv1.UploadRequest{Nonce: m.nonce, Data: p})
	m.nonce = nil
	return len(p), err
}

// evaluate checks the answer: 1,000 persons and noise of half-width 20, which exceeds 70 (6.8 sigma) with probability 10^-11.
func (c *loader) evaluate(ctx context.Context) {
	commit, err := c.enc.Commit()
	if err != nil {
		c.err = err
		return
	}
	answer, err := c.Evaluate(ctx, &jaliv1.EvaluateRequest{Nonce: c.offer.GetNonce(), Commit: commit[:]})
	if err != nil {
		c.err = err
		return
	}
	got, err := c.key.Decrypt(answer.GetReply(), []int64{c.offer.GetAggregates()[0].GetBound()})
	if err == nil && (got[0] < 1000-70 || got[0] > 1000+70) {
		err = fmt.Errorf("%d persons, want about 1000", got[0])
	}
	c.err = err
}

// resident is the memory of the gateway's process; 0 where /proc does not tell.
func resident(t *testing.T, g *Gateway) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.PID()))
	if err != nil {
		t.Logf("memory is not measured: %v", err)
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// watchMemory keeps the highest figure until stop.
func watchMemory(t *testing.T, g *Gateway) (peak *atomic.Int64, stop func()) {
	t.Helper()
	peak = new(atomic.Int64)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			peak.Store(max(peak.Load(), resident(t, g)))
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return peak, func() { close(quit); <-done }
}

// listing is all files of the state directory.
func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
