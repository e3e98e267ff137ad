package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// stopped is an open store whose writer does not run: the test makes the groups, and nothing is settled unless it says so.
func stopped(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drop leaves the files as a process that is killed does.
func drop(t testing.TB, s *Store) {
	t.Helper()
	if err := errors.Join(s.db.Close(), s.closeJournal(), s.keys.close()); err != nil {
		t.Fatal(err)
	}
}

// journal writes items as one group to the journal, as the writer does, and no further.
func (s *Store) journalGroup(t testing.TB, items ...Item) []Appended {
	t.Helper()
	var batch []*prepared
	for _, it := range items {
		p, err := s.prepare(it)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, p)
	}
	g, err := s.gather(func(yield func(*prepared) bool) {
		for _, p := range batch {
			if !yield(p) {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !s.answer(&group{pub: g.pub, seg: g.seg, bytes: g.bytes, at: g.at}) {
		t.Fatal("not durable")
	}
	var out []Appended
	for _, a := range g.out {
		if a.o.err != nil {
			t.Fatal(a.o.err)
		}
		out = append(out, a.o.a)
	}
	return out
}

// turn hands the segment on as if it were being settled, and lets that never end.
func (s *Store) turn() {
	full := s.seg
	s.seg = s.segments[1-full.side]
	s.seg.reset(full.next)
	s.settling.Store(full)
}

// dump is every row of every bucket but what names the journal.
func dump(t testing.TB, view func(func(*bolt.Tx) error) error) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := view(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				if bytes.Equal(name, bState) && bytes.Equal(k, keyJournal) || bytes.Equal(name, bMeta) && bytes.Equal(k, keyFormat) {
					return nil
				}
				out[string(name)+string(k)] = string(v)
				return nil
			})
		})
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// unsettledLog is the files of a process that was killed: a group in audit.db, then four in the first file of the journal, the second
// of them with two entries, and three in the other. It returns the number of entries after each group.
func unsettledLog(t testing.TB) (cfg Config, sizes []uint64, checkpoint audit.Checkpoint) {
	t.Helper()
	cfg = newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e6, 1e9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = stopped(t, cfg)
	sizes = append(sizes, s.Size())
	add := func(items ...Item) []Appended {
		a := s.journalGroup(t, items...)
		sizes = append(sizes, s.Size())
		return a
	}
	a := add(intent(10))
	add(release(a[0].Seq, []byte(`{"n":1}`)), Item{Kind: audit.Heartbeat})
	b := add(intent(20), intent(1e6))
	if b[1].Refused != RefusedBudget {
		t.Fatalf("%+v", b)
	}
	add(Item{Kind: audit.Heartbeat})
	s.turn()
	add(Item{Kind: audit.Failure, Ref: &b[0].Seq})
	add(intent(30))
	add(Item{Kind: audit.Heartbeat})
	note, err := s.latest().note()
	if err != nil {
		t.Fatal(err)
	}
	if checkpoint, err = s.signer.keys.OpenCheckpoint(note); err != nil {
		t.Fatal(err)
	}
	drop(t, s)
	return cfg, sizes, checkpoint
}

// sizeOf is the number of entries that the files give, or why they give none.
func sizeOf(cfg Config) (n uint64, err error) {
	f, err := openSettled(cfg)
	if err != nil {
		return 0, err
	}
	defer f.close()
	err = f.view(func(tx *bolt.Tx) error {
		h, err := decodeHead(tx.Bucket(bState).Get(keyHead))
		n = h.n
		return err
	})
	return n, err
}

// pending is how many groups the next start has to apply.
func pending(t testing.TB, cfg Config) int {
	t.Helper()
	db, err := openDB(cfg.Path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	n, err := replay(tx, cfg)
	if err = errors.Join(err, tx.Rollback(), db.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

// Nothing that was acknowledged is lost when the process is killed before the journal is settled: with the files as they are the
// verification, a reader and the next start see all of it; the first two write nothing.
func TestUnsettledLog(t *testing.T) {
	cfg, sizes, cp := unsettledLog(t)
	size := sizes[len(sizes)-1]
	before, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Verify(VerifyConfig{Config: cfg, Earlier: []audit.Checkpoint{cp}})
	if err != nil || rep.Size != size || rep.OpenIntents != 1 || rep.Details == 0 || !rep.DetailsOpened {
		t.Fatalf("verify: %+v, %v", rep, err)
	}
	r, err := OpenReader(cfg)
	if err != nil || r.Size() != size {
		t.Fatalf("reader: %v", err)
	}
	if lines, err := r.Entries(0, 100); err != nil || uint64(len(lines)) != size {
		t.Errorf("reader: %d entries, %v", len(lines), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(cfg.Path); err != nil || !bytes.Equal(before, after) {
		t.Error("reading has changed audit.db", err)
	}
	for side := range 2 {
		if info, err := os.Stat(cfg.journal(side)); err != nil || info.Mode() != 0o600 {
			t.Errorf("journal %d: %v %v", side, info.Mode(), err)
		}
	}
	s := open(t, cfg)
	if s.Size() != size+2 { // INTERRUPTED and ADMIN
		t.Errorf("%d entries, want %d", s.Size(), size+2)
	}
	if b, err := s.Balance("agr-1", "insured"); err != nil || b.Agreement.Spent.Rho != 60 {
		t.Errorf("%+v %v", b, err)
	}
	if rep := closeAndVerify(t, s); rep.Counts[audit.Interrupted] != 1 || rep.Counts[audit.Failure] != 1 {
		t.Errorf("%v", rep.Counts)
	}
}

// A start that is cut off after the journal was applied, or after the next generation has begun, leaves a log to which the journal says
// nothing more.
func TestSettledTwice(t *testing.T) {
	cfg, sizes, _ := unsettledLog(t)
	size := sizes[len(sizes)-1]
	s := &Store{cfg: cfg}
	var err error
	if s.db, err = openDB(cfg.Path, false, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.settleFiles(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.openJournal(); err != nil { // begun, and not yet named in audit.db
		t.Fatal(err)
	}
	if err := errors.Join(s.db.Close(), s.closeJournal()); err != nil {
		t.Fatal(err)
	}
	if n, err := sizeOf(cfg); n != size || err != nil {
		t.Errorf("%d entries, %v; want %d", n, err, size)
	}
	closeAndVerify(t, open(t, cfg))
}

// The last frame may be torn, at any byte: then it was never acknowledged, and is gone as a whole. One before it may not.
func TestTornFrame(t *testing.T) {
	cfg, sizes, _ := unsettledLog(t)
	step := 37
	if os.Getenv("JALI_LONG") != "" {
		step = 1
	} else {
		t.Log("cut at every 37th byte; JALI_LONG=1 cuts at each")
	}
	for side := range 2 {
		b, err := os.ReadFile(cfg.journal(side))
		if err != nil {
			t.Fatal(err)
		}
		db, err := openDB(cfg.Path, true, 0)
		if err != nil {
			t.Fatal(err)
		}
		var gen generation
		if err := db.View(func(tx *bolt.Tx) error { gen, _, _, err = unsettled(tx); return err }); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		run, _ := parseJournal(b, gen)
		if len(run) != 4-side {
			t.Fatalf("side %d: %d frames", side, len(run))
		}
		at := journalPage
		for i, f := range run {
			end := at + frameHead + len(f.rows)
			for cut := at; cut < end; cut += step {
				last := side == 1 && i == len(run)-1
				torn := bytes.Clone(b)
				clear(torn[cut:end]) // what follows the frame stays as it is
				if bytes.Equal(torn, b) {
					continue
				}
				for name, content := range map[string][]byte{"not written": torn, "file cut": b[:cut]} {
					if err := os.WriteFile(cfg.journal(side), content, 0o600); err != nil {
						t.Fatal(err)
					}
					n, err := sizeOf(cfg)
					switch {
					case last && (err != nil || n != sizes[len(sizes)-2]):
						t.Fatalf("%s, last frame at byte %d: %d entries, %v", name, cut-at, n, err)
					case !last && name == "not written" && !errors.Is(err, ErrDamaged):
						t.Fatalf("%s, side %d frame %d at byte %d: %d entries, %v; want ErrDamaged", name, side, i, cut-at, n, err)
					case !last && side == 0 && !errors.Is(err, ErrDamaged): // the other file goes on
						t.Fatalf("%s, side %d frame %d at byte %d: %d entries, %v; want ErrDamaged", name, side, i, cut-at, n, err)
					}
				}
			}
			at += pages(frameHead + len(f.rows))
		}
		if err := os.WriteFile(cfg.journal(side), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A byte changed in any field of the journal, but of the frame that may be torn, is found; so is a journal that is missing, of another
// log, of an earlier run, or on the other side.
func TestJournalTampered(t *testing.T) {
	cfg, sizes, cp := unsettledLog(t)
	size := sizes[len(sizes)-1]
	other, _, _ := unsettledLog(t)
	read := func(c Config, side int) []byte {
		b, err := os.ReadFile(c.journal(side))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	earlier := copied(t, cfg)
	closeAndVerify(t, open(t, earlier)) // of another generation now
	change := func(side, at int) func(Config) error {
		return func(c Config) error {
			b := read(c, side)
			b[at] ^= 1
			return os.WriteFile(c.journal(side), b, 0o600)
		}
	}
	put := func(side int, b []byte) func(Config) error {
		return func(c Config) error { return os.WriteFile(c.journal(side), b, 0o600) }
	}
	cases := map[string]func(Config) error{
		"missing":            func(c Config) error { return os.Remove(c.journal(1)) },
		"both missing":       func(c Config) error { return errors.Join(os.Remove(c.journal(0)), os.Remove(c.journal(1))) },
		"empty":              put(0, nil),
		"of another log":     put(0, read(other, 0)),
		"of another run":     put(1, read(earlier, 1)),
		"other side":         put(1, read(cfg, 0)),
		"page 0: magic":      change(0, 3),
		"page 0: generation": change(0, 20),
		"page 0: side":       change(1, 35),
		"page 0: checksum":   change(1, 37),
		"not a directory":    func(c Config) error { return errors.Join(os.Remove(c.journal(0)), os.Mkdir(c.journal(0), 0o700)) },
	}
	for name, at := range map[string]int{
		"magic": 0, "checksum": 5, "generation": 9, "number": 31, "entries before": 39, "leaf before": 50, "length": 75, "length, far": 72,
		"bucket": frameHead, "key length": frameHead + 2, "value length": frameHead + 6, "key": frameHead + 8, "value": frameHead + 60,
	} {
		cases["first frame: "+name] = change(0, journalPage+at)
		cases["frame of the other file: "+name] = change(1, journalPage+at)
	}
	// Whoever can make the checksum anew still has to fit the log: a frame is applied at its place, and in the buckets that there are.
	forge := func(side int, change func(f *frame)) func(Config) error {
		return func(c Config) error {
			b := read(c, side)
			f, ok := parseFrame(b[journalPage:], generation(b[16:32]))
			if !ok {
				t.Fatal("no frame")
			}
			f.rows = bytes.Clone(f.rows)
			change(&f)
			again := append(make([]byte, frameHead), f.rows...)
			putFrameHead(again, generation(b[16:32]), f)
			copy(b[journalPage:], again)
			return os.WriteFile(c.journal(side), b, 0o600)
		}
	}
	for side := range 2 {
		cases[fmt.Sprint("forged place ", side)] = forge(side, func(f *frame) { f.n++ })
		cases[fmt.Sprint("forged leaf ", side)] = forge(side, func(f *frame) { f.leaf[3] ^= 1 })
		cases[fmt.Sprint("forged number ", side)] = forge(side, func(f *frame) { f.number++ })
		cases[fmt.Sprint("forged bucket ", side)] = forge(side, func(f *frame) { f.rows[0] = 'm' })
		cases[fmt.Sprint("forged length ", side)] = forge(side, func(f *frame) { f.rows[3] = 1 })
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			bad := copied(t, cfg)
			if err := f(bad); err != nil {
				t.Fatal(err)
			}
			if n, err := sizeOf(bad); err == nil || !errors.Is(err, ErrDamaged) && name != "not a directory" {
				t.Errorf("%d entries, %v; want ErrDamaged", n, err)
			}
			if _, err := Open(bad); err == nil || name != "not a directory" && ExitCode(err) != ExitDamaged {
				t.Errorf("open: %v, want ErrDamaged", err)
			}
		})
	}
	// What remains is what remains of audit.db itself: whoever puts back the files of an earlier moment, all of them, has a log that is
	// whole and shorter, and only who remembers a checkpoint sees it.
	rolled := copied(t, cfg)
	b := read(rolled, 1)
	if err := os.WriteFile(rolled.journal(1), append(b[:journalPage:journalPage], make([]byte, len(b)-journalPage)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := sizeOf(rolled); err != nil || n != sizes[4] {
		t.Errorf("journal of an earlier moment: %d entries, %v", n, err)
	}
	if _, err := Verify(VerifyConfig{Config: rolled, Earlier: []audit.Checkpoint{cp}}); err == nil {
		t.Errorf("a log of %d entries continues the checkpoint of %d", sizes[4], size)
	}
	if _, err := Verify(VerifyConfig{Config: cfg, Earlier: []audit.Checkpoint{cp}}); err != nil {
		t.Error(err)
	}
}

// Random groups: the files after a kill at any moment hold the same rows, byte for byte, as when they are settled from memory, and as a
// plain map to which every row was applied in order.
func TestReplayEqualsSettling(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e6, 1e9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = stopped(t, cfg)
	model := dump(t, s.db.View)
	var asked []uint64
	for i := range 40 {
		var items []Item
		for range 1 + r.IntN(6) {
			switch k := r.IntN(6); {
			case k < 2:
				it := intent(r.Int64N(5))
				if r.IntN(8) == 0 {
					it = intent(1e9) // REFUSED
				}
				it.Index = []string{RequestIndex(fmt.Sprint(i, len(items)))}
				items = append(items, it)
			case k == 2 && len(asked) > 0:
				seq := asked[0]
				asked = asked[1:]
				items = append(items, release(seq, bytes.Repeat([]byte("r"), 1+r.IntN(9000))))
			case k == 3 && len(asked) > 0:
				seq := asked[0]
				asked = asked[1:]
				items = append(items, Item{Kind: audit.Failure, Ref: &seq})
			case k == 4:
				items = append(items, Item{Kind: audit.Budget, Budget: &SetBudget{Agreement: "agr-1", Population: "insured", Rho: 1e6 + r.Int64N(9), Delta: 1000}})
			default:
				items = append(items, Item{Kind: audit.Heartbeat})
			}
		}
		rows := len(s.seg.image) + frameHead
		for _, a := range s.journalGroup(t, items...) {
			if e, err := audit.ParseEntry(a.Entry); err == nil && e.Kind == audit.Intent {
				asked = append(asked, a.Seq)
			}
		}
		f, ok := parseFrame(s.seg.image[rows-frameHead:], s.generation)
		if !ok {
			t.Fatal("the frame in memory is none")
		}
		for b := f.rows; len(b) > 0; {
			letter, key, value, rest, err := parseRow(b)
			if err != nil {
				t.Fatal(err)
			}
			name := string(letter&^rowGone) + string(key)
			if letter&rowGone != 0 {
				delete(model, name)
			} else {
				model[name] = string(value)
			}
			b = rest
		}
		switch r.IntN(10) {
		case 0: // handed on, and settled later
			if s.settling.Load() == nil {
				s.turn()
			}
		case 1:
			if g := s.settling.Load(); g != nil {
				if err := s.settle(g); err != nil {
					t.Fatal(err)
				}
				s.settling.Store(nil)
			}
		}
		if r.IntN(4) == 0 {
			f, err := openSettled(copied(t, cfg))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(model, dump(t, f.view)); diff != "" {
				t.Fatalf("after group %d, replayed: %s", i, diff)
			}
			if err := f.close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	drop(t, s)
	whole := copied(t, cfg)
	closeAndVerify(t, open(t, whole))
	f, err := openSettled(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if diff := cmp.Diff(model, dump(t, f.view)); diff != "" {
		t.Fatalf("replayed: %s", diff)
	}
}

// A store that was closed in order needs no journal, and neither does a snapshot of one that runs.
func TestJournalIsNotNeeded(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e6, 1e9)
	snap := InDir(t.TempDir())
	cp, err := s.Snapshot(snap.Path, "")
	if err != nil {
		t.Fatal(err)
	}
	if rep, err := Verify(VerifyConfig{Config: Config{Path: snap.Path, Keys: snap.Path + ".none"}}); err != nil {
		t.Error(err)
	} else if want, err := s.signer.keys.OpenCheckpoint(cp); err != nil || rep.Size < want.Size {
		t.Errorf("the copy has %d entries, its checkpoint %d, %v", rep.Size, want.Size, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for side := range 2 {
		if err := os.Remove(cfg.journal(side)); err != nil {
			t.Fatal(err)
		}
	}
	closeAndVerify(t, open(t, cfg))
	if _, err := os.Stat(cfg.journal(1)); errors.Is(err, fs.ErrNotExist) {
		t.Error("the journal was not made again")
	}
}

// Whatever stands in a journal: it is read without a panic, what is read was written as a whole, and rows that name no bucket are refused.
func FuzzJournal(f *testing.F) {
	var g generation
	frames := journalHeader(g, 0)
	for i := range uint64(3) {
		from := len(frames)
		frames = append(frames, make([]byte, frameHead)...)
		frames = appendRow(frames, 'e', u64(i), []byte("line"))
		frames = appendRow(frames, 'o'|rowGone, u64(i), nil)
		putFrameHead(frames[from:], g, frame{number: i + 1, n: i})
		frames = append(frames, make([]byte, pages(len(frames))-len(frames))...)
	}
	f.Add(frames)
	f.Add(frames[:journalPage+100])
	f.Fuzz(func(t *testing.T, b []byte) {
		if isJournal(b, g, 0) && !bytes.HasPrefix(b, journalHeader(g, 0)[:journalHead]) {
			t.Fatal("another header")
		}
		run, behind := parseJournal(b, g)
		at := journalPage
		for i, fr := range run {
			if i > 0 && fr.number != run[i-1].number+1 {
				t.Fatal("a gap")
			}
			again := append(make([]byte, frameHead), fr.rows...)
			putFrameHead(again, g, fr)
			if !bytes.Equal(again, b[at:at+len(again)]) {
				t.Fatal("parse then format")
			}
			at += pages(len(again))
			for rows := fr.rows; len(rows) > 0; {
				letter, key, value, rest, err := parseRow(rows)
				if err != nil {
					break
				}
				if one := appendRow(nil, letter, key, value); !bytes.Equal(one, rows[:len(one)]) || len(one)+len(rest) != len(rows) {
					t.Fatal("parse then format a row")
				}
				rows = rest
			}
		}
		_ = behind
	})
}
