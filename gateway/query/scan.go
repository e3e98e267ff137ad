package query

import (
	"strings"
	"unicode/utf8"
)

// The hard limits of disclosure-control.md section 12.1. They keep the C parser's recursion within its stack; none of them
// can be configured upwards.
const (
	maxBytes   = 8192
	maxTokens  = 1024
	maxDepth   = 32 // parentheses
	maxPrefix  = 4  // consecutive prefix operators
	maxArith   = 128
	maxSelects = 16 // semi-joins and derived tables
	maxNested  = 4  // CASE within CASE
	maxCases   = 64 // CASEs, and WHENs: the names of columns may hide an END, so depth alone would not bound the parser's
	maxName    = 63
	maxDigits  = 40
)

// banned are words that begin constructs outside the language; they are refused here because they are what nests.
var banned = map[string]string{
	"union":     "ask two questions, or use OR",
	"intersect": "use AND, or person_id IN (SELECT ...) twice",
	"except":    "use AND NOT, or person_id NOT IN (SELECT ...)",
}

// scanner checks the text before the C parser sees it. It never recurses.
type scanner struct {
	text  string
	clean []byte // the text with comments blanked, so that every offset still points into the text
	at    int

	tokens, depth, prefix, arith, selects, nested, cases, whens, withs int
}

// scan applies the limits and returns the text without comments and the final semicolon, same length or shorter, same
// offsets.
func scan(text string) (string, *Error) {
	s := &scanner{text: text}
	fail := func(at int, code Code, msg, hint string) (string, *Error) {
		return "", &Error{Code: code, Pos: posAt(text, at), Msg: msg, Hint: hint}
	}
	if len(text) > maxBytes {
		return fail(maxBytes, TextLimit, "the text is longer than 8192 bytes", "shorten lists: group by a column with bands, or filter by a prefix with LIKE 'J4%'")
	}
	if !utf8.ValidString(text) {
		return fail(invalidAt(text), TextLimit, "the text is not valid UTF-8", "")
	}
	s.clean = []byte(text)
	for s.at < len(text) {
		if e := s.token(); e != nil {
			e.Pos = posAt(text, e.Pos.Offset)
			return "", e
		}
	}
	if s.tokens == 0 {
		return fail(0, Syntax, "the text is empty", "write for example SELECT COUNT(*) FROM table")
	}
	return strings.TrimRight(string(s.clean), " \t\n\r;"), nil
}

func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return 0
}

func (s *scanner) err(at int, code Code, msg, hint string) *Error {
	return &Error{Code: code, Pos: Pos{Offset: at}, Msg: msg, Hint: hint}
}

func (s *scanner) peek(n int) byte {
	if s.at+n < len(s.text) {
		return s.text[s.at+n]
	}
	return 0
}

// token reads one token, blank or comment.
func (s *scanner) token() *Error {
	start, c := s.at, s.text[s.at]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' && s.peek(1) == '\n':
		s.at++
		return nil
	case c == '-' && s.peek(1) == '-':
		for s.at < len(s.text) && s.text[s.at] != '\n' {
			s.at++
		}
		return s.blank(start)
	case c == '/' && s.peek(1) == '*':
		return s.comment(start)
	}
	if s.tokens++; s.tokens > maxTokens {
		return s.err(start, TextLimit, "the text has more than 1024 words and signs", "shorten lists: group by a column with bands, or filter by a prefix with LIKE 'J4%'")
	}
	prefix := false
	defer func() {
		if !prefix {
			s.prefix = 0
		}
	}()
	switch {
	case isLetter(c):
		return s.word(start, &prefix)
	case isDigit(c):
		return s.number(start)
	case c == '\'':
		return s.literal(start)
	case c == '"':
		return s.err(start, NotSupported, "quoted names are not used here", "write the name without quotes; text values take single quotes, as in 'M'")
	case c == '(':
		if s.depth++; s.depth > maxDepth {
			return s.err(start, TextLimit, "parentheses are nested more than 32 deep", "leave out parentheses that are not needed")
		}
	case c == ')':
		s.depth--
	case c == ',':
	case c == '.':
		if isDigit(s.peek(1)) {
			return s.err(start, NotSupported, "a number begins with a digit", "write 0.5 instead of .5")
		}
	case c == ';':
		return s.end(start)
	case strings.IndexByte("+-*/", c) >= 0:
		if s.arith++; s.arith > maxArith {
			return s.err(start, TextLimit, "more than 128 arithmetic signs", "calculate less")
		}
		if c == '+' || c == '-' {
			prefix = true
			return s.prefixed(start, 1)
		}
	case c == '<' && (s.peek(1) == '>' || s.peek(1) == '='), c == '>' && s.peek(1) == '=', c == '!' && s.peek(1) == '=':
		s.at++
	case c == '=' && s.peek(1) == '>': // a named argument
		s.at++
		s.argument(start)
	case c == '=' || c == '<' || c == '>':
	case c >= utf8.RuneSelf || c < ' ' || c == 0x7f:
		return s.err(start, TextLimit, "a character outside printable ASCII stands outside a text value", "retype the place: word processors put look-alike letters, quotes and spaces there")
	default:
		return s.err(start, NotSupported, "the sign "+string(c)+" is not part of the language", "use = <> < <= > >= with AND, OR and NOT")
	}
	s.at++
	return nil
}

