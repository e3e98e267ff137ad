package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"jali/gateway/catalog"
	"jali/gateway/query"
)

// run says that stored numbers from start up to the next run's start have a label, by index; -1: no label.
type run struct {
	start int64
	label int32
}

// runs maps every number to a label. The first run starts at MinInt64, adjacent runs differ in label.
type runs []run

// labelRuns maps what a column stores as numbers to the labels of a band, or of the column itself. labels are the labels of
// interest in their order; every other value has none. It fails for a column stored as text.
func labelRuns(r query.ColumnRef, labels []catalog.Value) (runs, error) {
	enc := encodingOf(r.Column)
	if enc.kind == texts {
		return nil, errStreamOnly
	}
	index := make(map[catalog.Value]int32, len(labels))
	for i, v := range labels {
		if v.Kind != catalog.Null {
			index[v] = int32(i)
		}
	}
	of := func(v catalog.Value) int32 {
		if i, ok := index[v]; ok {
			return i
		}
		return -1
	}
	var spans []run // start of a span and its label; a span ends where the next begins
	cover := func(lo, hi int64, label int32) {
		spans = append(spans, run{lo, label}, run{hi, -1})
	}
	switch {
	case r.Band == nil && enc.kind == codes:
		for i, v := range r.Column.Codes {
			cover(int64(i), int64(i)+1, of(v))
		}
	case r.Band == nil:
		for i, v := range labels {
			if v.Kind == catalog.Null {
				continue
			}
			if v.Kind != r.Column.Kind() || v.N == math.MaxInt64 {
				return nil, fmt.Errorf("%w: label of another type", errPlan)
			}
			cover(v.N, v.N+1, int32(i))
		}
		slices.SortStableFunc(spans, func(a, b run) int {
			if d := order(catalog.IntValue(a.start), catalog.IntValue(b.start)); d != 0 {
				return d
			}
			return int(a.label) - int(b.label) // where one span ends and another begins, the beginning counts
		})
	case r.Band.Kind == catalog.BandCuts:
		for i, v := range r.Band.Labels {
			cover(r.Band.Cuts[i], r.Band.Cuts[i+1], of(v))
		}
	case r.Band.Kind == catalog.BandYear:
		for _, v := range r.Band.Labels {
			cover(civilDay(v.N, 1, 1), civilDay(v.N+1, 1, 1), of(v))
		}
	case r.Band.Kind == catalog.BandPrefix:
		for i, v := range r.Column.Codes {
			if len(v.S) >= r.Band.Prefix {
				cover(int64(i), int64(i)+1, of(catalog.StringValue(v.S[:r.Band.Prefix])))
			}
		}
	default:
		return nil, fmt.Errorf("%w: unknown band", errPlan)
	}
	out := runs{{math.MinInt64, -1}}
	for _, s := range spans {
		last := &out[len(out)-1]
		switch {
		case s.start == last.start && len(out) > 1:
			last.label = s.label
			if out[len(out)-2].label == s.label {
				out = out[:len(out)-1]
			}
		case s.label != last.label:
			out = append(out, s)
		}
	}
	return out, nil
}

// label finds the label of a number.
func (r runs) label(n int64) int32 {
	i, found := slices.BinarySearchFunc(r, n, func(x run, n int64) int { return order(catalog.IntValue(x.start), catalog.IntValue(n)) })
	if !found {
		i--
	}
	return r[i].label
}

// total reports whether every number in [lo, hi] has a label.
func (r runs) total(lo, hi int64) bool {
	for i, x := range r {
		end := int64(math.MaxInt64)
		if i+1 < len(r) {
			end = r[i+1].start - 1
		}
		if x.label < 0 && x.start <= hi && end >= lo {
			return false
		}
	}
	return true
}

