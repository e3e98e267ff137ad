package engine

import (
	"errors"
	"fmt"
	"strings"
)

// ErrData: rows of the files break the catalogue. Nothing was loaded.
var ErrData = errors.New("data do not fit the catalogue")

// maxBadRows is how many bad rows an import names; the others are counted.
const maxBadRows = 20

// BadRow names one row that breaks a rule, and never its values.
type BadRow struct {
	File   string // as given to Import
	Line   int64  // line of the file where the row begins, the header being line 1; in Parquet the row number from 1
	Column string // empty: the row as a whole
	Rule   string
}

// DataError is the ErrData that Import returns.
type DataError struct {
	Rows []BadRow
	More int64 // further bad rows, not named
}

func (e *DataError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d bad rows", ErrData, int64(len(e.Rows))+e.More)
	for _, r := range e.Rows {
		fmt.Fprintf(&b, "\n  %s:%d: ", r.File, r.Line)
		if r.Column != "" {
			b.WriteString(r.Column + " ")
		}
		b.WriteString(r.Rule)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n  and %d more", e.More)
	}
	b.WriteString("\nhint: mend these rows, or the catalogue if it is wrong about them; nothing was loaded")
	return b.String()
}

func (e *DataError) Unwrap() error { return ErrData }

// misfitError is an ErrData about a file as a whole: its name, format or header. It names no value of it.
type misfitError struct{ msg string }

func (e *misfitError) Error() string { return e.msg }
func (e *misfitError) Unwrap() error { return ErrData }

func misfit(format string, args ...any) error {
	return &misfitError{fmt.Sprintf(format, args...)}
}

// add names a bad row while there is room.
func (e *DataError) add(r BadRow) {
	if len(e.Rows) < maxBadRows {
		e.Rows = append(e.Rows, r)
		return
	}
	e.More++
}

// or is the error if any row is bad.
func (e *DataError) or() error {
	if len(e.Rows) == 0 {
		return nil
	}
	return e
}
