package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jali/audit"
	"jali/crypto/cohort"
	"jali/examples"
	"jali/gateway"
)

// half-widths (above 8 sigma) with probability below 10^-15, so a failure is none of chance.
func TestCohortAnswers(t *testing.T) {
	a := newAsker(t, encrypted())
	near := func(what string, got, gotHalf, want, wantHalf float64) {
		t.Helper()
		if math.Abs(got-want) > 3*(gotHalf+wantHalf) {
			t.Errorf("%s: %v (half-width %v), in SQL %v (%v)", what, got, gotHalf, want, wantHalf)
		}
	}
	ask := func(req gateway.CohortRequest, rules []cohort.Rule, selected ...int) (made, []int64) {
		t.Helper()
		m := a.make(t, req, rules, selected...)
		a.upload(t, m)
		answer, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.VerifyReceipt(answer.Receipt, answer.Reply, vkeys(t, a.office), "test.example/jali/1"); err != nil {
			t.Errorf("receipt: %v", err)
		}
		if answer.Replayed || answer.Price.Rho == 0 || answer.Price.Delta != int64(len(answer.Aggregates))*909_496 {
			t.Errorf("replayed %v, price %+v", answer.Replayed, answer.Price)
		}
		return m, a.decrypt(t, m, answer.Reply)
	}

	// Education 1, 3 and 5 are the entries 0, 2 and 4.
	m, got := ask(a.request("count", "", "20"), nil, 0, 2, 4)
	want, half := a.sql(t, "SELECT COUNT(DISTINCT seqn) FROM nhefs WHERE education IN (1, 3, 5)", "20")
	near("count", float64(got[0]), float64(m.offer.Aggregates[0].HalfWidth), want, half)

	// The same plan again comes from the prepared vectors; noise is drawn afresh.
	again := false
	for range 3 {
		_, second := ask(a.request("count", "", "20"), nil, 0, 2, 4)
		again = again || second[0] != got[0]
	}
	if !again {
		t.Error("four answers have the same noise") // by chance: below 10^-3 for sigma 10
	}

	req := a.request("sum", "school", "300")
	req.Where, req.Rule = "sex = 1 AND age >= 40", gateway.SizeRule{Exact: 2}
	m, got = ask(req, []cohort.Rule{cohort.ExactSize(2)}, 1, 2)
	want, half = a.sql(t, "SELECT SUM(school) FROM nhefs WHERE education IN (2, 3) AND sex = 1 AND age >= 40", "300")
	near("sum", float64(got[0]), float64(m.offer.Aggregates[0].HalfWidth), want, half)

	req = a.request("mean", "wt71", "30")
	req.Rule = gateway.SizeRule{Range: true, Min: 2}
	m, got = ask(req, []cohort.Rule{cohort.AtLeast(2, 5)}, 0, 1, 2, 3, 4)
	if len(got) != 2 {
		t.Fatalf("a mean has %d parts", len(got))
	}
	c := m.offer.Aggregates[1]
	mean := (float64(got[1])/float64(got[0]) + float64(c.Center)) / math.Pow10(c.Decimals)
	if math.Abs(mean-71.05) > 8 { // 71.05 kg over all 1,629; the half-width at this price is about 2.5
		t.Errorf("mean weight %v", mean)
	}
}

