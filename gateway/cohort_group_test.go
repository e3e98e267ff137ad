package gateway_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"jali/crypto/cohort"
	"jali/gateway"
	"jali/gateway/catalog"
)

// answer asks, decrypts and returns the numbers of the reply.
func (a *asker) answer(t *testing.T, req gateway.CohortRequest, rules []cohort.Rule, selected ...int) (made, []int64) {
	t.Helper()
	m := a.make(t, req, rules, selected...)
	a.upload(t, m)
	answer, err := a.Evaluate(t.Context(), a.who, m.nonce, sum(m.bytes))
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Reply) != m.offer.ReplyBytes {
		t.Errorf("reply has %d bytes, quoted were %d", len(answer.Reply), m.offer.ReplyBytes)
	}
	return m, a.decrypt(t, m, answer.Reply)
}

// An encrypted answer by group is, group by group, that of the plaintext twin; all groups together cost what one number does.
// Each comparison of the test fails by chance with probability below 10^-15.
func TestCohortGroups(t *testing.T) {
	a := newAsker(t, encrypted())
	one := a.request("count", "", "20")
	single, err := a.QuoteCohort(t.Context(), a.who, one)
	if err != nil {
		t.Fatal(err)
	}
	one.Group = "nhefs.age_band"
	m, got := a.answer(t, one, nil, 0, 2, 4)
	if len(got) != 5 || m.offer.Plan.Cells != 5 {
		t.Fatalf("%d numbers, %d cells for five bands", len(got), m.offer.Plan.Cells)
	}
	if m.offer.Price.Rho != single.Price.Rho || m.offer.Price.Delta != 5*single.Price.Delta {
		t.Errorf("price %+v in groups, %+v over all: a person is in one band", m.offer.Price, single.Price)
	}
	for i, n := range got {
		out := m.offer.Aggregates[i]
		want, half := a.sql(t, fmt.Sprintf("SELECT COUNT(DISTINCT seqn) FROM nhefs WHERE education IN (1, 3, 5) AND age_band = '%s'", out.Group), "20")
		if math.Abs(float64(n)-want) > 3*(float64(out.HalfWidth)+half) {
			t.Errorf("band %s: %d, in SQL %v", out.Group, n, want)
		}
	}

	// A condition narrows the groups, and a mean has two numbers in each.
	req := a.request("mean", "wt71", "30")
	req.Group, req.Where = "nhefs.age_band", "age_band IN ('45-54', '55-64', 'from 65')"
	m, got = a.answer(t, req, nil, 0, 1, 2, 3, 4)
	if len(got) != 6 || m.offer.Aggregates[0].Group.String() != "45-54" || m.offer.Aggregates[1].Group.String() != "45-54" || m.offer.Aggregates[2].Group.String() != "55-64" {
		t.Fatalf("%d numbers: %+v", len(got), m.offer.Aggregates)
	}
	c := m.offer.Aggregates[1]
	if mean := (float64(got[1])/float64(got[0]) + float64(c.Center)) / math.Pow10(c.Decimals); math.Abs(mean-71) > 12 {
		t.Errorf("mean weight in the first band %v", mean)
	}

	// A column with absent values has the group NULL, as in SQL.
	req = a.request("count", "", "20")
	req.Group = "nhefs.income"
	offer, err := a.QuoteCohort(t.Context(), a.who, req)
	if err != nil {
		t.Fatal(err)
	}
	if last := offer.Aggregates[len(offer.Aggregates)-1].Group; len(offer.Aggregates) != 13 || last.Kind != catalog.Null {
		t.Errorf("%d groups, the last is %v", len(offer.Aggregates), last)
	}
}

// Pairs of codes: the second column's codes follow each other fastest.
func TestCohortPairs(t *testing.T) {
	a := newAsker(t, encrypted())
	req := a.request("count", "", "20")
	req.By = "nhefs.education,nhefs.age_band"
	req.Rule = gateway.SizeRule{Exact: 3}
	// (1, from 65), (3, under 35), (5, 35-44)
	m, got := a.answer(t, req, []cohort.Rule{cohort.ExactSize(3)}, 0*5+4, 2*5+0, 4*5+1)
	if m.offer.Entries != 25 {
		t.Errorf("%d entries of 5 times 5", m.offer.Entries)
	}
	want, half := a.sql(t, `SELECT COUNT(DISTINCT seqn) FROM nhefs WHERE education = 1 AND age_band = 'from 65' OR education = 3 AND age_band = 'under 35'
		OR education = 5 AND age_band = '35-44'`, "20")
	if math.Abs(float64(got[0])-want) > 3*(float64(m.offer.Aggregates[0].HalfWidth)+half) {
		t.Errorf("%d, in SQL %v", got[0], want)
	}

	// What a condition leaves out is 0, at its place.
	req.Rule, req.Where, req.Group = gateway.SizeRule{}, "education = 3 AND age < 45", "nhefs.sex"
	m, got = a.answer(t, req, nil, 0*5+0, 2*5+0, 2*5+1, 4*5+1)
	for i, n := range got {
		want, half := a.sql(t, fmt.Sprintf("SELECT COUNT(DISTINCT seqn) FROM nhefs WHERE education = 3 AND age < 45 AND sex = %d", i), "20")
		if math.Abs(float64(n)-want) > 3*(float64(m.offer.Aggregates[i].HalfWidth)+half) {
			t.Errorf("sex %d: %d, in SQL %v", i, n, want)
		}
	}
}

func TestCohortGroupsRefused(t *testing.T) {
	a := newAsker(t, encrypted())
	tests := []struct {
		name string
		by   string
		grp  string
		code gateway.Code
		text string
	}{
		{"three columns", "nhefs.education,nhefs.sex,nhefs.race", "", gateway.NotSupported, "at most 2 columns"},
		{"twice selected", "nhefs.education,nhefs.education", "", gateway.Invalid, "named twice"},
		{"selected and grouped", "nhefs.education", "nhefs.education", gateway.Invalid, "named twice"},
		{"no list", "nhefs.education", "nhefs.wt71", gateway.NotSupported, "grouping column"},
		{"no column", "nhefs.education", "nhefs.nothing", gateway.UnknownName, `grouping column has no column or band called "nothing"`},
		{"no table", "nhefs.education", "sex", gateway.UnknownName, "grouping column"},
		{"second column unknown", "nhefs.education, nhefs.sex", "", gateway.UnknownName, "selected column"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := a.request("count", "", "20")
			req.By, req.Group = test.by, test.grp
			_, err := a.QuoteCohort(t.Context(), a.who, req)
			if r := refusal(t, err); r.Code != test.code || r.Hint == "" || !strings.Contains(r.Message, test.text) {
				t.Errorf("got %s: %s (hint %q), want %s", r.Code, r.Message, r.Hint, test.code)
			}
		})
	}
}