// caseOf writes the label index of x as a balanced CASE tree; numbers without label and NULL give NULL.
func (r runs) caseOf(x string) string {
	var tree func(r runs) string
	tree = func(r runs) string {
		if len(r) == 1 {
			if r[0].label < 0 {
				return "NULL::INTEGER"
			}
			return strconv.Itoa(int(r[0].label))
		}
		m := len(r) / 2
		return fmt.Sprintf("CASE WHEN %s < %d THEN %s ELSE %s END", x, r[m].start, tree(r[:m]), tree(r[m:]))
	}
	return "CASE WHEN " + x + " IS NULL THEN NULL ELSE " + tree(r) + " END"
}

// within writes whether x has a label that want picks: NULL for NULL.
func (r runs) within(x string, want func(label int32) bool) string {
	var points, spans []string
	for i, s := range r {
		if s.label < 0 && !want(-1) || s.label >= 0 && !want(s.label) {
			continue
		}
		// Neighbouring runs that are both wanted are written apart; the optimizer does not mind.
		switch {
		case i+1 < len(r) && r[i+1].start == s.start+1:
			points = append(points, strconv.FormatInt(s.start, 10))
		case i+1 == len(r):
			spans = append(spans, fmt.Sprintf("%s >= %d", x, s.start))
		case i == 0:
			spans = append(spans, fmt.Sprintf("%s < %d", x, r[1].start))
		default:
			spans = append(spans, fmt.Sprintf("%s >= %d AND %s < %d", x, s.start, x, r[i+1].start))
		}
	}
	if len(points) > 0 {
		spans = append(spans, x+" IN ("+strings.Join(points, ", ")+")")
	}
	if len(spans) == 0 {
		return "(" + x + " <> " + x + ")" // false, and NULL for NULL
	}
	return "(" + strings.Join(spans, " OR ") + ")"
}

// among writes whether a band's label, or the code of a coded column, is one that want picks. A value without label is NULL
// in SQL's sense. isNull asks for the opposite question: whether there is no label.
func (w *writer) among(r query.ColumnRef, x string, want func(catalog.Value) bool, isNull bool) error {
	labels := r.Column.Codes
	if r.Band != nil {
		labels = r.Band.Labels
	}
	enc := encodingOf(r.Column)
	if enc.kind == texts {
		return w.amongPrefixes(r, x, want, isNull)
	}
	all, err := labelRuns(r, labels)
	if err != nil {
		return err
	}
	known := all.within(x, func(l int32) bool { return l >= 0 })
	total := all.total(enc.lo, enc.hi)
	if isNull {
		if total {
			known = "true"
		}
		w.WriteString("(" + x + " IS NULL OR NOT " + known + ")")
		return nil
	}
	chosen := all.within(x, func(l int32) bool { return l >= 0 && want(labels[l]) })
	if total {
		w.WriteString(chosen)
	} else {
		w.WriteString("(CASE WHEN " + known + " THEN " + chosen + " END)")
	}
	return nil
}

// amongPrefixes is among for a prefix band of text without codes. Labels are bound: they are text, if only the catalogue's.
func (w *writer) amongPrefixes(r query.ColumnRef, x string, want func(catalog.Value) bool, isNull bool) error {
	if r.Band == nil || r.Band.Kind != catalog.BandPrefix {
		return fmt.Errorf("%w: band of text", errPlan)
	}
	list := func(want func(catalog.Value) bool) {
		w.WriteString("(")
		any := false
		for _, v := range r.Band.Labels {
			if want(v) {
				if any {
					w.WriteString(" OR ")
				}
				any = true
				w.WriteString("starts_with(" + x + ", ")
				w.bind(v)
				w.WriteString(")")
			}
		}
		if !any {
			w.WriteString(x + " <> " + x)
		}
		w.WriteString(")")
	}
	all := func(catalog.Value) bool { return true }
	if isNull {
		w.WriteString("(" + x + " IS NULL OR NOT ")
		list(all)
		w.WriteString(")")
		return nil
	}
	w.WriteString("(CASE WHEN ")
	list(all)
	w.WriteString(" THEN ")
	list(want)
	w.WriteString(" END)")
	return nil
}
