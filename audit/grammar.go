package audit

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of the header grammar.
const (
	MaxHeader = 4096      // bytes of one header line
	MaxString = 255       // bytes of one string value
	MaxInt    = 1<<53 - 1 // largest integer: what every JSON implementation reads exactly
	maxKey    = 16
)

// ErrGrammar: bytes that are not a header line.
var ErrGrammar = errors.New("not a header line")

// field is one scalar of a header, as scanned: sub is nil at top level. A nested object leaves one marker field of type
// 'o' at its own key, then its members.
type field struct {
	key, sub []byte
	typ      byte // 's', 'i' or 'o'
	str      []byte
	num      int64
}

// scan checks a line against the grammar of audit-log.md section 4.1 and appends its fields to dst, which may be reused to
// avoid allocation. Field slices alias line. Inside this grammar a line has exactly one reading and one spelling, so there
// is nothing to normalise and nothing for two implementations to differ about.
func scan(line []byte, dst []field) ([]field, error) {
	if len(line) < 2 || len(line) > MaxHeader {
		return dst, fmt.Errorf("%w: %d bytes, want 2 to %d", ErrGrammar, len(line), MaxHeader)
	}
	s := scanner{b: line, out: dst}
	if err := s.object(nil); err != nil {
		return s.out, err
	}
	if s.i != len(s.b) {
		return s.out, s.fail("text after the closing brace")
	}
	return s.out, nil
}

type scanner struct {
	b   []byte
	i   int
	out []field
}

func (s *scanner) fail(why string) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrGrammar, s.i, why)
}

func (s *scanner) eat(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// object reads an object; outer is the key it stands under, nil for the header itself.
func (s *scanner) object(outer []byte) error {
	if !s.eat('{') {
		return s.fail("expected an object")
	}
	if s.eat('}') {
		return nil
	}
	var last []byte
	for {
		key, err := s.key()
		if err != nil {
			return err
		}
		if last != nil && bytes.Compare(last, key) >= 0 {
			return s.fail("keys are not sorted or not unique")
		}
		last = key
		if !s.eat(':') {
			return s.fail("expected a colon")
		}
		if err := s.value(outer, key); err != nil {
			return err
		}
		if s.eat(',') {
			continue
		}
		if s.eat('}') {
			return nil
		}
		return s.fail("expected a comma or a closing brace")
	}
}

func (s *scanner) key() ([]byte, error) {
	if !s.eat('"') {
		return nil, s.fail("expected a key")
	}
	from := s.i
	for s.i < len(s.b) && keyByte(s.b[s.i], s.i == from) {
		s.i++
	}
	key := s.b[from:s.i]
	if len(key) == 0 || len(key) > maxKey || !s.eat('"') {
		return nil, s.fail("malformed key")
	}
	return key, nil
}

func keyByte(c byte, first bool) bool {
	return 'a' <= c && c <= 'z' || !first && ('0' <= c && c <= '9' || c == '_')
}

func (s *scanner) value(outer, key []byte) error {
	f := field{key: key}
	if outer != nil {
		f.key, f.sub = outer, key
	}
	if s.i >= len(s.b) {
		return s.fail("expected a value")
	}
	switch c := s.b[s.i]; {
	case c == '"':
		b, i := s.b, s.i+1 // in registers: this loop reads most of the line
		for i < len(b) && stringByte[b[i]] {
			i++
		}
		f.typ, f.str = 's', b[s.i+1:i]
		s.i = i
		if len(f.str) > MaxString || !s.eat('"') {
			return s.fail("malformed string")
		}
	case '0' <= c && c <= '9':
		from := s.i
		for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
			f.num = f.num*10 + int64(s.b[s.i]-'0')
			s.i++
			if s.i-from > 16 {
				return s.fail("integer too long")
			}
		}
		if s.b[from] == '0' && s.i-from > 1 {
			return s.fail("integer with a leading zero")
		}
		if f.num > MaxInt {
			return s.fail("integer above 2^53-1")
		}
		f.typ = 'i'
	case c == '{':
		if outer != nil {
			return s.fail("object nested twice")
		}
		f.typ = 'o'
		s.out = append(s.out, f)
		return s.object(key)
	default:
		return s.fail("expected a string, an integer or an object")
	}
	s.out = append(s.out, f)
	return nil
}

// stringByte is the alphabet of string values: no escape can exist in it.
var stringByte = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+=-" {
		t[c] = true
	}
	return
}()

// ValidString reports whether s may be a string value of a header: a code or digest, never free text.
func ValidString(s string) bool {
	if len(s) > MaxString {
		return false
	}
	for i := range len(s) {
		if !stringByte[s[i]] {
			return false
		}
	}
	return true
}
