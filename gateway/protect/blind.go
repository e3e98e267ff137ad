package protect

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"jali/crypto/cohort"
	"jali/crypto/noise"
)

// BlindSpec says how the exact numbers of an engine become vectors over which an encrypted selector is summed. It is made from
// plan and catalogue, never from data.
type BlindSpec struct {
	Params *cohort.Params
	// Select are the group columns of the plan over whose cells the secret selects, in the plan's order. Entries are the cells of
	// their published lists, the last list fastest; an entry that no cell of the engine maps to is 0.
	Select []Axis
	// Groups is the number of labels of the plan's last group column, when each of them is to get a sum of its own; 0: there is
	// no such column, and one sum over all.
	Groups int
	// Bounds has, per item, what the sum of all absolute cells cannot exceed, from public facts alone: import and the
	// catalogue imply it. A result beyond it is refused, so it must hold for every database of the catalogue.
	Bounds []int64
}

// Axis places the labels of a group column, as the engine's domain has them, in the column's published list.
type Axis struct {
	Places []int // one per label; -1 leaves its cells out
	Size   int   // of the published list
}

// Entries is how many entries there are to select from.
func (s BlindSpec) Entries() int {
	n := 1
	for _, a := range s.Select {
		n *= a.Size
	}
	return n
}

// Sums is how many encrypted sums each item gives.
func (s BlindSpec) Sums() int { return max(1, s.Groups) }

// Blinded are prepared vectors, group by group, in each item by item. Nothing but EvaluateBlind reads them. They may be kept and used again: each evaluation draws
// noise of its own and is charged for.
type Blinded struct {
	open  func() []*cohort.Table
	bytes int
}

// Bytes is what the vectors hold in memory, for caches.
func (b Blinded) Bytes() int { return b.bytes }

// BlindQuestion is an accepted, charged upload.
type BlindQuestion struct {
	Key    *cohort.Registration
	Query  cohort.Query
	Upload *cohort.Upload
}

// cut is where a draw is thrown away and drawn again, in sigmas: sums never leave the range that the parameters decrypt. It
// happens with probability below 2^-102, which the price adds to delta.
const cut = 12

// Check reports what PrepareBlind or EvaluateBlind would refuse for items of this noise. Call it before charging.
func (s BlindSpec) Check(items []Item) error {
	_, err := s.check(items)
	return err
}

func (s BlindSpec) check(items []Item) ([]*noise.Gaussian, error) {
	if s.Params == nil || len(s.Select) == 0 || s.Groups < 0 || len(items) == 0 || len(items) != len(s.Bounds) {
		return nil, fmt.Errorf("%w: parameters, lists, items and their bounds are required", ErrSpec)
	}
	for _, a := range s.Select {
		if err := a.check(); err != nil {
			return nil, err
		}
	}
	var gauss []*noise.Gaussian
	for i, it := range items {
		g, err := noise.NewGaussian(it.Sigma2)
		if err != nil {
			return nil, fmt.Errorf("%w: item %s: %w", ErrSpec, it.Name, err)
		}
		if s.Bounds[i] < 0 || s.Bounds[i] > s.room() || beyond(big.NewInt(s.room()), it.Sigma2) < 0 {
			return nil, fmt.Errorf("%w: item %s and its noise do not fit the parameter set %s", ErrSpec, it.Name, s.Params.ID())
		}
		gauss = append(gauss, g)
	}
	return gauss, nil
}

// check makes sure that no two cells share an entry.
func (a Axis) check() error {
	if a.Size < 1 || len(a.Places) == 0 {
		return fmt.Errorf("%w: a list is empty", ErrSpec)
	}
	used := make([]bool, a.Size)
	for _, place := range a.Places {
		if place >= a.Size || place < -1 || place >= 0 && used[place] {
			return fmt.Errorf("%w: a cell has no entry of its own", ErrSpec)
		}
		if place >= 0 {
			used[place] = true
		}
	}
	return nil
}

// room is half the range of the set: for the sum, and again for the noise, so that vectors serve every accuracy.
func (s BlindSpec) room() int64 { return s.Params.Limit() / 2 }

// beyond compares |y| with cut*sigma.
func beyond(y *big.Int, v noise.Variance) int {
	l := new(big.Int).Mul(y, y)
	l.Mul(l, v.Den)
	return l.Cmp(new(big.Int).Mul(v.Num, big.NewInt(cut*cut)))
}

