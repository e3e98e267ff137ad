package protect

import (
	"math/big"
	"testing"

	"jali/crypto/noise"
	"jali/gateway/catalog"
)

// A block item has one number for its cells together, in the first of them, and draws once for it: 2 groups of 5 bins and "other".
func TestBlocksOfCells(t *testing.T) {
	labels := func(n int) []catalog.Value {
		var out []catalog.Value
		for i := range n {
			out = append(out, catalog.Value{Kind: catalog.Int, N: int64(i)})
		}
		return out
	}
	v := noise.Variance{Num: big.NewInt(1), Den: big.NewInt(1)}
	spec := Spec{
		Groups:  []Domain{{Name: "g", Labels: labels(2)}, {Name: "bin", Labels: append(labels(5), catalog.Value{})}},
		Items:   []Item{{Name: "rows", Sigma2: v}, {Name: "rows per 2", Sigma2: v, Block: 2}},
		Outputs: []Output{{Name: "g", Kind: OutGroup}, {Name: "bin", Kind: OutGroup, Group: 1}, {Name: "rows", Kind: OutCount}, {Name: "rows per 2", Kind: OutCount, N: 1}},
	}
	c, err := check(spec)
	if err != nil {
		t.Fatal(err)
	}
	exact := make([]*big.Int, 12)
	for i := range exact {
		exact[i] = big.NewInt(int64(1) << i)
	}
	draws := 0
	r, err := release(NewRaw(Cells{Values: [][]*big.Int{exact, exact}}), c, func(*noise.Gaussian) (*big.Int, error) { draws++; return new(big.Int), nil })
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{1 + 2, 0, 4 + 8, 0, 16, 32, 64 + 128, 0, 256 + 512, 0, 1024, 2048}
	for i, w := range want {
		got := r.Rows[i].Values[3]
		if w == 0 && !got.Absent || w != 0 && (got.Absent || got.Fixed.Int64() != w) {
			t.Errorf("cell %d has the block number %+v, want %d (0: none)", i, got, w)
		}
		if one := r.Rows[i].Values[2]; one.Absent || one.Fixed.Int64() != 1<<i {
			t.Errorf("cell %d has the number %+v, want %d", i, one, 1<<i)
		}
	}
	if draws != 12+8 {
		t.Errorf("%d draws, want one for each of 12 cells and 8 blocks", draws)
	}
	again, err := Decode(Encode(r))
	if err != nil {
		t.Fatal(err)
	}
	if string(Encode(again)) != string(Encode(r)) {
		t.Error("a table with blocks is not the same after a replay")
	}
	for _, bad := range []Spec{
		{Items: []Item{{Name: "rows", Sigma2: v, Block: 2}}, Outputs: []Output{{Name: "rows", Kind: OutCount}}},
		{Items: []Item{{Name: "rows", Sigma2: v, Block: -1}}, Outputs: []Output{{Name: "rows", Kind: OutCount}}},
	} {
		if err := bad.Check(); err == nil {
			t.Errorf("accepted: %+v", bad)
		}
	}
}
