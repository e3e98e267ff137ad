package pgwire

import (
	"strings"
	"unicode/utf8"
)

// token is a word or sign of a statement, from byte at to end of its text.
type token struct {
	kind    tokenKind
	text    string // words in lower case, names and texts without their quotes
	at, end int
}

type tokenKind uint8

const (
	word   tokenKind = iota
	name             // "quoted"
	quoted           // 'text'
	number
	param // $1
	sign
)

func (t token) is(words ...string) bool {
	for _, w := range words {
		if (t.kind == word || t.kind == sign) && t.text == w {
			return true
		}
	}
	return false
}

// lex cuts a text into tokens as PostgreSQL does, comments left out. It decides about no question: the planner reads the text itself. It is total:
// false means that a text, name or comment has no end, and what was read until there is returned.
func lex(sql string) ([]token, bool) {
	var out []token
	for at := 0; at < len(sql); {
		t, next, ok := lexOne(sql, at)
		if !ok {
			return out, false
		}
		if next > t.at && t.end > t.at {
			out = append(out, t)
		}
		at = next
	}
	return out, true
}

// lexOne reads a token, or a blank or comment, which is a token of no length.
func lexOne(sql string, at int) (t token, next int, ok bool) {
	c := sql[at]
	rest := sql[at:]
	made := func(k tokenKind, text string, n int) (token, int, bool) {
		return token{kind: k, text: text, at: at, end: at + n}, at + n, true
	}
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		return token{at: at, end: at}, at + 1, true
	case strings.HasPrefix(rest, "--"):
		n := strings.IndexAny(rest, "\n\r")
		if n < 0 {
			n = len(rest)
		}
		return token{at: at, end: at}, at + n, true
	case strings.HasPrefix(rest, "/*"):
		n := commentLength(rest)
		return token{at: at, end: at}, at + n, n > 0
	case c == '\'':
		text, n := quotedText(rest, '\'', false)
		if n == 0 {
			return token{}, at, false
		}
		return made(quoted, text, n)
	case (c == 'e' || c == 'E') && len(rest) > 1 && rest[1] == '\'':
		text, n := quotedText(rest[1:], '\'', true)
		if n == 0 {
			return token{}, at, false
		}
		return made(quoted, text, n+1)
	case c == '"':
		text, n := quotedText(rest, '"', false)
		if n == 0 {
			return token{}, at, false
		}
		return made(name, text, n)
	case c == '$':
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n > 1 {
			return made(param, rest[1:n], n)
		}
		text, n, closed := dollarQuoted(rest)
		if !closed {
			return token{}, at, false
		}
		if n > 0 {
			return made(quoted, text, n)
		}
		return made(sign, "$", 1)
	case isLetter(c):
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || rest[n] >= '0' && rest[n] <= '9' || rest[n] == '$') {
			n++
		}
		return made(word, strings.ToLower(rest[:n]), n)
	case c >= '0' && c <= '9':
		n := 1
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.') {
			n++
		}
		return made(number, rest[:n], n)
	}
	for _, two := range []string{"::", "<>", "!=", "<=", ">=", "=>", "||", "!~", "~*"} {
		if strings.HasPrefix(rest, two) {
			return made(sign, two, 2)
		}
	}
	_, n := utf8.DecodeRuneInString(rest)
	return made(sign, rest[:n], n)
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

// commentLength is how long the comment at the beginning is, comments within it included; 0: it has no end.
func commentLength(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// quotedText reads a quoted text, doubled quotes made single; n is 0 if it has no end.
func quotedText(s string, quote byte, escapes bool) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote && i+1 < len(s) && s[i+1] == quote:
			b.WriteByte(quote)
			i++
		case c == quote:
			return b.String(), i + 1
		case c == '\\' && escapes && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0
}

// dollarQuoted reads $tag$text$tag$. n is 0 if that is not what stands there; closed is false if it has no end.
func dollarQuoted(s string) (text string, n int, closed bool) {
	end := 1
	for end < len(s) && (isLetter(s[end]) || end > 1 && s[end] >= '0' && s[end] <= '9') {
		end++
	}
	if end >= len(s) || s[end] != '$' {
		return "", 0, true
	}
	tag := s[:end+1]
	body := strings.Index(s[end+1:], tag)
	if body < 0 {
		return "", 0, false
	}
	return s[end+1 : end+1+body], end + 1 + body + len(tag), true
}

// statement is one statement of what a client sent.
type statement struct {
	sql    string // its text alone
	base   int    // characters that stand before it in what was sent
	tokens []token
	whole  bool // it could be cut into tokens
}

// split cuts what a client sent at the semicolons. A text that cannot be cut is one statement: the planner will say what is wrong.
func split(sql string) []*statement {
	tokens, ok := lex(sql)
	if !ok {
		return []*statement{{sql: sql, tokens: tokens}}
	}
	var out []*statement
	begin := 0
	for i := 0; i <= len(tokens); i++ {
		if i < len(tokens) && !tokens[i].is(";") {
			continue
		}
		if part := tokens[begin:i]; len(part) > 0 {
			at, end := part[0].at, part[len(part)-1].end
			st := &statement{sql: sql[at:end], base: utf8.RuneCountInString(sql[:at]), whole: true}
			for _, t := range part {
				t.at, t.end = t.at-at, t.end-at
				st.tokens = append(st.tokens, t)
			}
			out = append(out, st)
		}
		begin = i + 1
	}
	return out
}

// word is the i-th token if it is a word, else "".
func (st *statement) word(i int) string {
	if i < len(st.tokens) && st.tokens[i].kind == word {
		return st.tokens[i].text
	}
	return ""
}

// verb says what a statement is: its first word, parentheses aside.
func (st *statement) verb() string {
	for _, t := range st.tokens {
		if t.is("(") {
			continue
		}
		if t.kind == word {
			return t.text
		}
		break
	}
	return ""
}

// system reports that a statement asks for nothing that is data: it names the system's schemas, or reads from nothing at all.
func (st *statement) system() bool {
	if !st.whole {
		return false
	}
	from := false
	for _, t := range st.tokens {
		switch {
		case (t.kind == word || t.kind == name) && (strings.HasPrefix(t.text, "pg_") || t.text == "information_schema"):
			return true
		case t.is("from"):
			from = true
		}
	}
	return !from
}
