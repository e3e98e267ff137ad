package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrSpans: the list of what was erased is malformed.
var ErrSpans = errors.New("malformed list of entries")

// Span is what an ERASE is about: of the entries From to To the detail Name or, with Name empty, every detail and the
// stored result. The list of spans is a detail of the ERASE, never a header field: there it would link one person's entries.
type Span struct {
	From, To uint64
	Name     string
}

// Covers reports whether a detail of an entry is among what the span names.
func (s Span) Covers(seq uint64, name string) bool {
	return s.From <= seq && seq <= s.To && (s.Name == "" || s.Name == name)
}

// Covered reports whether any of the spans covers the detail.
func Covered(spans []Span, seq uint64, name string) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.Covers(seq, name) })
}

// SortSpans puts spans in the one order that records have, each once.
func SortSpans(spans []Span) []Span {
	out := slices.Clone(spans)
	slices.SortFunc(out, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(out)
}

// FormatSpans writes spans as the detail "list" of an ERASE: 5,7-9,12:actor.
func FormatSpans(spans []Span) string {
	var b strings.Builder
	for i, s := range spans {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(s.From, 10))
		if s.To != s.From {
			b.WriteByte('-')
			b.WriteString(strconv.FormatUint(s.To, 10))
		}
		if s.Name != "" {
			b.WriteByte(':')
			b.WriteString(s.Name)
		}
	}
	return b.String()
}

// ParseSpans reads a list of spans. A list has one spelling: what parses formats to the same text.
func ParseSpans(text string) ([]Span, error) {
	var out []Span
	for i, part := range strings.Split(text, ",") {
		bad := func(why string) error {
			return fmt.Errorf("%w: item %d: %s; write e.g. 5,7-9,12:actor", ErrSpans, i+1, why)
		}
		var s Span
		var err error
		numbers, name, named := strings.Cut(part, ":")
		if s.Name = name; named && !validName(name) {
			return nil, bad("not the name of a detail")
		}
		from, to, ranged := strings.Cut(numbers, "-")
		if s.From, err = entryNumber(from); err != nil {
			return nil, bad("not an entry number")
		}
		if s.To = s.From; ranged {
			if s.To, err = entryNumber(to); err != nil || s.To <= s.From {
				return nil, bad("not a range from a lower to a higher number")
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func entryNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err == nil && (n > MaxInt || strconv.FormatUint(n, 10) != s) {
		err = ErrSpans
	}
	return n, err
}

// erase checks an ERASE: it covers entries before it and stays open until its ERASED.
func (c *Chain) erase(h *header) (string, error) {
	a, b := h.integer("a"), h.integer("b")
	if a > b || uint64(b) >= h.seq {
		return "b", fmt.Errorf("%w: an ERASE covers entries before it", ErrRef)
	}
	c.erasing[h.seq] = struct{}{}
	return "", nil
}

func (c *Chain) erased(h *header) (string, error) {
	ref := uint64(h.ref)
	if _, ok := c.erasing[ref]; !ok && (h.ref < 0 || ref >= c.first || ref >= h.seq) {
		return "ref", fmt.Errorf("%w: want an ERASE that was not carried out yet", ErrRef)
	}
	delete(c.erasing, ref)
	return "", nil
}

// Erasing lists the ERASE entries not yet carried out.
func (c *Chain) Erasing() map[uint64]struct{} { return c.erasing }
