package catalog

import (
	"errors"
	"fmt"
	"strings"
)

// ErrCatalog is matched by every error about a catalogue's content.
var ErrCatalog = errors.New("catalogue refused")

// Error is one thing wrong with a catalogue: where, what, and what to write instead.
type Error struct {
	File         string
	Line, Column int // 1-based; 0 when the whole file is meant
	Msg, Hint    string
	Source       string // the line, when there is one
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": " + e.Msg)
	if e.Source != "" {
		n := fmt.Sprintf("%5d | ", e.Line)
		fmt.Fprintf(&b, "\n%s%s\n%s^", n, e.Source, strings.Repeat(" ", len(n)+max(0, e.Column-1)))
	}
	if e.Hint != "" {
		b.WriteString("\n  hint: " + e.Hint)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrCatalog) true.
func (e *Error) Is(target error) bool { return target == ErrCatalog }
