package engine

import (
	"errors"
	"maps"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/protect"
	"jali/gateway/query"
)

// uncapped is a compiled plan with bounds that cut nothing and sums that are not centred, as mode sdc asks for.
func uncapped(t *testing.T, e *Engine, sql string) *query.Plan {
	t.Helper()
	p, err := query.Compile(e.catalog, sql)
	if err != nil {
		t.Fatal(err)
	}
	p.Bounds.Groups, p.Bounds.PerCol = p.Bounds.Rows, p.Bounds.Rows
	far := new(big.Int).Lsh(big.NewInt(1), 60)
	for i := range p.Items {
		p.Items[i].Center, p.Items[i].Lo, p.Items[i].Hi = 0, new(big.Int).Neg(far), far
		if p.Items[i].Col == nil {
			p.Items[i].Lo, p.Items[i].Hi = new(big.Int), big.NewInt(p.Bounds.Rows)
		}
	}
	return p
}

// TestMembers compares persons, contributions and totals with what a second query per person gives.
func TestMembers(t *testing.T) {
	e, _ := small(t)
	for _, sql := range []string{
		"SELECT kind, COUNT(*), SUM(cost), COUNT(DISTINCT person_id) FROM event GROUP BY kind",
		"SELECT sex, region, SUM(income), COUNT(*) FROM person GROUP BY sex, region",
		"SELECT p.sex, SUM(e.cost), COUNT(e.cost) FROM person p JOIN event e ON e.person_id = p.person_id WHERE e.flag = 1 GROUP BY p.sex",
		"SELECT COUNT(*) FROM person WHERE area = 'a1'",
	} {
		plan := uncapped(t, e, sql)
		cells, err := e.members(t.Context(), plan)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		plain, err := e.run(t.Context(), plan, [32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		for j := range plan.Items {
			for c := range cells.Values[j] {
				x := plain.Values[j][c]
				if x == nil {
					x = new(big.Int)
				}
				if cells.Values[j][c].Cmp(x) != 0 {
					t.Errorf("%s: item %d of cell %d is %v, want %v", sql, j, c, cells.Values[j][c], x)
				}
			}
		}
		found := 0
		for c, persons := range cells.Members.Persons {
			found += len(persons)
			by := map[uint32][]int64{}
			for p, values := range onePersonAtATime(t, e, plan, c) {
				by[p] = values
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(by)), persons, cmp.Transformer("nil", func(s []uint32) []uint32 { return append([]uint32{}, s...) })); diff != "" {
				t.Errorf("%s: persons of cell %d: %s", sql, c, diff)
			}
			for j, shares := range cells.Members.Shares {
				if plan.Items[j].Kind == query.Persons {
					if shares != nil {
						t.Errorf("%s: item %d counts persons and has shares", sql, j)
					}
					continue
				}
				checkShare(t, sql, shares[c], persons, by, j)
			}
		}
		if found == 0 {
			t.Errorf("%s finds nobody: the test compares nothing", sql)
		}
	}
}

// onePersonAtATime runs the plan over each person alone.
func onePersonAtATime(t *testing.T, e *Engine, plan *query.Plan, cell int) map[uint32][]int64 {
	t.Helper()
	out := map[uint32][]int64{}
	s, err := newStreaming(plan, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	for p := range e.persons {
		l, err := e.share(t.Context(), s, p, p+1, true)
		if err != nil {
			t.Fatal(err)
		}
		if l.totals[cell].persons == 0 {
			continue
		}
		for j := range plan.Items {
			out[uint32(p)] = append(out[uint32(p)], l.value(j, cell).Int64())
		}
	}
	return out
}

func checkShare(t *testing.T, sql string, s protect.Share, persons []uint32, by map[uint32][]int64, item int) {
	t.Helper()
	var some []uint32
	var sizes, each []int64
	total := int64(0)
	for _, p := range persons {
		x := max(by[p][item], -by[p][item])
		if x != 0 {
			some, each = append(some, p), append(each, x)
		}
		sizes, total = append(sizes, x), total+x
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	sizes = append(sizes, 0, 0)
	if !slices.Equal(some, s.Persons) || s.Total.Int64() != total || s.First != sizes[0] || s.Second != sizes[1] {
		t.Errorf("%s: item %d: share of %d persons, %d and %d of %v; want %d, %d and %d of %d", sql, item, len(s.Persons), s.First, s.Second, s.Total, len(some), sizes[0], sizes[1], total)
	}
	if got := s.Each; got == nil && slices.ContainsFunc(each, func(x int64) bool { return x != 1 }) || got != nil && !slices.Equal(got, each) {
		t.Errorf("%s: item %d: each adds %v, want %v", sql, item, got, each)
	}
}

// A plan that may cut, or whose groups come from the data, has no exact members.
func TestMembersRefusesCaps(t *testing.T) {
	e, _ := small(t)
	for _, sql := range []string{
		"SELECT kind, COUNT(*) FROM event GROUP BY kind",
		"SELECT ward, COUNT(DISTINCT person_id) FROM event GROUP BY ward",
	} {
		p, err := query.Compile(e.catalog, sql)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.RunMembers(t.Context(), p); !errors.Is(err, ErrExecute) || !errors.Is(err, errPlan) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// Shares of a stream are put together with what each person adds, also where all of a share's add 1.
func TestJoinShares(t *testing.T) {
	for _, c := range []struct{ first, second, want []int64 }{
		{[]int64{1, 1}, []int64{1}, nil},
		{[]int64{1, 1}, []int64{5, 1}, []int64{1, 1, 5, 1}},
		{[]int64{-2, 1}, []int64{1, 1}, []int64{2, 1, 1, 1}},
		{[]int64{1, 7}, []int64{0, 3}, []int64{1, 7, 3}},
		{nil, []int64{4}, []int64{4}},
		{[]int64{4}, nil, []int64{4}},
	} {
		s := protect.Share{Total: new(big.Int)}
		who := uint32(0)
		for _, values := range [][]int64{c.first, c.second} {
			var p part
			for _, x := range values {
				p.add(who, x)
				who++
			}
			s = join(s, p)
		}
		if !slices.Equal(s.Each, c.want) || s.Each != nil && len(s.Each) != len(s.Persons) {
			t.Errorf("%v and %v give %v for %v, want %v", c.first, c.second, s.Each, s.Persons, c.want)
		}
	}
}
