package pgwire

import (
	"strings"
	"unicode/utf8"
)

// edited is a statement as it goes to the planner, and where its text came from.
type edited struct {
	*statement
	sql   string
	edits []edit
}

// edit puts with in the place of bytes at to end of the client's text.
type edit struct {
	at, end int
	with    string
}

// change applies edits, which stand in order and do not overlap.
func (st *statement) change(edits []edit) edited {
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.WriteString(st.sql[at:e.at])
		b.WriteString(e.with)
		at = e.end
	}
	b.WriteString(st.sql[at:])
	return edited{statement: st, sql: b.String(), edits: edits}
}

// place is the character, from 1, of what the client sent that a line and column of the planned text stands for.
func (e edited) place(line, column int) int {
	at := 0
	for ; line > 1; line-- {
		n := strings.IndexByte(e.sql[at:], '\n')
		if n < 0 {
			return 0
		}
		at += n + 1
	}
	for ; column > 1 && at < len(e.sql); column-- {
		_, n := utf8.DecodeRuneInString(e.sql[at:])
		at += n
	}
	shift := 0 // what the edits so far have added
	for _, c := range e.edits {
		begin := c.at + shift
		if at < begin {
			break
		}
		if at < begin+len(c.with) {
			return e.base + utf8.RuneCountInString(e.statement.sql[:c.at]) + 1
		}
		shift += len(c.with) - (c.end - c.at)
	}
	at = min(max(at-shift, 0), len(e.statement.sql))
	return e.base + utf8.RuneCountInString(e.statement.sql[:at]) + 1
}

// unquoted leaves out what tools write around names and the planner does not read: quotes around a plain name, and the schema public.
func (st *statement) unquoted() []edit {
	var out []edit
	for i, t := range st.tokens {
		dot := i+1 < len(st.tokens) && st.tokens[i+1].is(".")
		after := i > 0 && st.tokens[i-1].is(".")
		switch {
		case (t.kind == word || t.kind == name) && t.text == publicSchema && dot && !after:
			out = append(out, edit{t.at, st.tokens[i+1].end, ""})
		case t.kind == name && plainName(t.text):
			out = append(out, edit{t.at, t.end, st.apart(t)})
		}
	}
	return out
}

// apart is a name without its quotes, which also kept it from the words beside it: "n"FROM is not nFROM.
func (st *statement) apart(t token) string {
	text := t.text
	joins := func(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' || c == '$' || c == '\'' || c == '"' }
	if t.at > 0 && joins(st.sql[t.at-1]) {
		text = " " + text
	}
	if t.end < len(st.sql) && joins(st.sql[t.end]) {
		text += " "
	}
	return text
}

const publicSchema = "public"

// plainName reports that a name means the same without quotes.
func plainName(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}
