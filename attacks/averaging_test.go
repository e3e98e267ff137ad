package attacks

import (
	"fmt"
	"testing"

	"jali/sdk"
)

// repeats (2): the same question again and again is one answer, one charge.
func repeats(t *testing.T, x *arena) {
	a := x.agree(t, budget, "left")
	distinct := map[string]bool{}
	var spent int64
	n := pick(40, 1000)
	for range n {
		r := x.ask(t, a, "left", "20", "SELECT COUNT(*) AS n FROM trial WHERE target = 1")
		distinct[string(r.Raw)] = true
		spent += paid(r)
	}
	if len(distinct) != 1 {
		t.Errorf("%d distinct answers", len(distinct))
	}
	report(t, "2", "%d repeats: %d distinct answers, charged once (%d PU)", n, len(distinct), spent)
}

// paid is what an answer cost now.
func paid(r *sdk.Result) int64 {
	if r.Replayed {
		return 0
	}
	return r.PricePU
}

// rewrites (3): other spellings and other users of the agreement get the stored answer; another agreement pays.
func rewrites(t *testing.T, x *arena) {
	a, b := x.agree(t, budget, "left"), x.agree(t, budget, "left")
	first := x.ask(t, a, "left", "20", "SELECT COUNT(*) AS n FROM trial WHERE half = 1 AND v > 60")
	spellings := []string{
		"select count(*) as m from trial where v > 60 and half = 1", "SELECT COUNT(*) FROM trial WHERE NOT (half <> 1) AND 60 < v", "SELECT COUNT(*) FROM trial AS q WHERE q.half IN (1) AND q.v > 60",
		"SELECT\n COUNT( * )\tFROM TRIAL WHERE ((half = 1)) AND (v > 60 AND v > 60)", "SELECT COUNT(*) FROM trial WHERE half = 1 AND v >= 61", "SELECT COUNT(*) FROM trial WHERE NOT (half <> 1 OR v <= 60)",
		"SELECT COUNT(*) FROM trial WHERE (half = 1 OR half = 1) AND v > 60",
	}
	other := x.Client("trudy", "Acme", "researcher")
	for i, sql := range spellings {
		client := x.mallory
		if i%2 == 1 {
			client = other
		}
		r, err := client.Query(t.Context(), sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: "20", SQL: sql})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Replayed || string(r.Raw) != string(first.Raw) {
			t.Errorf("%s: a new answer (replayed %v)", sql, r.Replayed)
		}
	}
	foreign := x.ask(t, b, "left", "20", spellings[0])
	if foreign.Replayed || foreign.PricePU == 0 {
		t.Error("another agreement was given the stored answer")
	}
	report(t, "3", "%d of %d spellings by two users: the stored answer; another agreement paid %d PU", len(spellings), len(spellings), foreign.PricePU)
}

// cacheProbing (38): whether another agreement asked a question cannot be told: no replay, the full price, and the same slot.
func cacheProbing(t *testing.T, x *arena) {
	a, b := x.agree(t, budget, "left"), x.agree(t, budget, "left")
	for i := range 5 {
		asked, unasked := fmt.Sprintf("SELECT COUNT(*) AS n FROM trial WHERE v > %d", 100+i), fmt.Sprintf("SELECT COUNT(*) AS n FROM trial WHERE v > %d", 900+i)
		x.ask(t, a, "left", "50", asked)
		p, q := x.ask(t, b, "left", "50", asked), x.ask(t, b, "left", "50", unasked)
		if p.Replayed || q.Replayed || p.PricePU != q.PricePU {
			t.Errorf("asked elsewhere: replayed %v, %d PU; not asked: replayed %v, %d PU", p.Replayed, p.PricePU, q.Replayed, q.PricePU)
		}
	}
	report(t, "38", "5 pairs: no hit across agreements, equal price")
}

// replayed (37): a request sent again in another's name, under another agreement, or with an old quote, gains nothing.
func replayed(t *testing.T, x *arena) {
	a, b := x.agree(t, budget, "left"), x.agree(t, budget, "left")
	q := sdk.Query{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: "40", SQL: "SELECT COUNT(*) AS n FROM trial WHERE v > 4321", RequestID: "one-and-the-same"}
	first, err := x.mallory.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	again, err := x.mallory.Query(t.Context(), q)
	if err != nil || string(again.Raw) != string(first.Raw) || !again.Replayed {
		t.Errorf("the same request again: replayed %v, %v", again != nil && again.Replayed, err)
	}
	changed := q
	changed.SQL = "SELECT COUNT(*) AS n FROM trial WHERE v > 5000"
	if r, err := x.mallory.Query(t.Context(), changed); err == nil && !r.Replayed && r.PricePU == 0 {
		t.Error("another question under the same request id was answered without a charge")
	}
	quote, err := x.mallory.Quote(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	foreign := q
	foreign.Agreement, foreign.RequestID, foreign.QuoteID = b, "", quote.ID
	if r, err := x.mallory.Query(t.Context(), foreign); err == nil {
		t.Errorf("a quote of another agreement was taken: %d PU", r.PricePU)
	}
	report(t, "37", "a repeated request is the stored answer; quotes do not cross agreements")
}
