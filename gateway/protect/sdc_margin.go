package protect

import (
	"github.com/RoaringBitmap/roaring/v2"
)

// Totals are not printed: whoever wants one adds up printed cells. These sums are figures too. When an organisation has been told
// the total of the same persons in another question, its difference to the sum is a count of those in withheld cells. So every
// sum along the table's columns is held to the rule for overlaps, and where it breaks it the smallest printed cell of the sum is
// withheld too (complementary suppression), until none does.
//
// Sums of cells that do not run along columns are not looked at here: jali-gateway sdc audit does (Memory.Audit).

// margin is the union of the printed cells of a line, plane, ... of the table, or of all of it.
type margin struct {
	set   *told
	cells []int
}

// defendMargins withholds cells until no margin clashes with what is known, and returns the margins.
func (t *ruling) defendMargins(known []*told) []*told {
	for {
		margins := t.margins()
		clash := -1
		for i, m := range margins {
			if m.set.clashes(known, t.rules.K) {
				clash = i
				break
			}
		}
		if clash < 0 {
			out := make([]*told, len(margins))
			for i, m := range margins {
				out[i] = m.set
			}
			return out
		}
		least := margins[clash].cells[0]
		for _, i := range margins[clash].cells {
			if t.persons(i) < t.persons(least) {
				least = i
			}
		}
		t.show[least] = false
	}
}

// margins lists the sums that can be made: for each choice of columns to add over, the lines with two printed cells or more whose
// cells share no person. Where they do, sums count persons twice and tell of no set.
func (t *ruling) margins() []margin {
	var out []margin
	for over := 1; over < 1<<len(t.Groups); over++ {
		lines := map[int][]int{}
		var order []int
		for i, c := range t.cells {
			if !t.show[i] {
				continue
			}
			at := 0
			for g, d := range t.Groups {
				at *= len(d.Labels)
				if over>>g&1 == 0 {
					at += c.ranks[g]
				}
			}
			if lines[at] == nil {
				order = append(order, at)
			}
			lines[at] = append(lines[at], i)
		}
		for _, at := range order {
			if cells := lines[at]; len(cells) > 1 {
				if m, disjoint := t.union(cells); disjoint {
					out = append(out, m)
				}
			}
		}
	}
	return out
}

func (t *ruling) union(cells []int) (margin, bool) {
	sets, sum := make([]*roaring.Bitmap, len(cells)), uint64(0)
	for j, i := range cells {
		sets[j] = t.sets[i][0].persons
		sum += sets[j].GetCardinality()
	}
	m := margin{newTold(roaring.FastOr(sets...), nil), cells}
	return m, m.set.n == sum
}
