package analysis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"jali/sdk/stat"
)

// recorded is the canonical JSON of a released table (docs/api.md, "Result"), as far as an analysis needs it.
type recorded struct {
	Columns []struct {
		Name string `json:"name"`
		Role string `json:"role"`
	} `json:"columns"`
	Rows [][]json.RawMessage `json:"rows"`
}

// table reads the recorded histogram: every cell of the full domain, in catalogue order, the last group column running fastest.
// A label that is NULL, the group "other", stays out unless missing is set: statistics are of complete cases.
func (s Spec) table(result []byte, missing bool) (stat.Table, error) {
	return s.measure(result, s.Count, missing, false)
}

// level reads the numbers of one level of a hierarchy. They stand in the first cell of each block; the others are 0.
func (s Spec) level(result []byte, l Level) (stat.Table, error) {
	return s.measure(result, l.Count, false, true)
}

func (s Spec) measure(result []byte, name string, missing, sparse bool) (stat.Table, error) {
	var r recorded
	dec := json.NewDecoder(bytes.NewReader(result))
	dec.UseNumber()
	if err := dec.Decode(&r); err != nil {
		return stat.Table{}, fmt.Errorf("%w: the recorded result cannot be read", ErrSpec)
	}
	count := -1
	for i, c := range r.Columns {
		switch {
		case i < len(s.Dims) && c.Role != "group", i >= len(s.Dims) && c.Role == "group":
			return stat.Table{}, fmt.Errorf("%w: the recorded groups are not those of the analysis", ErrSpec)
		case c.Role == "measure" && c.Name == name:
			count = i
		}
	}
	if count < 0 || len(r.Columns) < len(s.Dims) {
		return stat.Table{}, fmt.Errorf("%w: the recorded result has no count of this name", ErrSpec)
	}
	sigma, err := s.sigma()
	if err != nil {
		return stat.Table{}, err
	}
	labels, err := s.labels(r)
	if err != nil {
		return stat.Table{}, err
	}
	t := stat.Table{Sigma: sigma}
	keep := make([][]bool, len(s.Dims))
	for d, dim := range s.Dims {
		out := stat.Dim{Name: dim.Name}
		if len(dim.Lo) != len(dim.Hi) || len(dim.Lo) > 0 && len(dim.Lo) != len(labels[d]) {
			return stat.Table{}, fmt.Errorf("%w: the bins of %s are not those recorded", ErrSpec, dim.Name)
		}
		keep[d] = make([]bool, len(labels[d]))
		for i, label := range labels[d] {
			if label == "null" && !missing {
				continue
			}
			keep[d][i] = true
			out.Labels = append(out.Labels, labelText(label))
			if len(dim.Lo) > 0 {
				out.Lo, out.Hi = append(out.Lo, float64(dim.Lo[i])), append(out.Hi, float64(dim.Hi[i]))
			}
		}
		t.Dims = append(t.Dims, out)
	}
	index := make([]int, len(s.Dims))
	for _, row := range r.Rows {
		kept := true
		for d, i := range index {
			kept = kept && keep[d][i]
		}
		if kept {
			n, err := cell(row[count], sparse)
			if err != nil {
				return stat.Table{}, err
			}
			t.Cells = append(t.Cells, n)
		}
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < len(labels[d]) {
				break
			}
			index[d] = 0
		}
	}
	return t, t.Check()
}

// labels finds each dimension's labels in order, and checks that the rows are their full product in that order.
func (s Spec) labels(r recorded) ([][]string, error) {
	labels, seen := make([][]string, len(s.Dims)), make([]map[string]bool, len(s.Dims))
	for d := range seen {
		seen[d] = map[string]bool{}
	}
	for _, row := range r.Rows {
		if len(row) != len(r.Columns) {
			return nil, fmt.Errorf("%w: a recorded row does not fit the columns", ErrSpec)
		}
		for d := range s.Dims {
			if l := string(bytes.TrimSpace(row[d])); !seen[d][l] {
				seen[d][l], labels[d] = true, append(labels[d], l)
			}
		}
	}
	cells := 1
	for d := range labels {
		cells *= len(labels[d])
	}
	if cells != len(r.Rows) {
		return nil, fmt.Errorf("%w: the recorded rows are not all cells of the groups", ErrSpec)
	}
	for i, row := range r.Rows {
		k := i
		for d := len(labels) - 1; d >= 0; d-- {
			if string(bytes.TrimSpace(row[d])) != labels[d][k%len(labels[d])] {
				return nil, fmt.Errorf("%w: the recorded rows are not in order", ErrSpec)
			}
			k /= len(labels[d])
		}
	}
	return labels, nil
}

// labelText is a label as people write it.
func labelText(raw string) string {
	if raw == "null" {
		return "(missing)"
	}
	var s string
	if json.Unmarshal([]byte(raw), &s) == nil {
		return s
	}
	return raw
}

func cell(raw json.RawMessage, sparse bool) (float64, error) {
	if sparse && string(bytes.TrimSpace(raw)) == "null" {
		return 0, nil
	}
	var n json.Number
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'"'}) {
		return 0, fmt.Errorf("%w: a cell of the histogram is no number", ErrSpec)
	}
	if err := json.Unmarshal(raw, &n); err != nil || n == "" {
		return 0, fmt.Errorf("%w: a cell of the histogram is hidden", ErrSpec)
	}
	x, err := n.Float64()
	if err != nil || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%w: a cell of the histogram is no number", ErrSpec)
	}
	return x, nil
}
