package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Code is the stage and kind of a refusal (disclosure-control.md section 11).
type Code string

const (
	TextLimit    Code = "TEXT_LIMIT"    // longer, deeper or stranger than any question needs to be
	Syntax       Code = "SYNTAX"        // not SQL
	NotSupported Code = "NOT_SUPPORTED" // SQL, but outside the language
	UnknownName  Code = "UNKNOWN_NAME"  // no such table or column
	UnknownCode  Code = "UNKNOWN_CODE"  // a literal outside the column's code list or type
	BoundMissing Code = "BOUND_MISSING" // the catalogue does not bound what is asked
)

// Pos is a place in the text: Offset in bytes from 0, Line and Column (in characters) from 1.
type Pos struct{ Offset, Line, Column int }

// Error is a refusal. It is computed from text and catalogue alone and quotes nothing but the asker's own text.
type Error struct {
	Code Code
	Pos  Pos
	Msg  string
	Hint string // what to write instead
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s at line %d, column %d: %s", e.Code, e.Pos.Line, e.Pos.Column, e.Msg)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Render shows the error under the line of the text it is about.
func (e *Error) Render(sql string) string {
	var b strings.Builder
	b.WriteString(e.Msg)
	if lines := strings.Split(sql, "\n"); e.Pos.Line >= 1 && e.Pos.Line <= len(lines) {
		// A long line is cut to what surrounds the place.
		line := []rune(strings.ToValidUTF8(strings.ReplaceAll(lines[e.Pos.Line-1], "\t", " "), "?"))
		col := min(max(e.Pos.Column-1, 0), len(line))
		from, to := max(0, col-60), min(len(line), col+60)
		n := fmt.Sprintf("%4d | ", e.Pos.Line)
		fmt.Fprintf(&b, "\n%s%s\n%s^", n, printable(line[from:to]), strings.Repeat(" ", len(n)+col-from))
	}
	if e.Hint != "" {
		b.WriteString("\nhint: " + e.Hint)
	}
	return b.String()
}

func printable(line []rune) string {
	for i, r := range line {
		if r < ' ' || r == 0x7f {
			line[i] = ' '
		}
	}
	return string(line)
}

// posAt converts a byte offset of the text.
func posAt(text string, offset int) Pos {
	offset = min(max(offset, 0), len(text))
	before := text[:offset]
	line := strings.LastIndexByte(before, '\n') + 1
	return Pos{Offset: offset, Line: 1 + strings.Count(before, "\n"), Column: 1 + utf8.RuneCountInString(before[line:])}
}

// quote shows a piece of the asker's text, cut to a sensible length.
func quote(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "..."
	}
	return "'" + s + "'"
}
