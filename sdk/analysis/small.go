package analysis

import (
	"fmt"
	"strings"

	"jali/sdk/stat"
)

// The work of a derived table must stay near linear in its cells: it is done outside of response slots, and again for each replay.

// maxFigures bounds the rows that a list of shares or times makes of the groups, maxSteps the bins that are gone through for them: each figure
// reckons its noise at up to 512 edges, over all bins.
const (
	maxFigures = 100_000
	maxSteps   = 1 << 28
)

// reckoned holds groups of so many bins, each with so many figures, to the limits.
func reckoned(groups, bins, figures int) error {
	if all := groups * figures; all > maxFigures || all*bins > maxSteps/min(bins, 512) {
		return fmt.Errorf("%w: %d groups of %d bins with %d figures each are too many: ask for fewer of one of them", ErrSpec, groups, bins, figures)
	}
	return nil
}

// totals are the noisy numbers of persons behind the groups of some columns, by the labels of the group.
type totals map[string]float64

// small tells that the noisy number behind a group is below what policy shows.
func (d *deriver) small(group []string) string {
	if d.spec.MinGroup <= 0 {
		return ""
	}
	n := min(len(group), len(d.spec.By))
	sums, known := d.behind[n]
	if !known {
		sums = d.count(d.spec.By[:n])
		if d.behind == nil {
			d.behind = map[int]totals{}
		}
		d.behind[n] = sums
	}
	if sum, known := sums[groupKey(group[:n])]; known && sum < float64(d.spec.MinGroup) {
		return fmt.Sprintf("hidden: the noisy number behind it is below %d", d.spec.MinGroup)
	}
	return ""
}

// count sums the table down to the columns.
func (d *deriver) count(by []string) totals {
	m, err := d.table.Over(by...)
	if err != nil {
		return nil // the statistic has said so itself
	}
	return sumsOf(m)
}

func sumsOf(m stat.Table) totals {
	out, group, index := totals{}, make([]string, len(m.Dims)), make([]int, len(m.Dims))
	for _, n := range m.Cells {
		for i, at := range index {
			group[i] = m.Dims[i].Labels[at]
		}
		out[groupKey(group)] = n
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < len(m.Dims[i].Labels) {
				break
			}
			index[i] = 0
		}
	}
	return out
}

// groupKey is injective: labels are printable, and NUL is not.
func groupKey(group []string) string { return strings.Join(group, "\x00") }