// argument puts timeWord for the argument name time before =>: the grammar keeps that word for its type.
func (s *scanner) argument(at int) {
	end := len(strings.TrimRight(string(s.clean[:at]), " \t\r\n"))
	begin := end - len(timeWord)
	if begin >= 0 && strings.EqualFold(string(s.clean[begin:end]), "time") && (begin == 0 || !isLetter(s.clean[begin-1]) && !isDigit(s.clean[begin-1])) {
		copy(s.clean[begin:end], timeWord)
	}
}

func (s *scanner) prefixed(start, n int) *Error {
	s.at += n
	if s.prefix++; s.prefix > maxPrefix {
		return s.err(start, TextLimit, "more than 4 signs or NOTs in a row", "leave out those that cancel")
	}
	return nil
}

func (s *scanner) word(start int, prefix *bool) *Error {
	for s.at < len(s.text) && (isLetter(s.text[s.at]) || isDigit(s.text[s.at])) {
		s.at++
	}
	w := strings.ToLower(s.text[start:s.at])
	if len(w) > maxName {
		return s.err(start, TextLimit, "a name is longer than 63 letters", "")
	}
	if c := s.peek(0); c == '\'' && (w == "e" || w == "b" || w == "x" || w == "n") {
		return s.err(start, NotSupported, "text values take plain quotes", "write 'text' without a letter before it")
	}
	if hint, ok := banned[w]; ok {
		return s.err(start, NotSupported, strings.ToUpper(w)+" is not part of the language", hint)
	}
	switch w {
	case "select":
		if s.selects++; s.selects > maxSelects {
			return s.err(start, TextLimit, "more than 16 SELECTs", "ask several questions")
		}
	case "case":
		if s.cases++; s.cases > maxCases {
			return s.err(start, TextLimit, "more than 64 CASEs", "ask several questions")
		}
		if s.nested++; s.nested > maxNested {
			return s.err(start, TextLimit, "CASE is nested more than 4 deep", "write the conditions one after the other: CASE WHEN ... WHEN ... ELSE ... END")
		}
	case "end":
		s.nested = max(0, s.nested-1)
	case "when":
		if s.whens++; s.whens > maxCases {
			return s.err(start, TextLimit, "more than 64 WHENs", "group by a column with bands, or by BIN(column, lo, hi, width)")
		}
	case "with":
		if s.withs++; s.withs > 1 {
			return s.err(start, NotSupported, "WITH stands at the beginning of the question only", "name all derived tables there: WITH a AS (...), b AS (...)")
		}
	case "not":
		*prefix = true
		return s.prefixed(start, 0)
	}
	return nil
}

func (s *scanner) number(start int) *Error {
	for isDigit(s.peek(0)) {
		s.at++
	}
	if s.peek(0) == '.' && isDigit(s.peek(1)) {
		s.at++
		for isDigit(s.peek(0)) {
			s.at++
		}
	}
	if c := s.peek(0); isLetter(c) || c == '.' {
		return s.err(start, NotSupported, "numbers are plain decimals", "write 100000 or 0.5")
	}
	if s.at-start > maxDigits {
		return s.err(start, TextLimit, "a number has more than 40 digits", "")
	}
	return nil
}

func (s *scanner) literal(start int) *Error {
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\'' && s.peek(1) == '\'':
			s.at++
		case c == '\'':
			s.at++
			return nil
		case c < ' ' || c == 0x7f:
			return s.err(s.at, TextLimit, "a text value holds a line break or another control character", "text values are one line of printable text")
		}
	}
	return s.err(start, Syntax, "a text value is not closed", "end it with '; a quote inside is written twice, as in 'it''s'")
}

func (s *scanner) comment(start int) *Error {
	if c := s.peek(2); c == '!' || c == '+' {
		return s.err(start, NotSupported, "comments that give orders are not used here", "leave the comment out")
	}
	depth := 0
	for s.at < len(s.text) {
		switch {
		case s.text[s.at] == '/' && s.peek(1) == '*':
			depth++
			s.at += 2
		case s.text[s.at] == '*' && s.peek(1) == '/':
			depth--
			s.at += 2
			if depth == 0 {
				return s.blank(start)
			}
		default:
			s.at++
		}
	}
	return s.err(start, Syntax, "a comment is not closed", "end it with */")
}

// blank overwrites a comment with spaces. It may hold printable ASCII only, like the rest of the text.
func (s *scanner) blank(start int) *Error {
	for i := start; i < s.at; i++ {
		switch c := s.text[i]; {
		case c == '\n':
		case c == '\r' && (i+1 == len(s.text) || s.text[i+1] != '\n'):
			// It ends a comment for PostgreSQL and for people's screens, so what follows would be read as part of the question.
			return s.err(i, TextLimit, "a comment holds a carriage return without a line feed", "end lines with a line feed")
		case c >= utf8.RuneSelf || c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			return s.err(i, TextLimit, "a comment holds a character outside printable ASCII", "leave the comment out")
		default:
			s.clean[i] = ' '
		}
	}
	return nil
}

// end accepts a semicolon only as the last sign.
func (s *scanner) end(start int) *Error {
	s.at++
	for s.at < len(s.text) {
		before, tokens := s.at, s.tokens
		if c := s.text[s.at]; c == '\'' || c == '"' {
			return s.err(s.at, NotSupported, "one question at a time", "remove what follows the semicolon")
		}
		if e := s.token(); e != nil {
			return e
		}
		if s.tokens != tokens {
			return s.err(before, NotSupported, "one question at a time", "remove what follows the semicolon")
		}
	}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
