package pgwire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Limits of what a session keeps.
const (
	maxPrepared = 512
	maxPortals  = 64
	maxKept     = 8 << 20 // bytes that all prepared statements take, and all portals before they have run
	maxCells    = 500_000 // values of the answers of all portals, before one more is run
	maxBound    = 512     // parameters of a statement, counted wherever they stand
)

// prepared holds what the extended protocol names. The empty name is that of the latest unnamed one.
type prepared struct {
	statements map[string]*preparedStatement
	portals    map[string]*portal
	bytes      int
	failed     bool // an error was reported: what follows is skipped until Sync
}

// preparedStatement is a statement and the types its client says its parameters have; 0: it does not say.
type preparedStatement struct {
	*statement
	types []uint32
}

// cost is about what a statement takes in memory: its tokens are many times its text.
func (st *statement) cost() int { return len(st.sql) + 64*len(st.tokens) }

// portal is a statement with its parameters, before and after it has run.
type portal struct {
	edited
	formats []int16
	columns []column // as described; nil: not yet
	result  *result  // nil: not run yet
	next    int      // row to send
}

func newPrepared() prepared {
	return prepared{statements: map[string]*preparedStatement{}, portals: map[string]*portal{}}
}

func (p *prepared) clear() {
	*p = prepared{statements: map[string]*preparedStatement{}, portals: map[string]*portal{}, failed: p.failed}
}

func (p *prepared) drop(name string) {
	if old := p.statements[name]; old != nil {
		p.bytes -= old.cost()
		delete(p.statements, name)
	}
}

// deallocate answers DEALLOCATE [PREPARE] name | ALL.
func (p *prepared) deallocate(st *statement) {
	t := st.tokens[len(st.tokens)-1]
	if t.is("all") {
		p.clear()
		return
	}
	p.drop(t.text)
}

// sync ends a round of the extended protocol. Portals last as long as their transaction; without one, until here.
func (s *session) sync() error {
	s.prepared.failed = false
	if s.status == 'I' {
		clear(s.prepared.portals)
	}
	return s.ready()
}

// extended answers a message of the extended protocol; after an error the others are skipped until Sync.
func (s *session) extended(ctx context.Context, message pgproto3.FrontendMessage) error {
	var err error
	w, place := s.watch(ctx, kindPrepare), (func(line, column int) int)(nil)
	switch m := message.(type) {
	case *pgproto3.Parse:
		err = s.parse(m)
	case *pgproto3.Bind:
		w.kind = kindBind
		err = s.bind(m)
	case *pgproto3.Describe:
		w.kind = kindDescribe
		place, err = s.described(ctx, m)
	case *pgproto3.Execute:
		place, err = s.execute(ctx, &w, m)
	case *pgproto3.Close:
		if m.ObjectType == 'S' {
			s.prepared.drop(m.Name)
		} else {
			delete(s.prepared.portals, m.Name)
		}
		s.wire.Send(&pgproto3.CloseComplete{})
	}
	if err == nil {
		return nil
	}
	s.prepared.failed = true
	s.fail(w, err, place)
	return s.wire.Flush()
}

func (s *session) parse(m *pgproto3.Parse) error {
	list := split(m.Query)
	switch {
	case len(list) > 1:
		return &fault{code: "42601", message: "a prepared statement is one statement", hint: "prepare each by itself", at: list[1].base + 1}
	case len(list) == 0:
		list = []*statement{{whole: true}}
	case len(m.ParameterOIDs) > maxBound || tooMany(list[0].tokens):
		return &fault{code: "54000", message: fmt.Sprintf("a statement has at most %d parameters", maxBound), hint: "write some of them as literals"}
	case m.Name != "" && s.prepared.statements[m.Name] != nil:
		return &fault{code: "42P05", message: "a prepared statement of this name exists", hint: "close it first"}
	}
	s.prepared.drop(m.Name)
	if len(s.prepared.statements) >= maxPrepared || s.prepared.bytes+list[0].cost() > maxKept {
		return &fault{code: "53000", message: "the session has too many prepared statements", hint: "DEALLOCATE ALL"}
	}
	kept := &preparedStatement{statement: list[0], types: append([]uint32{}, m.ParameterOIDs...)}
	s.prepared.statements[m.Name] = kept
	s.prepared.bytes += kept.cost()
	s.wire.Send(&pgproto3.ParseComplete{})
	return nil
}

// tooMany looks at the numbers of parameters, and at how many places there are for them: one number that stands everywhere would make a short value a long
// question, and for each place the text around it is read.
func tooMany(tokens []token) bool {
	places, most := 0, 0
	for _, t := range tokens {
		if t.kind == param {
			places++
			most = max(most, paramNumber(t))
		}
	}
	return places > maxBound || most > maxBound
}

// paramNumber is n of $n; beyond the limit, one more than it.
func paramNumber(t token) int {
	n := 0
	for _, c := range t.text {
		if n = n*10 + int(c-'0'); n > maxBound {
			return maxBound + 1
		}
	}
	return n
}

