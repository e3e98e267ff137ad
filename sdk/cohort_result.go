package sdk

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	jaliv1 "jali/proto/jali/v1"
)

// z95 is the two-sided 95 % normal quantile, rounded up.
const z95 = 1.959964

// cohortResult makes the answer from the decrypted numbers: one row with one measure, or one for each group.
func cohortResult(aggregate, group string, parts []*jaliv1.CohortAggregate, numbers []int64) (*CohortResult, error) {
	want := map[string]int{"count": 1, "sum": 1, "mean": 2}[aggregate]
	if want == 0 || len(parts) == 0 || len(parts)%want != 0 || len(numbers) != len(parts) || group == "" && len(parts) != want {
		return nil, errors.New("the reply does not have the numbers that were asked for")
	}
	last := parts[want-1]
	measure := Column{Name: aggregate, Recorded: last.GetName(), Kind: aggregate, Role: "measure", Unit: last.GetUnit()}
	if aggregate == "mean" {
		measure.Recorded = "mean of " + last.GetName()
	}
	out := &CohortResult{Result: Result{Columns: []Column{measure}}}
	if group != "" {
		name := group[strings.LastIndex(group, ".")+1:]
		out.Columns = []Column{{Name: name, Recorded: name, Kind: groupKind(parts), Role: "group"}, measure}
	}
	for len(parts) > 0 {
		mine, values := parts[:want], numbers[:want]
		parts, numbers = parts[want:], numbers[want:]
		last := mine[want-1]
		value, half := fixed(values[0], last.GetDecimals()), fixed(last.GetHalfWidth(), last.GetDecimals())
		if aggregate == "mean" {
			if value, half = cohortMean(mine, values); value.IsNull() {
				out.HiddenGroups++
			}
		}
		row := []Value{value}
		if group != "" {
			for _, p := range mine {
				if p.GetGroup() == nil || p.GetGroup().GetText() != mine[0].GetGroup().GetText() || p.GetGroup().GetKind() != mine[0].GetGroup().GetKind() {
					return nil, errors.New("the reply does not have its numbers group by group")
				}
			}
			row = []Value{labelValue(last.GetGroup()), value}
		}
		out.Rows, out.Error95 = append(out.Rows, row), append(out.Error95, []Value{half})
	}
	return out, nil
}

// groupKind is the type of the labels: of the first that is one.
func groupKind(parts []*jaliv1.CohortAggregate) string {
	for _, p := range parts {
		if kind := p.GetGroup().GetKind(); kind != "" {
			return kind
		}
	}
	return "text"
}

// labelValue is a group's label as in SQL answers: numbers are numbers, dates text, and what is on no list null.
func labelValue(g *jaliv1.GroupLabel) Value {
	switch g.GetKind() {
	case "":
		return Value{}
	case "integer", "decimal":
		return Value{kind: number, text: g.GetText()}
	}
	return Value{kind: text, text: g.GetText()}
}

// cohortMean is center + sum/count with Fieller's interval (Fieller 1954), as for averages in SQL; null where the count is below
// four of its standard deviations, where a ratio says nothing.
func cohortMean(parts []*jaliv1.CohortAggregate, numbers []int64) (value, half Value) {
	spread := func(p *jaliv1.CohortAggregate) float64 { return (float64(p.GetHalfWidth()) + 0.5) / z95 }
	n, s := float64(numbers[0]), float64(numbers[1])
	sn, ss := spread(parts[0]), spread(parts[1])
	if n < 1 || n < 4*sn {
		return Value{}, Value{}
	}
	scale := math.Pow10(int(parts[1].GetDecimals()))
	ratio := s / n
	g := z95 * sn / n * (z95 * sn / n)
	h := (math.Abs(ratio)*g + z95/n*math.Sqrt(ss*ss*(1-g)+ratio*sn*ratio*sn)) / (1 - g)
	return float((float64(parts[1].GetCenter()) + ratio) / scale), float(h / scale)
}

func float(x float64) Value {
	return Value{kind: number, text: strconv.FormatFloat(x, 'g', 10, 64)}
}

// fixed is n / 10^decimals without floating point.
func fixed(n int64, decimals int32) Value {
	s, sign := strconv.FormatInt(n, 10), ""
	if n < 0 {
		s, sign = s[1:], "-"
	}
	if d := int(decimals); d > 0 {
		if len(s) <= d {
			s = strings.Repeat("0", d+1-len(s)) + s
		}
		s = s[:len(s)-d] + "." + s[len(s)-d:]
	}
	return Value{kind: number, text: sign + s}
}

// MarshalJSON is the object of `jali cohort --format json`: that of `jali query` with the bytes that travelled.
func (r *CohortResult) MarshalJSON() ([]byte, error) {
	plain, err := json.Marshal(&r.Result)
	if err != nil {
		return nil, err
	}
	extra, err := json.Marshal(struct {
		Up   int64 `json:"uploaded_bytes"`
		Down int64 `json:"downloaded_bytes"`
	}{r.UploadedBytes, r.DownloadedBytes})
	if err != nil {
		return nil, err
	}
	return append(append(plain[:len(plain)-1], ','), extra[1:]...), nil
}
