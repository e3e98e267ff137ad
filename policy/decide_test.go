package policy

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
)

var ctx = context.Background()

// present is the time of probeInput.
func present() time.Time { return time.Unix(probeInput().Now, 0) }

func openDefault(t testing.TB) *Policy {
	t.Helper()
	p, err := Open(Config{Clock: present, Timeout: patientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecideAllows(t *testing.T) {
	p := openDefault(t)
	g, reasons, err := p.Decide(ctx, probeInput())
	if err != nil || reasons != nil {
		t.Fatalf("Decide = %v, %v; want a grant", reasons, err)
	}
	if !g.Valid(present()) || g.Valid(present().Add(grantLife)) {
		t.Error("the grant is not valid from now for its life")
	}
	if g.Bundle() != p.Digest() {
		t.Error("the grant does not name the bundle")
	}
	if diff := cmp.Diff(Obligations{MinCohort: 10, MaxCells: 100_000}, g.Obligations()); diff != "" {
		t.Error(diff)
	}
	// What is on record decides the same again, on another instance.
	v, err := openDefault(t).Active().Replay(ctx, g.Input())
	if err != nil || !v.Allowed || v.Obligations != g.Obligations() {
		t.Errorf("Replay = %+v, %v; want the same decision", v, err)
	}
	// The grant's record cannot be changed through what it hands out.
	g.Input()[0] = 'x'
	if g.Input()[0] != '{' {
		t.Error("the grant's input can be changed from outside")
	}
}

func TestGrantEndsWithAgreement(t *testing.T) {
	in := probeInput()
	in.Agreement.ValidUntil = in.Now + 5
	g, _, err := openDefault(t).Decide(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if !g.Valid(present().Add(4*time.Second)) || g.Valid(present().Add(5*time.Second)) {
		t.Error("the grant does not end with its agreement")
	}
}

func TestZeroGrantHasNoPower(t *testing.T) {
	var g Grant
	for _, at := range []time.Time{{}, present(), time.Unix(0, 0)} {
		if g.Valid(at) {
			t.Errorf("the zero grant is valid at %v", at)
		}
	}
	if g.Input() != nil || g.Obligations() != (Obligations{}) || g.Bundle() != [32]byte{} {
		t.Error("the zero grant is not empty")
	}
}

// TestProbesAreRefused: each edit is refused with one reason, of the check it breaks. The base is allowed
// (TestDecideAllows), so each refusal is the edit's.
func TestProbesAreRefused(t *testing.T) {
	codes := map[string]string{
		"another organisation": "agreement", "no organisation": "agreement", "another user": "agreement",
		"another role": "role", "suspended": "state", "ended": "state",
		"before it is valid": "validity", "after it was valid": "validity",
		"purpose not agreed": "purpose_agreed", "purpose unknown": "purpose_known",
		"another dataset": "dataset", "another table": "tables", "no table": "tables",
		"another column": "columns", "column of another table": "columns", "another sensitivity": "sensitivity",
		"another kind": "kind", "kind unknown": "kind", "another mode": "mode", "agreement of another mode": "mode",
		"below the accuracy floor": "accuracy", "above the price limit": "price", "above the rate": "rate",
		"before its hours": "hours", "after its hours": "hours",
		"size not declared": "size", "size of another rule": "size", "size too small": "size", "encrypted and not described": "size",
		"too many groups": "groups", "not opened": "opening",
	}
	b := openDefault(t).Active()
	for _, p := range probes {
		t.Run(p.name, func(t *testing.T) {
			in := probeInput()
			p.edit(&in)
			v, err := b.Replay(ctx, canonical(t, in))
			if err != nil || v.Allowed {
				t.Fatalf("Replay = %+v, %v; want a refusal", v, err)
			}
			if v.Obligations != (Obligations{}) {
				t.Error("a refusal carries obligations")
			}
			if len(v.Reasons) != 1 || v.Reasons[0].Code != codes[p.name] || v.Reasons[0].Text == "" || v.Reasons[0].Hint == "" {
				t.Errorf("reasons %+v; want one of code %q", v.Reasons, codes[p.name])
			}
		})
	}
}

func TestUnknownAgreementLooksLikeForeignOne(t *testing.T) {
	in := probeInput()
	in.Principal.Org = "elsewhere"
	g, reasons, err := openDefault(t).Decide(ctx, in)
	if err != nil || g.Valid(present()) {
		t.Fatalf("Decide = %v", err)
	}
	if diff := cmp.Diff([]Reason{NoAgreement()}, reasons); diff != "" {
		t.Error(diff)
	}
}

func TestDecideRefusesOtherTimes(t *testing.T) {
	p := openDefault(t)
	for _, skew := range []int64{61, -61, -3600, math.MaxInt32} {
		in := probeInput()
		in.Now += skew
		if g, _, err := p.Decide(ctx, in); !errors.Is(err, ErrClock) || g.Valid(present()) {
			t.Errorf("%d s off: error %v; want ErrClock", skew, err)
		}
	}
}

func TestDecideRefusesMalformedInput(t *testing.T) {
	p := openDefault(t)
	for name, edit := range map[string]func(*Input){
		"agreement.min_error": func(in *Input) { in.Agreement.MinError = math.NaN() },
		"query.error":         func(in *Input) { in.Query.Error = math.Inf(1) },
		"price.nano_rho":      func(in *Input) { in.Price.NanoRho = "1e9" },
		"price.pu":            func(in *Input) { in.Price.PU = -1 },
		"agreement.hours":     func(in *Input) { in.Agreement.Hours = []int64{0} },
		"principal.name":      func(in *Input) { in.Principal.Name = "" },
		"zero input":          func(in *Input) { *in = Input{Now: in.Now} },
	} {
		t.Run(name, func(t *testing.T) {
			in := probeInput()
			edit(&in)
			g, reasons, err := p.Decide(ctx, in)
			if !errors.Is(err, ErrInput) || reasons != nil || g.Valid(present()) {
				t.Errorf("Decide = %v, %v; want ErrInput", reasons, err)
			}
		})
	}
}

// TestDeleteAnyField is the property against failing open: an input without one of its fields is never allowed, neither
// through the schema nor by the policy alone.
func TestDeleteAnyField(t *testing.T) {
	b := openDefault(t).Active()
	n := 0
	for path, changed := range deletions(t, probeInput()) {
		n++
		if v, err := b.Replay(ctx, changed); !errors.Is(err, ErrInput) || v.Allowed {
			t.Errorf("without %s: %+v, %v; want ErrInput", path, v, err)
		}
		value, err := parseInput(changed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := eval(ctx, b.verdict, value)
		if err == nil && got["allow"] != false {
			t.Errorf("without %s the policy alone says %v; want denied", path, got)
		}
	}
	if n < 45 {
		t.Errorf("only %d fields were deleted", n)
	}
}

// TestReplaceAnyField puts every wrong type, null and out-of-range values at every place.
func TestReplaceAnyField(t *testing.T) {
	b := openDefault(t).Active()
	wrong := []any{
		nil, true, "", "0", strings.Repeat("x", 5000), json.Number("-1"), json.Number("1e300"), json.Number("9223372036854775808"),
		json.Number("0.5e-7"),
		[]any{},
		[]any{nil},
		make([]any, 5000),
		map[string]any{},
		map[string]any{"x": json.Number("1")},
	}
	same := func(a, b any) bool { return reflect.TypeOf(a) == reflect.TypeOf(b) }
	n := 0
	for path, put := range places(t, probeInput()) {
		for _, w := range wrong {
			was, changed := put(w)
			// A value of the same type is wrong only if it is out of range.
			if same(was, w) {
				switch x := w.(type) {
				case string:
					if len(x) < 5000 {
						continue
					}
				case json.Number:
					if x == "0.5e-7" && strings.HasSuffix(path, "error") {
						continue
					}
				case []any:
					if len(x) == 0 {
						continue
					}
				case bool:
					continue
				}
			}
			n++
			if v, err := b.Replay(ctx, changed); err == nil && v.Allowed {
				t.Errorf("%s replaced by a wrong %T is allowed", path, w)
			}
		}
	}
	if n < 750 {
		t.Errorf("only %d replacements were made", n)
	}
}

// TestNothingOfTheQueryIsQuoted plants marks in every field that comes from the query or the asker and looks for them in
// all reasons and errors.
func TestNothingOfTheQueryIsQuoted(t *testing.T) {
	const mark = "canary"
	p := openDefault(t)
	plant := func(in *Input) {
		in.Purpose = mark + ":1"
		in.Query.Dataset, in.Query.Population, in.Query.Class = mark, mark, mark
		in.Query.Kind, in.Query.Mode = mark, mark
		in.Query.Tables = []string{mark}
		in.Query.Columns = []InputColumn{{Name: mark + "." + mark, Sensitivity: mark}}
		in.Query.Aggregates = []string{mark}
		in.Query.Error, in.Query.Cells = 0.271828, 271_828_182
		in.Price.PU, in.Rate.LastHour = 271_828, 2_718_281
		in.Principal.Role, in.Principal.Key = mark, mark
	}
	for name, edit := range map[string]func(*Input){
		"all wrong":       func(*Input) {},
		"a stranger":      func(in *Input) { in.Principal.Name = mark },
		"dataset right":   func(in *Input) { in.Query.Dataset = "probe_ds" },
		"tables right":    func(in *Input) { in.Query.Dataset = "probe_ds"; in.Query.Tables = []string{"t"} },
		"known purpose":   func(in *Input) { in.Purpose = "DUO:0000004" },
		"malformed price": func(in *Input) { in.Price.NanoRho = mark },
		"long purpose":    func(in *Input) { in.Purpose = strings.Repeat(mark, 100) },
		"long column":     func(in *Input) { in.Query.Columns[0].Name = strings.Repeat(mark, 100) },
		"negative cells":  func(in *Input) { in.Query.Cells = -271_828_182 },
	} {
		t.Run(name, func(t *testing.T) {
			in := probeInput()
			plant(&in)
			edit(&in)
			g, reasons, err := p.Decide(ctx, in)
			if g.Valid(present()) || err == nil && len(reasons) == 0 {
				t.Fatal("not refused")
			}
			text, _ := json.Marshal(reasons)
			if err != nil {
				text = append(text, err.Error()...)
			}
			for _, m := range []string{mark, "271828", "2718281"} {
				if strings.Contains(string(text), m) {
					t.Errorf("quotes %q: %s", m, text)
				}
			}
		})
	}
}

// TestValueIsCanonical: what is decided on is what is recorded.
func TestValueIsCanonical(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var in Input
		fill(r, reflect.ValueOf(&in).Elem())
		got, err := in.value()
		if err != nil {
			t.Fatal(err)
		}
		want, err := parseInput(canonical(t, in))
		if err != nil {
			t.Fatal(err)
		}
		if ast.Compare(got, want) != 0 || got.String() != want.String() {
			t.Fatalf("value and canonical differ:\n%s\n%s", got, want)
		}
	}
}

// fill writes random values, sometimes nil or empty lists, awkward numbers and characters.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Pointer:
		if r.IntN(4) == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Slice:
		if r.IntN(4) == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.String:
		v.SetString([]string{"", "a", `<&>"\`, "ü\u2028", "\x01\t"}[r.IntN(5)] + strconv.Itoa(r.IntN(100)))
	case reflect.Int64:
		v.SetInt([]int64{0, -1, math.MaxInt64, math.MinInt64, r.Int64()}[r.IntN(5)])
	case reflect.Float64:
		v.SetFloat([]float64{0, 0.1, 1e21, 1e-7, 12345678.9, r.NormFloat64()}[r.IntN(6)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	}
}

func canonical(t testing.TB, in Input) []byte {
	t.Helper()
	raw, err := in.canonical()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// tree is an input as generic JSON, fresh at each call.
func tree(t testing.TB, in Input) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(canonical(t, in))))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// walk calls visit for every value below v; get and set reach it in its parent.
func walk(v any, path string, visit func(path string, parent any, key any)) {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			visit(path+"/"+k, x, k)
			walk(x[k], path+"/"+k, visit)
		}
	case []any:
		for i := range x {
			p := path + "/" + strconv.Itoa(i)
			visit(p, x, i)
			walk(x[i], p, visit)
		}
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// deletions are all inputs with one object field left out, at any depth.
func deletions(t testing.TB, in Input) map[string][]byte {
	out := map[string][]byte{}
	var paths []string
	walk(tree(t, in), "", func(path string, parent, _ any) {
		if _, ok := parent.(map[string]any); ok {
			paths = append(paths, path)
		}
	})
	for _, want := range paths {
		root := tree(t, in)
		walk(root, "", func(path string, parent, key any) {
			if path == want {
				delete(parent.(map[string]any), key.(string))
			}
		})
		out[want] = encode(t, root)
	}
	return out
}

// places are all values of an input, each with a function that replaces it and gives what was there.
func places(t testing.TB, in Input) map[string]func(any) (was any, changed []byte) {
	out := map[string]func(any) (any, []byte){}
	var paths []string
	walk(tree(t, in), "", func(path string, _, _ any) { paths = append(paths, path) })
	slices.Sort(paths)
	for _, want := range paths {
		out[want] = func(v any) (was any, changed []byte) {
			root := tree(t, in)
			walk(root, "", func(path string, parent, key any) {
				if path != want {
					return
				}
				switch p := parent.(type) {
				case map[string]any:
					was, p[key.(string)] = p[key.(string)], v
				case []any:
					was, p[key.(int)] = p[key.(int)], v
				}
			})
			return was, encode(t, root)
		}
	}
	return out
}

// BenchmarkDecide is one decision of the default bundle, allowed. p50-ns is the median: on a shared machine the mean
// measures the neighbours.
func BenchmarkDecide(b *testing.B) {
	p := openDefault(b)
	in := probeInput()
	b.ReportAllocs()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, reasons, err := p.Decide(ctx, in); err != nil || reasons != nil {
			b.Fatal(reasons, err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
}

// BenchmarkRefuse is one decision of the default bundle, refused with a reason.
func BenchmarkRefuse(b *testing.B) {
	p := openDefault(b)
	in := probeInput()
	in.Query.Error = 1
	for b.Loop() {
		if _, reasons, err := p.Decide(ctx, in); err != nil || len(reasons) != 1 {
			b.Fatal(reasons, err)
		}
	}
}
