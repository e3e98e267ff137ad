package gateway

import (
	"testing"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// The largest change that one person can make to a sum over any selected cells, found by going through all ways to put at most R
// rows into cells, at most C in each of at most L0, each row worth at most u.
func TestSelectedBound(t *testing.T) {
	column := &catalog.Column{ClipLo: -3, ClipHi: 7}
	for _, kind := range []query.ItemKind{query.Persons, query.Rows, query.Sum} {
		for _, center := range []int64{0, 2, 9} {
			for rows := int64(1); rows <= 8; rows++ {
				for groups := int64(1); groups <= 5; groups++ {
					for percol := int64(1); percol <= 4; percol++ {
						it := query.Item{Kind: kind}
						if kind == query.Sum {
							it.Col, it.Center = &query.ColumnRef{Column: column}, center
						}
						b := query.Bounds{Rows: rows, Groups: groups, PerCol: percol}
						if got, want := selectedBound(b, it).Int64(), worst(kind, b, max(7-center, center+3)); got != want {
							t.Fatalf("%s, center %d, %+v: %d, want %d", kind, center, b, got, want)
						}
					}
				}
			}
		}
	}
}

// worst fills one cell after the other as full as it goes, in every way.
func worst(kind query.ItemKind, b query.Bounds, unit int64) int64 {
	if b.Groups == 0 || b.Rows == 0 {
		return 0
	}
	var most int64
	for n := int64(1); n <= min(b.PerCol, b.Rows); n++ {
		here := n
		switch kind {
		case query.Persons:
			here = 1
		case query.Sum:
			here = n * unit
		}
		rest := query.Bounds{Rows: b.Rows - n, Groups: b.Groups - 1, PerCol: b.PerCol}
		most = max(most, here+worst(kind, rest, unit))
	}
	return most
}

func TestPlacesOf(t *testing.T) {
	list := []catalog.Value{catalog.StringValue("a"), catalog.StringValue("b"), catalog.StringValue("c")}
	cells := []catalog.Value{catalog.StringValue("c"), catalog.StringValue("a"), {}}
	got := placesOf(cells, list)
	if len(got) != 3 || got[0] != 2 || got[1] != 0 || got[2] != -1 {
		t.Errorf("places %v: labels must be at their places in the whole list, and NULL nowhere", got)
	}
	if mappingOf("t.c", list) == mappingOf("t.d", list) || mappingOf("t.c", list) == mappingOf("t.c", list[:2]) {
		t.Error("two lists have one digest")
	}
	if mappingOf("t.c,t.d", list[:1], list[1:]) == mappingOf("t.c,t.d", list[:2], list[2:]) {
		t.Error("two pairs of lists have one digest")
	}
}

func TestPublicBound(t *testing.T) {
	rows := query.Item{Kind: query.Rows}
	sum := query.Item{Kind: query.Sum, Col: &query.ColumnRef{Column: &catalog.Column{ClipLo: 0, ClipHi: 1_000_000}}}
	for _, test := range []struct {
		rows int64
		item query.Item
		want int64
		ok   bool
	}{{0, rows, 1, true}, {1, rows, 1, true}, {1000, rows, 1024, true}, {1024, rows, 1024, true}, {1025, sum, 2048 * 1_000_000, true}, {1 << 50, sum, 0, false}} {
		if got, ok := publicBound(test.rows, test.item); ok != test.ok || ok && got != test.want {
			t.Errorf("%d rows of %s: %d, %v", test.rows, test.item.Kind, got, ok)
		}
	}
}
