package analysis

import (
	"errors"
	"strings"

	"jali/sdk/stat"
)

// Check derives the statistic from a table of nothing but zeros over the given labels, "" standing for NULL. It finds what no table
// with these groups could be derived with, so that such a question is refused instead of charged. A planner calls it: Count, Sigma2
// and Levels need not be set yet.
func (s Spec) Check(labels [][]string) error {
	t := stat.Table{Sigma: 1}
	cells := 1
	missing := s.Statistic == Crosstab || s.Statistic == Histogram
	for i, dim := range s.Dims {
		out := stat.Dim{Name: dim.Name}
		for k, l := range labels[i] {
			if l == "" && !missing {
				continue
			}
			out.Labels = append(out.Labels, l)
			if len(dim.Lo) > 0 {
				out.Lo, out.Hi = append(out.Lo, float64(dim.Lo[k])), append(out.Hi, float64(dim.Hi[k]))
			}
		}
		cells *= len(out.Labels)
		t.Dims = append(t.Dims, out)
	}
	t.Cells = make([]float64, cells)
	if err := t.Check(); err != nil {
		return err
	}
	d := deriver{spec: s, table: t}
	return d.run()
}

// Reason is what an error of Check says beyond its kind, for people who asked.
func Reason(err error) string {
	text := err.Error()
	for _, kind := range []error{stat.ErrArgument, stat.ErrTable, ErrSpec} {
		if errors.Is(err, kind) {
			text = strings.TrimPrefix(text[max(0, strings.Index(text, kind.Error())):], kind.Error()+": ")
		}
	}
	return text
}
