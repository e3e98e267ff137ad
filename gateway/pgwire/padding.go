package pgwire

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/protect"
)

// On this wire numbers are text, with as many digits as they have, and hidden ones are nothing. So that who watches the encrypted connection learns the
// shape of an answer and not its figures, each answer is filled up to the length of the widest one of its shape (attack 24; the other port does the
// same, gateway/rpc). The fill is the value of a setting that the server reports: that may come at any time, and clients keep it unread. It
// leaves with the rows at once, so that no part of the answer shows its own length.
const (
	paddingName = "jali.padding"
	// statusFrame is what a ParameterStatus takes besides its value.
	statusFrame = 1 + 4 + len(paddingName) + 1 + 1
	// maxStatus is well below the 30,000 bytes beyond which libpq takes such a message for a broken line.
	maxStatus = 16_000

	rowFrame   = 1 + 4 + 2 // a DataRow without its values
	valueFrame = 4
	tagRoom    = len("SELECT ") + 20
)

// extent is how many bytes an answer takes at most, by its shape.
type extent struct {
	all   int // every row of the released table, and what is said after it
	row   int // the widest row
	after int // what is said after it
}

// figureRoom is the room of a number of a type, in text or binary.
func figureRoom(oid uint32) int {
	switch oid {
	case pgtype.Int8OID:
		return 20
	case pgtype.NumericOID:
		return 46
	}
	return 24
}

// labelRoom is that of a label, in text or binary.
func labelRoom(oid uint32, text string) int {
	if oid == pgtype.NumericOID {
		return len(text) + 12
	}
	return max(len(text), 8)
}

func (e *extent) add(row int) {
	e.all += row
	e.row = max(e.row, row)
}

// extentOf bounds an answer's rows, whatever HAVING and LIMIT leave of them, and what is said after them: notices of every answer of this shape,
// and one that depends on figures, where they are derived.
func extentOf(a gateway.Answer, notices []string, intervals bool) *extent {
	e := &extent{after: tagRoom + said(notices)}
	if a.Derived != nil {
		row := rowFrame
		for _, c := range a.Derived.Columns {
			switch {
			case c.Label && c.Name == "note":
				row += valueFrame + a.Extent.Note
			case c.Label:
				row += valueFrame + a.Extent.Label
			default:
				row += valueFrame + figureRoom(pgtype.Float8OID)
			}
		}
		e.after += said([]string{strings.Repeat(" ", a.Extent.Note)})
		e.row = row
		e.all = a.Extent.Rows*row + e.after
		return e
	}
	for _, released := range a.Released.Rows {
		row := rowFrame
		for _, c := range a.View.Columns {
			column := a.Released.Columns[c.Index]
			oid := typeOf(column.Kind, catalog.Type(column.Type))
			if column.Kind == protect.OutGroup {
				text, _ := cell(released.Values[c.Index]).(string)
				row += valueFrame + labelRoom(oid, text)
				continue
			}
			row += valueFrame + figureRoom(oid)
			if intervals {
				row += valueFrame + figureRoom(errorType(oid))
			}
		}
		e.add(row)
	}
	e.all += e.after
	return e
}

// said is what notices take.
func said(notices []string) int {
	var b []byte
	for _, text := range notices {
		b, _ = notice(text).Encode(b) // fails for what is longer than clip leaves a text
	}
	return len(b)
}

// pad fills up to room when so many bytes of values and rows have been sent.
func (s *session) pad(room, sent int) {
	for room < sent {
		room = 2*room + 1 // a figure wider than its type's width takes an absurd accuracy; it is not cut off
	}
	left := room - sent + statusFrame
	for count := (left + maxStatus - 1) / maxStatus; count > 0; count-- {
		n := left / count
		s.wire.Send(&pgproto3.ParameterStatus{Name: paddingName, Value: strings.Repeat(" ", n-statusFrame)})
		left -= n
	}
}

// taken is what a row takes on the wire.
func taken(row *pgproto3.DataRow) int {
	n := rowFrame
	for _, v := range row.Values {
		n += valueFrame + len(v)
	}
	return n
}