// A rule that is broken gives a number that has nothing to do with the data, and is charged all the same.
func TestCohortRuleBroken(t *testing.T) {
	a := newAsker(t, encrypted())
	req := a.request("count", "", "20")
	req.Rule = gateway.SizeRule{Exact: 3}
	m := a.make(t, req, []cohort.Rule{cohort.ExactSize(3)}, 0, 1, 2)
	id := m.key.ID()
	req.Key = id[:]
	// The same selector, encrypted honestly for a list without rules, under a nonce for exactly two.
	req.Rule = gateway.SizeRule{Exact: 2}
	offer, err := a.QuoteCohort(t.Context(), a.who, req)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := cohort.NewLayout(m.key.Params(), offer.Entries)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cohort.NewSelector(offer.Entries)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := s.Select(i); err != nil {
			t.Fatal(err)
		}
	}
	enc, err := m.key.Encrypt(cohort.Query{Layout: layout, Table: offer.Table, Nonce: [32]byte(offer.Nonce)}, s, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := enc.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	cheat := made{offer: offer, nonce: [32]byte(offer.Nonce), key: m.key, bytes: b.Bytes()}
	a.upload(t, cheat)
	answer, err := a.Evaluate(t.Context(), a.who, cheat.nonce, sum(cheat.bytes))
	if err != nil {
		t.Fatal(err)
	}
	// Uniform mod t = 2^34: it falls into the plausible range of some thousands with probability below 10^-5.
	if _, err := m.key.Decrypt(answer.Reply, []int64{offer.Aggregates[0].Bound}); !errors.Is(err, cohort.ErrImplausible) {
		t.Errorf("a broken rule was answered plausibly: %v", err)
	}
	if answer.Price.Rho == 0 {
		t.Error("a broken rule was free")
	}
}

func TestCohortRefused(t *testing.T) {
	a := newAsker(t, encrypted())
	tests := []struct {
		name   string
		change func(*gateway.CohortRequest)
		code   gateway.Code
	}{
		{"column", func(r *gateway.CohortRequest) { r.By = "nhefs.nothing" }, gateway.UnknownName},
		{"table", func(r *gateway.CohortRequest) { r.By = "education" }, gateway.UnknownName},
		{"no list", func(r *gateway.CohortRequest) { r.By = "nhefs.wt71" }, gateway.NotSupported},
		{"aggregate", func(r *gateway.CohortRequest) { r.Aggregate = "max" }, gateway.UnknownName},
		{"measure of a count", func(r *gateway.CohortRequest) { r.Measure = "wt71" }, gateway.Invalid},
		{"unknown measure", func(r *gateway.CohortRequest) { r.Aggregate, r.Measure = "sum", "wt71) FROM nhefs --" }, gateway.UnknownName},
		{"condition that ends the statement", func(r *gateway.CohortRequest) { r.Where = "sex = 1) GROUP BY education HAVING (COUNT(*) > 5" }, gateway.Syntax},
		{"condition with another group", func(r *gateway.CohortRequest) { r.Where = "sex = 1) GROUP BY education --" }, gateway.Syntax},
		{"condition that is none", func(r *gateway.CohortRequest) { r.Where = "sex" }, gateway.NotSupported},
		{"error", func(r *gateway.CohortRequest) { r.Error = "0" }, gateway.PrecisionRange},
		{"size", func(r *gateway.CohortRequest) { r.Rule.Exact = 6 }, gateway.Invalid},
		{"hidden size", func(r *gateway.CohortRequest) { r.Rule = gateway.SizeRule{Range: true, Min: 1, Max: 3} }, gateway.Invalid},
		{"dataset", func(r *gateway.CohortRequest) { r.Dataset = "other" }, gateway.PolicyDenied},
		{"agreement", func(r *gateway.CohortRequest) { r.Agreement = "other" }, gateway.PolicyDenied},
		{"key", func(r *gateway.CohortRequest) { r.Key = make([]byte, 32) }, gateway.KeyUnknown},
		{"short key", func(r *gateway.CohortRequest) { r.Key = make([]byte, 31) }, gateway.Invalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := a.request("count", "", "20")
			test.change(&req)
			_, err := a.QuoteCohort(t.Context(), a.who, req)
			if r := refusal(t, err); r.Code != test.code || r.Hint == "" {
				t.Errorf("got %s: %s (hint %q), want %s", r.Code, r.Message, r.Hint, test.code)
			}
		})
	}
	if _, err := a.QuoteCohort(t.Context(), a.who, gateway.CohortRequest{
		Agreement: examples.NHEFSAgreementID, Purpose: examples.Purpose, By: "nhefs.education", Where: "sex = 1\nAND nothing = 2", Aggregate: "count", Error: "20",
	}); refusal(t, err).Line != 2 {
		t.Errorf("the place in the condition is line %d", refusal(t, err).Line)
	}
}

