package audit

import (
	"fmt"
	"slices"
)

// Template is a header with slots for the fields that only the writer of the log knows: it is formatted and checked once,
// outside the writer, which then only fills the slots.
type Template struct {
	line  []byte
	slots []slot
}

type slot struct {
	name     string
	from, to int // of the value in line
}

// NewTemplate formats a header and remembers where the values of the named fields stand. The header must hold, in these
// slots, the longest values that they may get: what is valid with them is valid, and short enough, with any other. The list is put
// in order.
func NewTemplate(o Fields, slots ...string) (*Template, error) {
	t := &Template{slots: make([]slot, 0, len(slots))}
	var err error
	t.line, err = formatEntry(o, func(key string, from, to int) {
		if slices.Contains(slots, key) {
			t.slots = append(t.slots, slot{key, from, to})
		}
	})
	if err != nil {
		return nil, err
	}
	if len(t.slots) != len(slots) {
		return nil, fmt.Errorf("make template: %w: a slot is not in the header", ErrField)
	}
	return t, nil
}

// Append appends the header to dst; value appends what goes into a slot, in the header's notation.
func (t *Template) Append(dst []byte, value func(dst []byte, slot string) []byte) []byte {
	at := 0
	for _, s := range t.slots {
		dst = append(dst, t.line[at:s.from]...)
		dst = value(dst, s.name)
		at = s.to
	}
	return append(dst, t.line[at:]...)
}

// Fill is Append in the place of the template itself, which is used up: a value is never longer than what stood in its slot.
func (t *Template) Fill(value func(dst []byte, slot string) []byte) []byte {
	line := t.line
	out := line[:0]
	at := 0
	for _, s := range t.slots {
		out = append(out, line[at:s.from]...)
		out = value(out, s.name)
		at = s.to
	}
	out = append(out, line[at:]...)
	t.line, t.slots = nil, nil
	return out
}

// MaxLen is the length of the header with the longest values in its slots.
func (t *Template) MaxLen() int { return len(t.line) }
