package syscat

import (
	"math/bits"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// What an evaluation may cost. A statement on the system catalogue is free of charge and on nobody's record, so that nothing but these bounds keeps it from
// taking the gateway's memory or time: everything whose cost grows with what it is given pays for it here, before it is done.
const (
	maxSteps   = 8_000_000 // expressions evaluated, and what takes as long as one
	maxMade    = 48 << 20  // bytes of texts, lists and rows made on the way, also of those that are dropped again
	maxText    = 64 << 10  // bytes of one text
	maxRows    = 200_000   // of a relation on the way
	maxWidth   = 64        // relations side by side
	maxTargets = 1664      // outputs of a SELECT, as PostgreSQL has it
	maxProgram = 4096      // instructions of a regular expression
	maxCells   = 500_000   // values of an answer
	maxAnswer  = 16 << 20  // bytes of them
)

// step counts work.
func (e *engine) step() { e.work(1) }

// work counts n steps, and looks at the clock of whoever asks.
func (e *engine) work(n int) {
	was := e.steps
	if e.steps += n; n < 0 || e.steps > maxSteps {
		panic(refuse("54000", "the query on the system catalogue takes too many steps"))
	}
	if was>>12 != e.steps>>12 {
		if err := e.ctx.Err(); err != nil {
			panic(stopped{err})
		}
	}
}

// made pays for n bytes that are about to be made.
func (e *engine) made(n int) {
	if e.bytes += n; n < 0 || e.bytes > maxMade {
		panic(refuse("54000", "the query on the system catalogue makes too much on its way"))
	}
	e.work(n >> 8)
}

// fresh pays for a text that was made, whose size was bounded beforehand.
func (e *engine) fresh(s string) string {
	e.made(len(s))
	return bounded(s)
}

// bounded refuses texts that no client has a use for.
func bounded(s string) string {
	if len(s) > maxText {
		fail("54000", "a text on the system catalogue becomes too long")
	}
	return s
}

// list pays for a list of n values.
func (e *engine) list(n int) {
	if n > maxRows {
		fail("54000", "a list on the system catalogue becomes too long")
	}
	e.made(16 * n)
}

// weigh is what it costs to look at the whole of a value, in steps.
func weigh(v any) int {
	switch x := v.(type) {
	case string:
		return len(x) >> 6
	case []any:
		n := len(x)
		for _, v := range x {
			n += weigh(v)
		}
		return n
	case record:
		return weigh(x.values)
	}
	return 0
}

// join puts texts together, as strings.Join, if the result is one of bounded length.
func (e *engine) join(parts []string, sep string) string {
	n := len(sep) * max(0, len(parts)-1)
	for _, p := range parts {
		if n += len(p); n > maxText {
			break
		}
	}
	if n > maxText {
		fail("54000", "a text on the system catalogue becomes too long")
	}
	return e.fresh(strings.Join(parts, sep))
}

// key is equal for equal rows. It is paid for as it is made.
func (e *engine) key(row []any) string {
	var b strings.Builder
	for _, v := range row {
		e.step()
		if v == nil {
			b.WriteString("\x00n")
			continue
		}
		s := "\x00v" + strings.ReplaceAll(text(v), "\x00", "\x00\x00")
		e.made(len(s))
		b.WriteString(s)
	}
	return b.String()
}

// ordering pays for sorting rows by their keys.
func (e *engine) ordering(keys [][]any) {
	n := 0
	for _, k := range keys {
		n += 1 + weigh(k)
	}
	e.work(n * bits.Len(uint(len(keys))))
}

// pattern is a regular expression and how many instructions it has.
type pattern struct {
	*regexp.Regexp
	size int
}

// pattern compiles a regular expression, once. Those of clients are RE2's, which they are: anchors, groups, classes, dots and stars.
func (e *engine) pattern(text string) *pattern {
	if p := e.patterns[text]; p != nil {
		return p
	}
	if len(text) > 1024 {
		fail("54000", "a pattern is too long")
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		fail("2201B", "a pattern is no regular expression")
	}
	size := program(tree)
	if size > maxProgram {
		fail("54000", "a pattern is too long")
	}
	e.made(256 * (size + len(text))) // of the order of what a compiled one takes
	re, err := regexp.Compile(text)
	if err != nil {
		fail("2201B", "a pattern is no regular expression")
	}
	if e.patterns == nil {
		e.patterns = map[string]*pattern{}
	}
	p := &pattern{re, size}
	e.patterns[text] = p
	return p
}

// program is about how many instructions an expression becomes: a repetition is written out. Beyond the bound it is any number above it.
func program(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass:
		n += len(re.Rune)
	}
	for _, s := range re.Sub {
		n = min(n+program(s), maxProgram+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1) // both at most 1000 (package regexp/syntax)
	}
	return min(n, maxProgram+1)
}

// matchesPattern pays for a match, which takes time in the product of both lengths at most.
func (e *engine) matchesPattern(p *pattern, s string) bool {
	e.work(len(s) * p.size >> 3)
	return p.MatchString(s)
}

// series is the whole numbers from lo to hi. The distance is taken without a sign: it overflows otherwise.
func (e *engine) series(lo, hi int64) []any {
	if hi < lo {
		return []any{}
	}
	n := uint64(hi) - uint64(lo)
	if n > maxSeries {
		fail("54000", "generate_series takes two whole numbers not far apart")
	}
	e.list(int(n) + 1)
	out := make([]any, 0, n+1)
	for i := range int64(n) + 1 {
		out = append(out, lo+i)
	}
	return out
}

// sendable refuses an answer that would be long on its way: the same text may stand in it many times.
func (t table) sendable() {
	n := len(t.rows) * len(t.cols)
	bytes := 0
	for i := 0; i < len(t.rows) && n <= maxCells && bytes <= maxAnswer; i++ {
		for _, v := range t.rows[i] {
			switch x := v.(type) {
			case string:
				bytes += len(x)
			case []any, record:
				bytes += len(text(x))
			}
		}
	}
	if n > maxCells || bytes > maxAnswer {
		fail("54000", "the answer of the system catalogue becomes too long")
	}
}

// wide refuses rows of too many relations, before they are made.
func (e *engine) wide(bound []*relation) {
	if len(bound) > maxWidth {
		fail("54000", "the query on the system catalogue reads too many relations side by side")
	}
}

// relationOf makes a relation of the system catalogue once in a query. Nobody changes its rows.
func (e *engine) relationOf(schema, name string) table {
	at := [2]string{schema, name}
	if t, ok := e.relations[at]; ok {
		return t
	}
	t := e.named(schema, name)
	if e.relations == nil {
		e.relations = map[[2]string]table{}
	}
	t.cols = slices.Clip(t.cols)
	e.relations[at] = t
	return t
}