// Without the kind "encrypted" an agreement opens neither keys nor questions.
func TestCohortKindDenied(t *testing.T) {
	a := newAsker(t, terms())
	offer, err := a.QuoteCohort(t.Context(), a.who, a.request("count", "", "20"))
	if err != nil {
		t.Fatal(err)
	}
	if offer.Allowed || offer.Nonce != nil || len(offer.Reasons) == 0 {
		t.Errorf("allowed %v, reasons %v", offer.Allowed, offer.Reasons)
	}
	if _, _, err := a.NewKey(a.who, examples.NHEFSAgreementID, "ecq1-a"); refusal(t, err).Code != gateway.PolicyDenied {
		t.Error("a key was issued")
	}
	if _, _, err := newAsker(t, encrypted()).NewKey(bob, examples.NHEFSAgreementID, "ecq1-a"); refusal(t, err).Code != gateway.PolicyDenied {
		t.Error("a key was issued to a stranger")
	}
}

// Each malformed upload gets its own error, is on record, costs nothing and burns its nonce; the gateway goes on.
func TestCohortMalformed(t *testing.T) {
	a := newAsker(t, encrypted())
	flip := func(b []byte) []byte {
		c := bytes.Clone(b)
		// Residues are packed with 51 bits: setting all bits of a few makes one that is no residue.
		for i := 32; i < 64; i++ {
			c[i] = 0xff
		}
		return c
	}
	tests := []struct {
		name string
		make func([]byte) []byte
		code gateway.Code
	}{
		{"truncated", func(b []byte) []byte { return b[:len(b)-9] }, gateway.UploadTruncated},
		{"empty", func(b []byte) []byte { return nil }, gateway.UploadTruncated},
		{"oversized", func(b []byte) []byte { return append(bytes.Clone(b), 0) }, gateway.UploadOversized},
		{"out of range", flip, gateway.UploadMalformed},
	}
	spent := a.spent(t)
	for _, test := range tests {
		for _, parts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/parts=%v", test.name, parts), func(t *testing.T) {
				m := a.make(t, a.request("count", "", "20"), nil, 1)
				body := test.make(m.bytes)
				err := a.send(t, m, body, parts)
				r := refusal(t, err)
				if r.Code != test.code || r.Decision == 0 {
					t.Fatalf("got %s, entry %d: %s", r.Code, r.Decision, r.Message)
				}
				if test.name == "empty" && parts {
					return // nothing was sent, so the nonce is as it was
				}
				_, err = a.BeginUpload(t.Context(), a.who, m.nonce)
				if r := refusal(t, err); r.Code != gateway.NonceUsed || r.Decision == 0 {
					t.Errorf("the nonce lives on: %s", r.Code)
				}
			})
		}
	}
	if now := a.spent(t); now != spent {
		t.Errorf("malformed uploads cost %d PU", spent.Agreement-now.Agreement)
	}
}

// send uploads as a stream or in two parts, and evaluates: the first error counts.
func (a *asker) send(t *testing.T, m made, body []byte, parts bool) error {
	t.Helper()
	if !parts {
		u, err := a.BeginUpload(t.Context(), a.who, m.nonce)
		if err != nil {
			return err
		}
		if _, err := u.Write(body); err != nil {
			return err
		}
		if _, err := u.Close(); err != nil {
			return err
		}
	} else {
		for from := 0; from < len(body); {
			to := min(len(body), from+100_000)
			received, _, err := a.UploadPart(t.Context(), a.who, m.nonce, int64(from), body[from:to])
			if err != nil {
				return err
			}
			from = int(received)
		}
	}
	_, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(body))
	return err
}

