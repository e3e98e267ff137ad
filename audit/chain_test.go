package audit

import (
	"errors"
	"testing"
)

// builder writes a log whose entries are well formed; what they say is the test's.
type builder struct {
	t     testing.TB
	lines []string
	time  int64
}

const logOrigin = "log.example/1"

var logKeys = []string{"log.example/1+00000000+AQ=="} // only its digest enters a chain

func newBuilder(t testing.TB) *builder {
	b := &builder{t: t, time: 1000}
	b.add(Genesis, Object{"fmt": "jali-audit/1", "keys": KeysDigest(logKeys), "psize": 0, "why": "new"})
	b.add(Policy, Object{"pol": "p1", "pol0": "", "rev": "1"})
	b.add(Dataset, Object{"ds": "d", "dsv": "v1", "dsv0": "", "pop": "pop", "cls": "b", "lvl": 1, "st": "active"})
	b.add(Agreement, Object{"ag": "a", "agv": 1, "st": "active", "pu": "x"})
	b.add(Budget, Object{"ag": "a", "pop": "pop", "acct": "nrho", "cap": Object{"d": 10, "r": 100}, "cap0": Object{"d": 0, "r": 0}})
	b.add(Budget, Object{"pop": "pop", "acct": "nrho", "cap": Object{"d": 10, "r": 150}, "cap0": Object{"d": 0, "r": 0}})
	return b
}

func (b *builder) add(k Kind, o Object) uint64 {
	b.t.Helper()
	b.time++
	n := uint64(len(b.lines))
	prev := GenesisPrev(logOrigin, logKeys, nil)
	if n > 0 {
		prev = LeafHash([]byte(b.lines[n-1]))
	}
	full := Object{"v": 1, "o": logOrigin, "seq": n, "t": b.time, "prev": Digest(prev), "k": k}
	for key, v := range o {
		full[key] = v
	}
	line, err := FormatEntry(full)
	if err != nil {
		b.t.Fatal(err)
	}
	b.lines = append(b.lines, string(line))
	return n
}

// intent is an INTENT of cost r and d after the given spends of agreement and population.
func intentAfter(ar, pr, r int64, kv ...any) Object {
	o := Object{
		"ag": "a", "agv": 1, "ds": "d", "dsv": "v1", "pop": "pop", "pu": "x", "cls": "b", "pol": "p1", "dec": "allow", "mode": "sql", "acct": "nrho",
		"cost": Object{"d": 1, "r": r}, "bud0": Object{"ad": 0, "ar": ar, "pd": 0, "pr": pr}, "bud1": Object{"ad": 1, "ar": ar + r, "pd": 1, "pr": pr + r},
	}
	for i := 0; i < len(kv); i += 2 {
		o[kv[i].(string)] = kv[i+1]
	}
	return o
}

func (b *builder) check() error {
	c := NewChain(logOrigin, logKeys, nil)
	for _, l := range b.lines {
		if err := c.Next([]byte(l)); err != nil {
			return err
		}
	}
	return nil
}

