package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
	"jali/audit/store"
	"jali/policy"
)

// mixed is the number of entries of the log that spend and replay are tried on; JALI_LONG=1 makes it 100,000.
func mixed() int {
	if os.Getenv("JALI_LONG") != "" {
		return 100_000
	}
	return 10_000
}

// question is a policy input that the default bundle allows.
func question(now time.Time, rho int64) policy.Input {
	return policy.Input{
		Now:       now.Unix(),
		Principal: policy.InputPrincipal{Name: "ana", Org: "Uni", Role: "researcher", Key: strings.Repeat("a1", 32)},
		Agreement: policy.InputAgreement{
			ID: "agr-1", Version: 3, State: "active", Parties: []string{"Uni"}, Users: []string{}, Purposes: []string{"DUO:0000006"},
			Datasets: []policy.InputAllowed{{ID: "health", Columns: []string{"claims.*"}, Sensitivity: []string{"low"}}},
			Kinds:    []string{"aggregate"}, Mode: "dp", ValidFrom: now.Add(-time.Hour).Unix(), ValidUntil: now.Add(time.Hour).Unix(),
			MinError: 1, MaxPricePU: 1000, PerHour: 1000, Hours: []int64{0, 24},
		},
		Purpose: "DUO:0000006",
		Query: policy.InputQuery{
			Kind: "aggregate", Dataset: "health", Population: "insured", Class: "b", Mode: "dp", Tables: []string{"claims"},
			Columns: []policy.InputColumn{{Name: "claims.sex", Sensitivity: "low"}}, Aggregates: []string{"count"}, Cells: 2, Error: 50,
		},
		Price:  policy.InputPrice{PU: (rho + 9_999) / 10_000, NanoRho: fmt.Sprint(rho), DeltaE18: "0"},
		Budget: policy.InputBudget{AgreementPU: 1_000_000},
	}
}

// planted are the falsehoods that a log is written with, by number of the question.
type planted map[int]func(*policy.Input)