// PrepareBlind opens an exact result and seals it again as vectors. Its errors say nothing about the data.
func PrepareBlind(raw Raw, s BlindSpec) (Blinded, error) {
	if raw.open == nil || s.Params == nil {
		return Blinded{}, fmt.Errorf("prepare vectors: %w", ErrRaw)
	}
	found := raw.open()
	if found.Keys != nil || len(found.Values) != len(s.Bounds) {
		return Blinded{}, fmt.Errorf("prepare vectors: %w", ErrRaw)
	}
	tables, bytes := make([]*cohort.Table, s.Sums()*len(s.Bounds)), 0
	for item, cells := range found.Values {
		groups, err := s.vectors(cells, s.Bounds[item])
		if err != nil {
			return Blinded{}, fmt.Errorf("prepare vectors: %w", err)
		}
		for g, values := range groups {
			t, err := cohort.PrepareTable(values, cohort.TableConfig{Params: s.Params, Low: -s.Bounds[item], High: s.Bounds[item], MaxNoise: s.room()})
			if err != nil {
				return Blinded{}, fmt.Errorf("prepare vectors: %w", ErrRaw) // its text may tell of sums
			}
			tables[g*len(s.Bounds)+item], bytes = t, bytes+t.Bytes()
		}
	}
	return Blinded{open: func() []*cohort.Table { return tables }, bytes: bytes}, nil
}

// vectors puts the cells of an item into their entries, one vector per group, and holds the sum over all to its bound.
func (s BlindSpec) vectors(cells []*big.Int, bound int64) ([][]int64, error) {
	want := s.Sums()
	for _, a := range s.Select {
		want *= len(a.Places)
	}
	if len(cells) != want {
		return nil, ErrRaw
	}
	groups, sum := make([][]int64, s.Sums()), new(big.Int)
	for g := range groups {
		groups[g] = make([]int64, s.Entries())
	}
	for i, v := range cells {
		entry := s.entry(i / s.Sums())
		if v == nil || entry < 0 {
			continue
		}
		if sum.Add(sum, new(big.Int).Abs(v)); !sum.IsInt64() || sum.Int64() > bound {
			return nil, ErrRaw
		}
		groups[i%s.Sums()][entry] = v.Int64()
	}
	return groups, nil
}

// entry is where a cell of the select columns, numbered with the last column fastest, lies among the entries; -1: nowhere.
func (s BlindSpec) entry(cell int) int {
	entry, radix := 0, 1
	for i := len(s.Select) - 1; i >= 0; i-- {
		a := s.Select[i]
		place := a.Places[cell%len(a.Places)]
		if place < 0 {
			return -1
		}
		entry += place * radix
		cell, radix = cell/len(a.Places), radix*a.Size
	}
	return entry
}

// EvaluateBlind answers a charged question: for each item of each group, in the order of Blinded, a fresh exact draw, added to the encrypted sum inside the cipher. The
// noise exists in this function only. It is called once per charge; its errors say nothing about data or selector.
func EvaluateBlind(ctx context.Context, b Blinded, s BlindSpec, items []Item, q BlindQuestion) ([]byte, error) {
	gauss, err := s.check(items)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	if b.open == nil {
		return nil, fmt.Errorf("evaluate: %w", ErrRaw)
	}
	tables := b.open()
	if len(tables) != s.Sums()*len(items) {
		return nil, fmt.Errorf("evaluate: %w", ErrRaw)
	}
	sampler, err := noise.NewSampler()
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	defer sampler.Close()
	aggregates := make([]cohort.Aggregate, len(tables))
	defer clear(aggregates)
	for i := range tables {
		eta, err := drawWithin(sampler.Draw, gauss[i%len(items)])
		if err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		aggregates[i] = cohort.Aggregate{Table: tables[i], Noise: eta}
	}
	reply, err := cohort.Evaluate(ctx, cohort.Evaluation{Key: q.Key, Query: q.Query, Upload: q.Upload, Aggregates: aggregates})
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	return reply, nil
}

// drawWithin draws until the noise is within cut sigmas. A hundred misses in a row come from a broken source.
func drawWithin(draw func(*noise.Gaussian) (*big.Int, error), g *noise.Gaussian) (int64, error) {
	for range 100 {
		y, err := draw(g)
		if err != nil {
			return 0, err
		}
		if beyond(y, g.Variance()) <= 0 && y.IsInt64() {
			return y.Int64(), nil
		}
	}
	return 0, errors.New("noise source is broken")
}