func TestChainAcceptsAnHonestLog(t *testing.T) {
	b := newBuilder(t)
	i := b.add(Intent, intentAfter(0, 0, 60))
	b.add(Release, Object{"ref": i, "lvl": 1, "mech": "dgauss"})
	b.add(Replay, Object{"ref": i})
	b.add(Refused, Object{"dec": "deny", "why": "budget", "ag": "a"})
	o := intentAfter(60, 60, 40)
	o["bud0"], o["bud1"] = Object{"ad": 1, "ar": 60, "pd": 1, "pr": 60}, Object{"ad": 2, "ar": 100, "pd": 2, "pr": 100}
	j := b.add(Intent, o)
	b.add(Failure, Object{"ref": j})
	b.add("NOVELTY", Object{"whatever": "x"})
	c := NewChain(logOrigin, logKeys, nil)
	for _, l := range b.lines {
		if err := c.Next([]byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Ledgers()[LedgerKey{Population: "pop"}].Spent; got != (Amount{100, 2}) {
		t.Errorf("population spent %+v", got)
	}
	if len(c.Open()) != 0 || c.Uninterpreted() != 1 || c.Counts()[Intent] != 2 {
		t.Errorf("open %v, uninterpreted %d, counts %v", c.Open(), c.Uninterpreted(), c.Counts())
	}
}

// Each case is a log rebuilt so that every hash is right; only what it says is wrong.
func TestChainRefusesWhatDoesNotAddUp(t *testing.T) {
	for name, c := range map[string]struct {
		write func(b *builder)
		field string
		err   error
	}{
		"bud1 one nano-rho too low": {func(b *builder) {
			b.add(Intent, intentAfter(0, 0, 60, "bud1", Object{"ad": 1, "ar": 59, "pd": 1, "pr": 60}))
		}, "bud1", ErrSpend},
		"bud0 forgets a charge": {func(b *builder) {
			b.add(Intent, intentAfter(0, 0, 60))
			b.add(Intent, intentAfter(0, 0, 10))
		}, "bud0", ErrSpend},
		"population forgets a charge": {func(b *builder) {
			b.add(Intent, intentAfter(0, 0, 60))
			b.add(Intent, intentAfter(60, 0, 10, "bud0", Object{"ad": 1, "ar": 60, "pd": 1, "pr": 0}, "bud1", Object{"ad": 2, "ar": 70, "pd": 2, "pr": 10}))
		}, "bud0", ErrSpend},
		"above the agreement's cap": {func(b *builder) { b.add(Intent, intentAfter(0, 0, 101)) }, "bud1", ErrSpend},
		"above the delta cap": {func(b *builder) {
			b.add(Intent, intentAfter(0, 0, 1, "cost", Object{"d": 11, "r": 1}, "bud1", Object{"ad": 11, "ar": 1, "pd": 11, "pr": 1}))
		}, "bud1", ErrSpend},
		"no budget at all": {func(b *builder) {
			b.add(Dataset, Object{"ds": "e", "dsv": "v1", "dsv0": "", "pop": "other", "cls": "b", "lvl": 1, "st": "active"})
			b.add(Intent, intentAfter(0, 0, 1, "ds", "e", "pop", "other"))
		}, "bud1", ErrSpend},
		"another unit": {func(b *builder) { b.add(Intent, intentAfter(0, 0, 1, "acct", "ueps")) }, "acct", ErrSpend},
		"cap0 is not the old cap": {func(b *builder) {
			b.add(Budget, Object{"pop": "pop", "acct": "nrho", "cap": Object{"d": 1, "r": 999}, "cap0": Object{"d": 10, "r": 100}})
		}, "cap0", ErrSpend},
		"spend carried over spend": {func(b *builder) {
			b.add(Intent, intentAfter(0, 0, 60))
			b.add(Budget, Object{"pop": "pop", "acct": "nrho", "cap": Object{"d": 10, "r": 150}, "cap0": Object{"d": 10, "r": 150}, "spent": Object{"d": 0, "r": 0}})
		}, "spent", ErrSpend},
		"replaced policy": {func(b *builder) {
			b.add(Policy, Object{"pol": "p2", "pol0": "p1", "rev": "2"})
			b.add(Intent, intentAfter(0, 0, 1))
		}, "pol", ErrActive},
		"policy names another predecessor": {func(b *builder) { b.add(Policy, Object{"pol": "p2", "pol0": "p0", "rev": "2"}) }, "pol0", ErrActive},
		"withdrawn dataset": {func(b *builder) {
			b.add(Dataset, Object{"ds": "d", "dsv": "v1", "dsv0": "v1", "pop": "pop", "cls": "b", "lvl": 1, "st": "withdrawn"})
			b.add(Intent, intentAfter(0, 0, 1))
		}, "dsv", ErrActive},
		"suspended agreement": {func(b *builder) {
			b.add(Agreement, Object{"ag": "a", "agv": 1, "st": "suspended", "pu": "x"})
			b.add(Intent, intentAfter(0, 0, 1))
		}, "agv", ErrActive},
		"release of nothing":    {func(b *builder) { b.add(Release, Object{"ref": 1, "lvl": 1, "mech": "dgauss"}) }, "ref", ErrRef},
		"release of the future": {func(b *builder) { b.add(Release, Object{"ref": 999, "lvl": 1, "mech": "dgauss"}) }, "ref", ErrRef},
		"two outcomes": {func(b *builder) {
			i := b.add(Intent, intentAfter(0, 0, 1))
			b.add(Failure, Object{"ref": i})
			b.add(Release, Object{"ref": i, "lvl": 1, "mech": "dgauss"})
		}, "ref", ErrRef},
		"replay of a failure": {func(b *builder) {
			i := b.add(Intent, intentAfter(0, 0, 1))
			b.add(Failure, Object{"ref": i})
			b.add(Replay, Object{"ref": i})
		}, "ref", ErrRef},
		"second genesis": {func(b *builder) { b.lines = append(b.lines, rewrite(b, Genesis)) }, "k", ErrPlace},
		"after shardclose": {func(b *builder) {
			b.add(ShardClose, Object{"next": "x", "r512": "y"})
			b.add(Heartbeat, Object{"open": 0})
		}, "k", ErrPlace},
		"clock set back": {func(b *builder) { b.time = 1; b.add(Heartbeat, Object{"open": 0}) }, "t", ErrTime},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(t)
			c.write(b)
			err := b.check()
			var at *EntryError
			if !errors.As(err, &at) || !errors.Is(err, c.err) || at.Seq != uint64(len(b.lines)-1) || at.Field != c.field {
				t.Errorf("got %v, want %v at entry %d field %s", err, c.err, len(b.lines)-1, c.field)
			}
		})
	}
}