func (s *session) bind(m *pgproto3.Bind) error {
	st := s.prepared.statements[m.PreparedStatement]
	if st == nil {
		return unknownStatement
	}
	if len(s.prepared.portals) >= maxPortals {
		return &fault{code: "53000", message: "the session has too many open portals", hint: "close some"}
	}
	for _, f := range m.ResultFormatCodes {
		if f != formatText && f != formatBinary {
			return &fault{code: "08P01", message: "a format is text or binary", hint: "the program at the other end does not speak the protocol as documented"}
		}
	}
	e, err := s.bound(st, m.Parameters, m.ParameterFormatCodes)
	if err != nil {
		return err
	}
	delete(s.prepared.portals, m.DestinationPortal)
	if s.prepared.waiting()+e.cost() > maxKept {
		return &fault{code: "53000", message: "the session's open portals are too large", hint: "close some"}
	}
	s.prepared.portals[m.DestinationPortal] = &portal{edited: e, formats: append([]int16{}, m.ResultFormatCodes...)}
	s.wire.Send(&pgproto3.BindComplete{})
	return nil
}

// cost is about what a portal takes before it has run.
func (e edited) cost() int { return len(e.sql) + 32*len(e.edits) }

func (p *prepared) waiting() int {
	n := 0
	for _, portal := range p.portals {
		n += portal.cost()
	}
	return n
}

// cells is what the answers take that are kept for portals: those that were not fetched to their end, and others until their portal is closed.
func (p *prepared) cells() int {
	n := 0
	for _, portal := range p.portals {
		if portal.result != nil {
			n += len(portal.result.rows) * len(portal.result.columns)
		}
	}
	return n
}

var (
	unknownStatement = &fault{code: "26000", message: "there is no prepared statement of this name", hint: "prepare it first"}
	unknownPortal    = &fault{code: "34000", message: "there is no portal of this name", hint: "bind it first"}
)

// described answers Describe: types of parameters, and columns, without running anything.
func (s *session) described(ctx context.Context, m *pgproto3.Describe) (func(line, column int) int, error) {
	if m.ObjectType == 'P' {
		p := s.prepared.portals[m.Name]
		if p == nil {
			return nil, unknownPortal
		}
		columns, err := s.describe(ctx, p.edited, nil)
		if err != nil {
			return p.place, err
		}
		p.columns = columns
		s.announce(columns, p.formats)
		return nil, nil
	}
	st := s.prepared.statements[m.Name]
	if st == nil {
		return nil, unknownStatement
	}
	types, sampled, sample := s.sampled(st)
	columns, err := s.describe(ctx, sampled, sample)
	if err != nil {
		return sampled.place, err
	}
	s.wire.Send(&pgproto3.ParameterDescription{ParameterOIDs: types})
	s.announce(columns, nil)
	return nil, nil
}

func (s *session) announce(columns []column, formats []int16) {
	if columns == nil {
		s.wire.Send(&pgproto3.NoData{})
		return
	}
	s.wire.Send(rowDescription(columns, formats))
}

// execute runs a portal, once, and sends at most as many rows as asked for. What it runs is observed when it has run; what fails, by the caller.
func (s *session) execute(ctx context.Context, w *watch, m *pgproto3.Execute) (func(line, column int) int, error) {
	w.kind = kindExecute
	p := s.prepared.portals[m.Portal]
	if p == nil {
		return nil, unknownPortal
	}
	w.kind = p.kind()
	if len(p.tokens) == 0 && p.whole {
		s.wire.Send(&pgproto3.EmptyQueryResponse{})
		return nil, nil
	}
	if p.result == nil {
		if s.prepared.cells() > maxCells {
			return nil, &fault{code: "53000", message: "the answers of the session's open portals are too large", hint: "close some"}
		}
		r, err := s.run(ctx, p.edited)
		if err != nil {
			return p.place, err
		}
		if p.columns != nil && len(p.columns) == len(r.columns) {
			r.columns = p.columns // what the client was told
		} else if p.columns != nil {
			return nil, errDescribed
		}
		p.result = &r
		w.end(stateOK)
		*w = s.watch(ctx, kindExecute) // what may still fail is to send it
	}
	bytes := 0
	for sent := uint32(0); p.next < len(p.result.rows); p.next++ {
		if m.MaxRows > 0 && sent == m.MaxRows {
			s.fetched(p, m.MaxRows, bytes)
			s.wire.Send(&pgproto3.PortalSuspended{})
			return nil, nil
		}
		row, err := s.encode.row(p.result.columns, p.formats, p.result.rows[p.next])
		if err != nil {
			return nil, err
		}
		s.wire.Send(row)
		sent++
		bytes += taken(row)
		if err := s.spill(*p.result, p.next); err != nil {
			return nil, err
		}
	}
	s.fetched(p, m.MaxRows, bytes+said(p.result.notices)+len(p.result.tag))
	s.complete(*p.result)
	return nil, nil
}

// fetched fills up what was sent of an answer. A client that fetches so many rows at a time gets portions of one length; how many portions there are
// shows how many times so many rows HAVING has left.
func (s *session) fetched(p *portal, most uint32, sent int) {
	e := p.result.room
	if e == nil {
		return
	}
	room := e.all
	if most > 0 {
		room = min(room, int(most)*e.row+e.after)
	}
	s.pad(room, sent)
}

// errDescribed: an answer has other columns than were announced.
var errDescribed = errors.New("answer differs from its description")

func upper(s string) string { return strings.ToUpper(s) }

// explained is the question after EXPLAIN, at its place.
func (e edited) explained() string {
	t := e.tokens
	end := t[0].end
	for i := 1; i < len(t) && t[i].is("(", "verbose", "analyze", "costs", "off", "on", "false", "true", ",", ")"); i++ {
		end = t[i].end
	}
	blank := strings.Repeat(" ", utf8.RuneCountInString(e.sql[:min(end, len(e.sql))]))
	return blank + e.sql[min(end, len(e.sql)):]
}