// mixedLog writes a state directory with n entries: questions released, failed and refused, replays and heartbeats, under two
// policy bundles, decided as planted.
func mixedLog(t *testing.T, n int, plant planted) string {
	t.Helper()
	dir := t.TempDir()
	cfg := store.InDir(dir)
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: "audit.example.gov/gw1/2027"}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	add := func(it store.Item) store.Appended {
		a, err := s.Append(t.Context(), it)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	pol := addPolicy(t, dir, add)
	add(store.Item{Kind: audit.Dataset, Fields: audit.Object{"ds": "health", "dsv": "dsv-1", "pop": "insured", "cls": "b", "lvl": 1, "st": "active"}})
	add(store.Item{Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 3, "st": "active", "pu": "DUO:0000006"}})
	add(store.Item{Kind: audit.Budget, Budget: &store.SetBudget{Agreement: "agr-1", Population: "insured", Rho: 1e12}})
	add(store.Item{Kind: audit.Budget, Budget: &store.SetBudget{Population: "insured", Rho: 2e12}})
	ask := func(i int) {
		rho := int64(1_000 + i)
		in := question(time.Now(), rho)
		if p := plant[i]; p != nil {
			p(&in)
		}
		input, err := json.Marshal(in)
		if err != nil {
			t.Error(err)
		}
		it := store.Item{
			Kind: audit.Intent, Subject: "agr-1", Class: "b",
			Fields:  audit.Object{"agv": 3, "ds": "health", "dsv": "dsv-1", "pu": "DUO:0000006", "cls": "b", "pol": pol, "mode": "sql"},
			Details: []audit.Detail{{Name: "actor", Value: `{"name":"ana","org":"Uni"}`}, {Name: "input", Value: string(input)}},
			Charge:  &store.Charge{Agreement: "agr-1", Population: "insured", Rho: rho},
		}
		if i%10 == 9 { // over budget: refused in its place
			it.Charge.Rho = 3e12
			add(it)
			return
		}
		a := add(it)
		if i%10 == 5 {
			add(store.Item{Kind: audit.Failure, Ref: &a.Seq})
			return
		}
		add(store.Item{Kind: audit.Release, Ref: &a.Seq, Fields: audit.Object{"lvl": 1, "mech": "dgauss"}})
		if i%10 == 3 {
			add(store.Item{Kind: audit.Replay, Ref: &a.Seq})
			add(store.Item{Kind: audit.Heartbeat})
		}
	}
	var wg sync.WaitGroup
	half := n / 4
	for part := range 2 {
		next := make(chan int)
		for range 64 {
			wg.Go(func() {
				for i := range next {
					ask(i)
				}
			})
		}
		for i := part * half; i < (part+1)*half; i++ {
			next <- i
		}
		close(next)
		wg.Wait()
		pol = addPolicy(t, dir, add) // another key, so another bundle
	}
	if size := s.Size(); size < uint64(n) {
		t.Fatalf("%d entries, want %d", size, n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// addPolicy signs the default bundle with a fresh key, keeps it where a gateway would, and records it as active.
func addPolicy(t *testing.T, dir string, add func(store.Item) store.Appended) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := policy.Build(policy.Source(), key)
	if err != nil {
		t.Fatal(err)
	}
	digest := audit.Digest(sha256.Sum256(bundle))
	if err := os.MkdirAll(filepath.Join(dir, "policy"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "policy", digest+".tar.gz"), bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	add(store.Item{Kind: audit.Policy, Fields: audit.Object{"pol": digest, "rev": "1"}})
	return digest
}

// A log of thousands of mixed entries, with one decision that its bundle does not give: the recomputed budgets are what the files
// hold, every other decision is what its bundle gives, and the one is found and named. Then one nano-rho is planted, and found.
func TestSpendAndReplay(t *testing.T) {
	const flipped = 2341
	dir := mixedLog(t, mixed(), planted{flipped: func(in *policy.Input) { in.Query.Columns[0].Sensitivity = "high" }})
	vkeys := filepath.Join(dir, "vkeys")
	status, out, errs := auditor("spend", "--dir", dir, "--vkeys", vkeys)
	if status != statusOK || !strings.Contains(out, "2 ledgers as the gateway claims them") {
		t.Errorf("spend: %d\n%s%s", status, out, errs)
	}
	status, out, errs = auditor("replay", "--dir", dir, "--vkeys", vkeys, "--format", "json")
	var got decisions
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != statusFailed {
		t.Fatalf("replay: %d\n%s%s", status, out, errs)
	}
	if got.Repeated != got.Intents || got.Intents < uint64(mixed()/3) || got.Refused == 0 || len(got.NoBundle) > 0 {
		t.Errorf("replay: %+v", got)
	}
	if len(got.Differences) != 1 || !strings.Contains(got.Differences[0].What, "the policy says no") || costOf(t, dir, got.Differences[0].Entry) != 1_000+flipped {
		t.Errorf("the one flipped decision: %+v", got.Differences)
	}
	t.Logf("%d decisions of %d entries repeated", got.Repeated, mixed())

	export := filepath.Join(t.TempDir(), "out")
	if status, _, errs := auditor("export", "--dir", dir, "--out", export, "--audience", "regulator"); status != statusOK {
		t.Fatal(errs)
	}
	status, out, errs = auditor("replay", "--export", export, "--bundles", filepath.Join(dir, "policy"))
	if status != statusFailed || !strings.Contains(out, fmt.Sprintf("%d of %d decisions", got.Intents, got.Intents)) || !strings.Contains(errs, "1 decisions differ") {
		t.Errorf("replay of an export: %d\n%s%s", status, out, errs)
	}
	if status, out, _ = auditor("replay", "--export", export); status != statusOK || !strings.Contains(out, "0 of ") || !strings.Contains(out, "not to be had here") {
		t.Errorf("replay without bundles: %d\n%s", status, out)
	}
	if status, out, _ = auditor("spend", "--export", export); status != statusOK || !strings.Contains(out, "not checked  what the gateway claims") {
		t.Errorf("spend of an export: %d\n%s", status, out)
	}

	// One nano-rho more in the ledger of the population.
	plantNano(t, dir)
	status, out, _ = auditor("spend", "--dir", dir)
	if status != statusFailed || strings.Count(out, "DIFFERENCE") != 1 || !strings.Contains(out, "population insured: spent, as the gateway claims") || !strings.Contains(out, "(+1 nano-rho)") {
		t.Errorf("a planted nano-rho: %d\n%s", status, out)
	}
}

// costOf is the price of a question, which says here which one it is.
func costOf(t *testing.T, dir string, seq uint64) int64 {
	t.Helper()
	r, err := store.OpenReader(store.InDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines, err := r.Entries(seq, 1)
	if err != nil || len(lines) != 1 {
		t.Fatal(err)
	}
	e, err := audit.ParseEntry(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	return e.Part("cost", "r")
}

func plantNano(t *testing.T, dir string) {
	t.Helper()
	err := edit(filepath.Join(dir, "audit.db"), func(tx *bolt.Tx) error {
		v := append([]byte(nil), tx.Bucket([]byte("b")).Get([]byte("pop/insured"))...)
		v[7]++         // spent rho, big endian
		if v[7] == 0 { // carried
			v[6]++
		}
		return tx.Bucket([]byte("b")).Put([]byte("pop/insured"), v)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Decisions that their own bundle does not give, or that were made for another question, are found one by one.
func TestReplayFindsFlippedDecisions(t *testing.T) {
	plant := planted{
		1: func(in *policy.Input) { in.Query.Columns[0].Sensitivity = "high" }, // the policy says no to this
		2: func(in *policy.Input) { in.Price.NanoRho = "1" },
		3: func(in *policy.Input) { in.Purpose = "DUO:0000007" },
		4: func(in *policy.Input) { in.Now -= 3600 },
		6: func(in *policy.Input) { in.Agreement.Version = 2 },
		7: func(in *policy.Input) { in.Query.Kind = "" },
	}
	dir := mixedLog(t, 60, plant)
	status, out, errs := auditor("replay", "--dir", dir, "--format", "json")
	if status != statusFailed || !strings.Contains(errs, "6 decisions differ") {
		t.Fatalf("%d: %s", status, errs)
	}
	for _, want := range []string{"the policy says no", "another price", "another purpose", "another time", "another version of the agreement"} {
		if strings.Count(out, want) != 1 {
			t.Errorf("no single %q in\n%s", want, out)
		}
	}
}

// The tally goes on after a difference and names entry, ledger and amount, whichever statement was changed.
func TestTally(t *testing.T) {
	budget := func(ag string, limit int64) audit.Entry {
		o := audit.Object{"pop": "p", "cap": audit.Object{"r": limit, "d": int64(0)}, "cap0": audit.Object{"r": int64(0), "d": int64(0)}}
		if ag != "" {
			o["ag"] = ag
		}
		return audit.Entry{Kind: audit.Budget, Fields: o}
	}
	intent := func(seq uint64, cost, before int64) audit.Entry {
		b := func(n int64) audit.Object { return audit.Object{"ar": n, "pr": n, "ad": int64(0), "pd": int64(0)} }
		return audit.Entry{Seq: seq, Kind: audit.Intent, Fields: audit.Object{
			"ag": "a", "pop": "p", "cost": audit.Object{"r": cost, "d": int64(0)}, "bud0": b(before), "bud1": b(before + cost),
		}}
	}
	key := audit.LedgerKey{Agreement: "a", Population: "p"}
	for name, c := range map[string]struct {
		change func(es []audit.Entry, claims []store.Claim) []store.Claim
		want   []string
	}{
		"nothing": {func(_ []audit.Entry, c []store.Claim) []store.Claim { return c }, nil},
		"claim": {func(_ []audit.Entry, c []store.Claim) []store.Claim { c[0].Spent.Rho--; return c }, []string{
			"ledgers: agreement a on p: spent, as the gateway claims is 29, the log gives 30 (-1 nano-rho)",
		}},
		"delta of a claim": {func(_ []audit.Entry, c []store.Claim) []store.Claim { c[1].Cap.Delta++; return c }, []string{
			"ledgers: population p: cap, as the gateway claims is 1, the log gives 0 (+1 1e-18 delta)",
		}},
		"claim left out": {func(_ []audit.Entry, c []store.Claim) []store.Claim { return c[:1] }, []string{
			"ledgers: population p: spent: the gateway claims no such ledger is 0, the log gives 30 (-30 nano-rho)",
			"ledgers: population p: cap: the gateway claims no such ledger is 0, the log gives 100 (-100 nano-rho)",
		}},
		"ledger invented": {func(_ []audit.Entry, c []store.Claim) []store.Claim {
			return append(c, store.Claim{LedgerKey: audit.LedgerKey{Population: "q"}, Spent: audit.Amount{Rho: 5}})
		}, []string{"ledgers: population q: spent, as the gateway claims is 5, the log gives 0 (+5 nano-rho)"}},
		"price": {func(es []audit.Entry, c []store.Claim) []store.Claim {
			es[2].Fields["cost"].(audit.Object)["r"] = int64(11)
			return c
		}, []string{
			"entry 2: agreement a on p: bud1 of the agreement is 10, the log gives 11 (-1 nano-rho)",
			"entry 2: population p: bud1 of the population is 10, the log gives 11 (-1 nano-rho)",
			"entry 3: agreement a on p: bud0 of the agreement is 10, the log gives 11 (-1 nano-rho)",
			"entry 3: agreement a on p: bud1 of the agreement is 30, the log gives 31 (-1 nano-rho)",
			"entry 3: population p: bud0 of the population is 10, the log gives 11 (-1 nano-rho)",
			"entry 3: population p: bud1 of the population is 30, the log gives 31 (-1 nano-rho)",
			"ledgers: agreement a on p: spent, as the gateway claims is 30, the log gives 31 (-1 nano-rho)",
			"ledgers: population p: spent, as the gateway claims is 30, the log gives 31 (-1 nano-rho)",
		}},
		"cap": {func(es []audit.Entry, c []store.Claim) []store.Claim {
			es[0].Fields["cap"].(audit.Object)["r"] = int64(29)
			c[0].Cap.Rho = 29
			return c
		}, []string{"entry 3: agreement a on p: cap of the agreement, exceeded is 29, the log gives 30 (-1 nano-rho)"}},
	} {
		t.Run(name, func(t *testing.T) {
			es := []audit.Entry{budget("a", 100), budget("", 100), intent(2, 10, 0), intent(3, 20, 10)}
			claims := []store.Claim{
				{LedgerKey: key, Spent: audit.Amount{Rho: 30}, Cap: audit.Amount{Rho: 100}},
				{LedgerKey: audit.LedgerKey{Population: "p"}, Spent: audit.Amount{Rho: 30}, Cap: audit.Amount{Rho: 100}},
			}
			claims = c.change(es, claims)
			tl := newTally()
			for _, e := range es {
				tl.add(e)
			}
			tl.against(claims)
			var got []string
			for _, d := range tl.found {
				got = append(got, d.String())
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