// rewrite is a GENESIS in the middle of a log.
func rewrite(b *builder, k Kind) string {
	prev := LeafHash([]byte(b.lines[len(b.lines)-1]))
	line, err := FormatEntry(Object{
		"v": 1, "o": logOrigin, "seq": len(b.lines), "t": b.time + 1, "prev": Digest(prev), "k": k,
		"fmt": "jali-audit/1", "keys": KeysDigest(logKeys), "psize": 0, "why": "new",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return string(line)
}

// Deleting, swapping, repeating or changing entries without rebuilding the chain is found at the entry or the one after.
func TestChainRefusesEdits(t *testing.T) {
	b := newBuilder(t)
	for range 4 {
		b.add(Heartbeat, Object{"open": 0})
	}
	n := len(b.lines)
	for name, edit := range map[string]func(l []string) []string{
		"deleted":    func(l []string) []string { return append(l[:5:5], l[6:]...) },
		"swapped":    func(l []string) []string { l[5], l[6] = l[6], l[5]; return l },
		"repeated":   func(l []string) []string { return append(l[:6:6], l[5:]...) },
		"first gone": func(l []string) []string { return l[1:] },
	} {
		c := &builder{t: t, lines: edit(append([]string(nil), b.lines...))}
		if err := c.check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// Every bit of every byte of every header, changed alone.
	for i := range n {
		for at := range len(b.lines[i]) {
			for bit := range 8 {
				mut := []byte(b.lines[i])
				mut[at] ^= 1 << bit
				lines := append([]string(nil), b.lines...)
				lines[i] = string(mut)
				err := (&builder{t: t, lines: lines}).check()
				var e *EntryError
				if !errors.As(err, &e) {
					// The last header is vouched for by the head, not by a successor.
					if i == n-1 && err == nil {
						continue
					}
					t.Fatalf("entry %d byte %d bit %d: %v", i, at, bit, err)
				}
				if e.Seq != uint64(i) && e.Seq != uint64(i+1) {
					t.Fatalf("entry %d byte %d bit %d: blamed %d", i, at, bit, e.Seq)
				}
			}
		}
	}
}

// Whoever kept a checkpoint finds a log that was rebuilt, however consistently, or cut.
func TestChainExpects(t *testing.T) {
	write := func(open int) *builder {
		b := newBuilder(t)
		for range 5 {
			b.add(Heartbeat, Object{"open": open})
		}
		return b
	}
	root := func(b *builder, n int) Checkpoint {
		c := NewChain(logOrigin, logKeys, nil)
		for _, l := range b.lines[:n] {
			if err := c.Next([]byte(l)); err != nil {
				t.Fatal(err)
			}
		}
		r, err := c.Root()
		if err != nil {
			t.Fatal(err)
		}
		return Checkpoint{Size: uint64(n), Root: r}
	}
	run := func(b *builder, n int, kept ...Checkpoint) error {
		c := NewChain(logOrigin, logKeys, nil)
		for _, cp := range kept {
			c.Expect(cp)
		}
		for _, l := range b.lines[:n] {
			if err := c.Next([]byte(l)); err != nil {
				return err
			}
		}
		return c.Unmet()
	}
	honest, rebuilt := write(0), write(1)
	if err := run(honest, 11, root(honest, 8)); err != nil {
		t.Errorf("honest growth: %v", err)
	}
	if err := run(honest, 11, root(honest, 11)); err != nil {
		t.Errorf("same size: %v", err)
	}
	if err := run(rebuilt, 11, root(honest, 8)); !errors.Is(err, ErrHistory) {
		t.Errorf("rebuilt: %v, want ErrHistory", err)
	}
	// A checkpoint that the rebuilt log shows of itself does not make up for the one remembered of the same size.
	if err := run(rebuilt, 11, root(honest, 8), root(rebuilt, 8)); !errors.Is(err, ErrHistory) {
		t.Errorf("rebuilt, with a checkpoint of its own: %v, want ErrHistory", err)
	}
	if err := run(honest, 7, root(honest, 8)); !errors.Is(err, ErrHistory) {
		t.Errorf("cut: %v, want ErrHistory", err)
	}
}

func BenchmarkChain(b *testing.B) {
	l := newBuilder(b)
	for range 10000 {
		l.add(Heartbeat, Object{"open": 0, "pad": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
	}
	b.ReportMetric(float64(len(l.lines[5000])), "bytes/header")
	b.ReportAllocs()
	for b.Loop() {
		c := NewChain(logOrigin, logKeys, nil)
		for _, line := range l.lines {
			if err := c.Next([]byte(line)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*len(l.lines))/b.Elapsed().Seconds(), "headers/s")
}
