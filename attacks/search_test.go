package attacks

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"jali/sdk"
)

// predicate is a gene: a condition of the grammar over table trial, in the attacker's words.
type predicate struct{ column, op, value int }

var (
	searched  = [][]string{{"v", "10", "50", "51", "1000", "999999999999"}, {"half", "0", "1"}, {"target", "0", "1"}, {"secret", "0", "1"}, {"note", "'a'", "'b'", "'c'"}}
	operators = []string{"=", "<>", "=", "<>"}
)

func (p predicate) String() string {
	c := searched[p.column]
	return c[0] + " " + operators[p.op] + " " + c[1+p.value%(len(c)-1)]
}

// plan is an individual of the search: questions, each a disjunction of conjunctions, whose noisy answers are fed to a linear guess.
type plan [][][]predicate

func random(rng *rand.Rand) plan {
	p := make(plan, 1+rng.IntN(4))
	for i := range p {
		p[i] = make([][]predicate, 1+rng.IntN(2))
		for j := range p[i] {
			for range 1 + rng.IntN(3) {
				p[i][j] = append(p[i][j], gene(rng))
			}
		}
	}
	return p
}

func gene(rng *rand.Rand) predicate {
	c := rng.IntN(len(searched))
	return predicate{c, rng.IntN(len(operators)), rng.IntN(len(searched[c]) - 1)}
}

// mutate returns a copy with one change, or a question of another individual.
func (p plan) mutate(rng *rand.Rand, mate plan) plan {
	q := slices.Clone(p)
	i := rng.IntN(len(q))
	switch rng.IntN(4) {
	case 0:
		q[i] = mate[rng.IntN(len(mate))]
	case 1:
		if len(q) < 5 {
			q = append(q, random(rng)[0])
		}
	case 2:
		if len(q) > 1 {
			q = slices.Delete(q, i, i+1)
		}
	default:
		terms := slices.Clone(q[i])
		j := rng.IntN(len(terms))
		terms[j] = slices.Clone(terms[j])
		terms[j][rng.IntN(len(terms[j]))] = gene(rng)
		q[i] = terms
	}
	return q
}

func where(terms [][]predicate) string {
	s := ""
	for i, t := range terms {
		if i > 0 {
			s += " OR "
		}
		s += "("
		for j, p := range t {
			if j > 0 {
				s += " AND "
			}
			s += p.String()
		}
		s += ")"
	}
	return s
}

// search (10): evolution over questions, in the spirit of QuerySnout (2211.05249) and QueryCheetah (2409.01992). An individual asks its
// questions of all cells with the whole budget; on one third of the cells a linear guess of the target's bit is fitted, on another the
// individual is scored, and the best of all is judged on the third that nobody saw.
func search(t *testing.T, x *arena, limit time.Duration) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 10))
	type individual struct {
		plan          plan
		score, unseen float64
		rho           float64
	}
	var pool []individual
	// The obvious attack is in the first generation, so that the search starts no worse than a person would.
	obvious := plan{{{{3, 0, 1}}}, {{{3, 0, 1}, {2, 0, 0}}}}
	best, tried := individual{}, 0
	for began := time.Now(); time.Since(began) < limit || tried < 8; tried++ {
		p := random(rng)
		switch {
		case tried == 0:
			p = obvious
		case len(pool) > 4 && rng.IntN(5) > 0:
			p = pool[rng.IntN(len(pool)/2)].plan.mutate(rng, pool[rng.IntN(len(pool))].plan)
		}
		answers, rho, ok := x.pose(t, p)
		if !ok {
			continue
		}
		fitted, unseen := x.fit(answers)
		one := individual{plan: p, score: fitted, unseen: unseen, rho: rho}
		pool = append(pool, one)
		slices.SortFunc(pool, func(a, b individual) int { return -compare(a.score, b.score) })
		pool = pool[:min(len(pool), 12)]
		if one.score > best.score {
			best = one
		}
	}
	third := cells / 3
	bound := (1+Advantage(best.rho))/2 + 2*math.Sqrt(0.25/float64(third))
	if best.unseen > bound {
		t.Errorf("%.3f of unseen bits found, bound %.3f (seed %d): %v", best.unseen, bound, seed, best.plan)
	}
	questions := []string{}
	for _, q := range best.plan {
		questions = append(questions, where(q))
	}
	report(t, "10", "%d individuals: best accuracy %.3f on unseen cells at rho %.4f, bound %.3f; questions %q", tried, best.unseen, best.rho, bound, questions)
}

func compare(a, b float64) int {
	if a < b {
		return -1
	}
	return digit(a > b)
}

// pose asks under a new agreement; what is refused makes the individual worthless.
func (x *arena) pose(t *testing.T, p plan) (answers [][]float64, rho float64, ok bool) {
	t.Helper()
	a := x.agree(t, budget, "left")
	for _, q := range p {
		r, err := x.mallory.Query(t.Context(), sdk.Query{
			Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: each(len(p)), SQL: fmt.Sprintf("SELECT cell, COUNT(*) AS n FROM trial WHERE %s GROUP BY cell", where(q)),
		})
		if err != nil {
			return nil, 0, false
		}
		answers, rho = append(answers, column(r, "n")), rho+float64(paid(r))*1e-5
	}
	return answers, rho, rho > 0
}

// fit learns the sign and weight of each answer on the first third, and returns the accuracy on the second and on the third.
func (x *arena) fit(answers [][]float64) (score, unseen float64) {
	third := cells / 3
	weights, shift := make([]float64, len(answers)), 0.0
	for i, y := range answers {
		var mean [2]float64
		var n [2]float64
		for c := range third {
			k := digit(x.secret[c])
			mean[k], n[k] = mean[k]+known(y[c]), n[k]+1
		}
		mean[0], mean[1] = mean[0]/max(n[0], 1), mean[1]/max(n[1], 1)
		weights[i] = mean[1] - mean[0]
		shift += weights[i] * (mean[0] + mean[1]) / 2
	}
	accuracy := func(from int) float64 {
		right := 0
		for c := from; c < from+third; c++ {
			s := -shift
			for i, y := range answers {
				s += weights[i] * known(y[c])
			}
			right += digit((s > 0) == x.secret[c])
		}
		return float64(right) / float64(third)
	}
	return accuracy(third), accuracy(2 * third)
}

// TestSearch runs a short search; JALI_SEARCH says how long (make attacks-search TIME=24h).
func TestSearch(t *testing.T) {
	limit := 8 * time.Second
	if s := os.Getenv("JALI_SEARCH"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		limit = d
	}
	search(t, newArena(t), limit)
}