func (a *asker) spent(t *testing.T) gateway.Remaining {
	t.Helper()
	offer, err := a.QuoteCohort(t.Context(), a.who, a.request("count", "", "20"))
	if err != nil {
		t.Fatal(err)
	}
	return offer.Budget
}

// A nonce serves one caller, one question and its lifetime.
func TestCohortNonces(t *testing.T) {
	a := newAsker(t, encrypted())
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	g, err := gateway.Open(context.Background(), gateway.Config{
		Dir: a.dir, Threads: 1, Operator: a.logger(), Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Gateway = g
	code := func(err error) gateway.Code { t.Helper(); return refusal(t, err).Code }

	m := a.make(t, a.request("count", "", "20"), nil, 0)
	carol := alice
	carol.Name, carol.Key = "carol", bob.Key
	if _, err := a.BeginUpload(t.Context(), carol, m.nonce); code(err) != gateway.NonceForeign {
		t.Errorf("another's nonce: %v", err)
	}
	if _, err := a.Evaluate(t.Context(), alice, [32]byte{1}, sum(m.bytes)); code(err) != gateway.NonceUnknown {
		t.Errorf("unknown nonce: %v", err)
	}
	req := a.request("count", "", "20")
	id := m.key.ID()
	if req.Key = id[:]; true {
		if _, err := a.QuoteCohort(t.Context(), carol, req); code(err) != gateway.KeyUnknown {
			t.Errorf("another's key: %v", err)
		}
	}

	// Parts resume where they ended, and only there.
	half := len(m.bytes) / 2
	if _, _, err := a.UploadPart(t.Context(), alice, m.nonce, 0, m.bytes[:half]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.UploadPart(t.Context(), alice, m.nonce, 0, m.bytes[:half]); code(err) != gateway.UploadOffset {
		t.Errorf("a part twice: %v", err)
	}
	got, want, err := a.UploadPart(t.Context(), alice, m.nonce, 0, nil)
	if err != nil || got != int64(half) || want != int64(len(m.bytes)) {
		t.Errorf("resume at %d of %d: %v", got, want, err)
	}
	if _, _, err := a.UploadPart(t.Context(), alice, m.nonce, got, m.bytes[half:]); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Evaluate(t.Context(), alice, m.nonce, [32]byte{1}); code(err) != gateway.UploadMalformed {
		t.Errorf("another upload was meant: %v", err)
	}
	first, err := a.Evaluate(t.Context(), alice, m.nonce, sum(m.bytes))
	if err != nil {
		t.Fatal(err)
	}
	// The identical retry is free and identical, and needs no upload.
	again, err := a.Evaluate(t.Context(), alice, m.nonce, sum(m.bytes))
	if err != nil {
		t.Fatal(err)
	}
	if !again.Replayed || again.Price.Rho != 0 || !bytes.Equal(again.Reply, first.Reply) || again.Budget != first.Budget || again.Decision != first.Decision {
		t.Error("a retry is not the stored answer, free")
	}
	// Another upload under the nonce is refused.
	other := a.make(t, a.request("count", "", "20"), nil, 1)
	if err := a.send(t, made{nonce: m.nonce}, other.bytes, false); code(err) != gateway.NonceUsed {
		t.Errorf("a second upload under one nonce: %v", err)
	}

	ahead.Store(int64(11 * time.Minute))
	for name, err := range map[string]error{
		"replay":   func() error { _, err := a.Evaluate(t.Context(), alice, m.nonce, sum(m.bytes)); return err }(),
		"question": func() error { return a.send(t, other, other.bytes, false) }(),
	} {
		if code(err) != gateway.NonceExpired {
			t.Errorf("expired %s: %v", name, err)
		}
	}
	ahead.Store(int64(31 * 24 * time.Hour))
	if _, err := a.QuoteCohort(t.Context(), alice, req); code(err) != gateway.KeyUnknown {
		t.Errorf("an expired key: %v", err)
	}
	ahead.Store(0)
}

// A caller who goes away half-way leaves nothing: the memory is free again, and the nonce may be tried again.
func TestCohortDisconnect(t *testing.T) {
	a := newAsker(t, encrypted())
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(context.Background(), gateway.Config{Dir: a.dir, Threads: 1, Operator: a.logger(), Encrypted: gateway.EncryptedConfig{UploadMemory: 300_000}})
	if err != nil {
		t.Fatal(err)
	}
	a.Gateway = g
	one, two := a.make(t, a.request("count", "", "20"), nil, 0), a.make(t, a.request("count", "", "21"), nil, 1)
	for range 5 { // memory for one upload only: any that stayed would block the next
		u, err := a.BeginUpload(t.Context(), alice, one.nonce)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write(one.bytes[:100_000]); err != nil {
			t.Fatal(err)
		}
		u.Abort()
	}
	u, err := a.BeginUpload(t.Context(), alice, one.nonce)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.BeginUpload(t.Context(), alice, two.nonce); refusal(t, err).Code != gateway.Rate {
		t.Errorf("a second upload beyond the limit: %v", err)
	}
	u.Abort()
	if err := a.send(t, two, two.bytes, false); err != nil {
		t.Error(err)
	}
	if err := a.send(t, one, one.bytes, true); err != nil {
		t.Error(err)
	}
}

// The charge comes before the evaluation, and decides: of two questions whose quotes fit one by one, the second is refused, on record,
// and neither evaluated nor charged.
func TestCohortChargedFirst(t *testing.T) {
	a := newAsker(t, terms("kinds: [aggregate]", "kinds: [encrypted]", "pu: 15727", "pu: 700"))
	one, two := a.make(t, a.request("count", "", "20"), nil, 0), a.make(t, a.request("count", "", "20"), nil, 0)
	if price := int64(one.offer.Price.Rho.PU()); price > 700 || 2*price <= 700 {
		t.Fatalf("the price of %d PU does not fit the test", price)
	}
	if err := a.send(t, one, one.bytes, false); err != nil {
		t.Fatal(err)
	}
	err := a.send(t, two, two.bytes, false)
	if r := refusal(t, err); r.Code != gateway.BudgetAgreement || r.Decision == 0 {
		t.Errorf("the second: %v", err)
	}
	var order []audit.Kind
	entries, _, err := a.Entries(t.Context(), clerk, 0, 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		parsed, err := audit.ParseEntry(e.Header)
		if err != nil {
			t.Fatal(err)
		}
		switch parsed.Kind {
		case audit.Intent, audit.Release, audit.Refused, audit.Key:
			order = append(order, parsed.Kind)
		}
	}
	if diff := cmp.Diff([]audit.Kind{audit.Key, audit.Intent, audit.Release, audit.Refused}, order); diff != "" {
		t.Error(diff)
	}
}

// Many callers of one nonce at once: one charge, one reply.
func TestCohortSimultaneous(t *testing.T) {
	a := newAsker(t, encrypted())
	m := a.make(t, a.request("count", "", "20"), nil, 0, 3)
	a.upload(t, m)
	before := a.spent(t).Agreement
	var charged atomic.Int64
	var group sync.WaitGroup
	replies := make([][]byte, 8)
	for i := range replies {
		group.Go(func() {
			answer, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
			if err != nil {
				t.Error(err)
				return
			}
			if !answer.Replayed {
				charged.Add(1)
			}
			replies[i] = answer.Reply
		})
	}
	group.Wait()
	for _, r := range replies {
		if !bytes.Equal(r, replies[0]) {
			t.Error("two replies to one upload")
		}
	}
	if cost := before - a.spent(t).Agreement; charged.Load() != 1 || cost > m.offer.Price.Rho.PU() || cost == 0 {
		t.Errorf("%d charges, %d PU gone; the price is %d", charged.Load(), cost, m.offer.Price.Rho.PU())
	}
}
