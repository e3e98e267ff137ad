package audit

import (
	"fmt"
	"strconv"
	"strings"
)

// Held is a hold: it delays the disclosure of the details of entries A to B until a time, by order of a court or the like. That it stands is
// public, as are its range and its end: nobody can hold something in secret. It ends by itself, or by an UNHOLD.
type Held struct {
	A, B  uint64
	Until int64 // microseconds since 1970 UTC
	Seq   uint64
}

// ActiveHold is the prefix of the names under which holds are active. All of a hold is in its name, so headers alone tell
// which stand.
const ActiveHold = "hold/"

func holdName(a, b, until int64) string {
	return fmt.Sprintf("%s%d-%d-%d", ActiveHold, a, b, until)
}

// Name is the name under which the hold is active.
func (h Held) Name() string { return holdName(int64(h.A), int64(h.B), h.Until) }

// ParseHeld reads such a name.
func ParseHeld(name string, seq uint64) (Held, bool) {
	rest, ok := strings.CutPrefix(name, ActiveHold)
	parts := strings.Split(rest, "-")
	if !ok || len(parts) != 3 {
		return Held{}, false
	}
	a, err1 := entryNumber(parts[0])
	b, err2 := entryNumber(parts[1])
	until, err3 := strconv.ParseInt(parts[2], 10, 64)
	h := Held{a, b, until, seq}
	return h, err1 == nil && err2 == nil && err3 == nil && h.Name() == name
}

// Holdable reports whether details of a kind can be held. What orders a hold or an erasure stays open to those who may read
// it: else nobody could oversee it.
func Holdable(k Kind) bool { return k != Hold && k != Unhold && k != Erase && k != Erased }

// HeldBy returns the hold that keeps the details of an entry closed at a time; of several the one that lasts longest. An entry
// that belongs to one in the range is held with it: a question repeated later would otherwise show what is held.
func HeldBy(holds []Held, e Entry, now int64) (by Held, held bool) {
	if !Holdable(e.Kind) {
		return Held{}, false
	}
	for _, h := range holds {
		in := func(seq uint64) bool { return h.A <= seq && seq <= h.B }
		if (in(e.Seq) || e.Ref != nil && in(*e.Ref)) && now < h.Until && h.Until > by.Until {
			by, held = h, true
		}
	}
	return by, held
}

// hold checks a HOLD or UNHOLD, and what stands after it.
func (c *Chain) hold(h *header) (string, error) {
	a, b, until := h.integer("a"), h.integer("b"), h.integer("until")
	switch {
	case a > b || uint64(b) >= h.seq:
		return "b", fmt.Errorf("%w: a hold covers entries before it", ErrRef)
	case h.kind == Hold && until <= h.time:
		return "until", fmt.Errorf("%w: a hold that is over when it begins", ErrField)
	case h.kind == Unhold:
		on, known := c.active[holdName(a, b, until)]
		if known && (on.Value == "" || h.ref < 0 || on.Seq != uint64(h.ref)) || !known && c.first == 0 {
			return "ref", fmt.Errorf("%w: want the HOLD that stands", ErrRef)
		}
	}
	return c.activate(h)
}

// Holds lists the holds that stand after the entries so far, whether or not their time has come.
func (c *Chain) Holds() []Held {
	var out []Held
	for name, a := range c.active {
		if h, ok := ParseHeld(name, a.Seq); ok && a.Value != "" {
			out = append(out, h)
		}
	}
	return out
}
