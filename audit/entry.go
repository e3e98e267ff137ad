package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// b64 is unpadded base64url, the spelling of every digest in a header.
var b64 = base64.RawURLEncoding.Strict()

// Object is a header, or an object inside one. Values are string, Kind, int64, int, uint64, Object or Fields.
type Object map[string]any

// Field is a field of a header with its value, one of those of an Object.
type Field struct {
	Name  string
	Value any
}

// Fields is an Object as a list: what is written once and looked at seldom costs less so.
type Fields []Field

// Fields lists an object, in no order.
func (o Object) Fields() Fields { return o.appendTo(make(Fields, 0, len(o))) }

func (o Object) appendTo(f Fields) Fields {
	for k, v := range o {
		f = append(f, Field{k, v})
	}
	return f
}

// Get returns the value of a field, nil if it is not there.
func (f Fields) Get(name string) any {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value
		}
	}
	return nil
}

// Set replaces the value of a field, or adds it.
func (f *Fields) Set(name string, v any) {
	for i := range *f {
		if (*f)[i].Name == name {
			(*f)[i].Value = v
			return
		}
	}
	*f = append(*f, Field{name, v})
}

// Entry is one parsed header line.
type Entry struct {
	Line   []byte // the bytes that are hashed
	Seq    uint64
	Time   int64 // microseconds since 1970 UTC, by the gateway's clock
	Prev   string
	Kind   Kind
	Origin string
	Ref    *uint64           // the entry this one belongs to
	Dtl    map[string]string // detail name -> digest of its disclosure
	Fields Object            // every field of the header; integers are int64, objects are Object
}

// EntryError says which entry failed a check, and in which field. It never quotes a value.
type EntryError struct {
	Seq   uint64
	Field string
	Err   error
}

func (e *EntryError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("entry %d: %v", e.Seq, e.Err)
	}
	return fmt.Sprintf("entry %d: field %s: %v", e.Seq, e.Field, e.Err)
}

func (e *EntryError) Unwrap() error { return e.Err }

// ErrVersion: the entry is of a version that this program does not read.
var ErrVersion = errors.New("not version 1")

// FormatEntry writes a header line. It checks the grammar, the common keys and the fields the kind requires.
func FormatEntry(o Object) ([]byte, error) {
	var few [40]Field
	return formatEntry(o.appendTo(few[:0]), nil)
}

// headers are scratch space: a header has some 40 fields.
var headers = sync.Pool{New: func() any { return new(header) }}

func formatEntry(o Fields, note func(key string, from, to int)) ([]byte, error) {
	h := headers.Get().(*header)
	defer headers.Put(h)
	line, err := appendFields(h.scratch[:0], o, true, note)
	if err != nil {
		return nil, err
	}
	h.scratch = line
	if field, err := h.parse(line); err != nil {
		if field != "" {
			return nil, fmt.Errorf("format entry: field %s: %w", field, err)
		}
		return nil, fmt.Errorf("format entry: %w", err)
	}
	if field, err := checkKind(h); err != nil {
		return nil, fmt.Errorf("format entry: field %s: %w", field, err)
	}
	return bytes.Clone(line), nil
}

// appendFields writes an object, and puts its fields in order; note, if not nil, hears where the value of each stands.
func appendFields(b []byte, o Fields, outer bool, note func(key string, from, to int)) ([]byte, error) {
	slices.SortFunc(o, func(x, y Field) int { return strings.Compare(x.Name, y.Name) })
	b = append(b, '{')
	for i := range o {
		k := o[i].Name
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, k...)
		b = append(b, '"', ':')
		from := len(b)
		switch v := o[i].Value.(type) {
		case string:
			b = appendString(b, v)
		case Kind:
			b = appendString(b, string(v))
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case uint64:
			b = strconv.AppendUint(b, v, 10)
		case Object, Fields:
			if !outer {
				return nil, fmt.Errorf("format entry: field %s: %w: object nested twice", k, ErrGrammar)
			}
			var few [MaxDetails]Field
			inner := few[:0]
			switch v := v.(type) {
			case Object:
				inner = v.appendTo(inner)
			case Fields:
				inner = append(inner, v...) // the caller's are left in their order
			}
			var err error
			if b, err = appendFields(b, inner, false, nil); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("format entry: field %s: %w: type %T", k, ErrGrammar, v)
		}
		if note != nil {
			note(k, from, len(b))
		}
	}
	return append(b, '}'), nil
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// ParseEntry reads a header line: grammar and common keys. The fields a kind requires and the position in the chain are
// Chain's to check, so that entries of kinds yet unknown still parse.
func ParseEntry(line []byte) (Entry, error) {
	var h header
	if field, err := h.parse(line); err != nil {
		if field != "" {
			return Entry{}, fmt.Errorf("parse entry: field %s: %w", field, err)
		}
		return Entry{}, fmt.Errorf("parse entry: %w", err)
	}
	return h.entry(), nil
}

// header is a scanned line with its common keys found. Reused by Chain, it allocates nothing.
type header struct {
	line   []byte
	fields []field
	seq    uint64
	time   int64
	prev   []byte
	origin []byte
	kind   Kind
	ref    int64 // -1: none

	scratch []byte // where formatEntry writes
}

// parse scans the line and checks the common keys; it returns the name of an offending field where there is one.
func (h *header) parse(line []byte) (string, error) {
	fields, err := scan(line, h.fields[:0])
	*h = header{line: line, fields: fields, ref: -1, scratch: h.scratch}
	if err != nil {
		return "", err
	}
	var found uint8
	for i := range fields {
		f := &fields[i]
		if f.sub != nil {
			continue
		}
		var want byte
		var bit uint8
		switch string(f.key) {
		case "v":
			want, bit = 'i', 1
			if f.num != 1 {
				return "v", ErrVersion
			}
		case "o":
			want, bit, h.origin = 's', 2, f.str
			if len(f.str) == 0 {
				return "o", fmt.Errorf("%w: empty", ErrField)
			}
		case "seq":
			want, bit, h.seq = 'i', 4, uint64(f.num)
		case "t":
			want, bit, h.time = 'i', 8, f.num
		case "prev":
			want, bit, h.prev = 's', 16, f.str
		case "k":
			want, bit, h.kind = 's', 32, kindOf(f.str)
			if len(f.str) == 0 {
				return "k", fmt.Errorf("%w: empty", ErrField)
			}
		case "ref":
			want, h.ref = 'i', f.num
		case "dtl":
			want = 'o'
		default:
			continue
		}
		if f.typ != want {
			return string(f.key), fmt.Errorf("%w: wrong type", ErrField)
		}
		found |= bit
	}
	for i, name := range [...]string{"v", "o", "seq", "t", "prev", "k"} {
		if found&(1<<i) == 0 {
			return name, fmt.Errorf("%w: missing", ErrField)
		}
	}
	if !isDigest(h.prev) {
		return "prev", fmt.Errorf("%w: not a digest", ErrField)
	}
	details := 0
	for i := range fields {
		f := &fields[i]
		if f.sub == nil || string(f.key) != "dtl" {
			continue
		}
		if details++; details > MaxDetails {
			return "dtl", fmt.Errorf("%w: more than %d details", ErrField, MaxDetails)
		}
		if f.typ != 's' || !isDigest(f.str) {
			return "dtl", fmt.Errorf("%w: not a digest", ErrField)
		}
	}
	return "", nil
}

// isDigest reports whether b is the unpadded base64url of 32 bytes, in its one spelling: 43 characters, of which the last
// carries four bits. What the scanner accepts as a string has, besides this alphabet, only . : / @ + and =.
func isDigest(b []byte) bool {
	if len(b) != 43 {
		return false
	}
	for _, c := range b[:42] {
		if digestByte[c]&inDigest == 0 {
			return false
		}
	}
	return digestByte[b[42]]&endsDigest != 0
}

const (
	inDigest   = 1
	endsDigest = 2
)

var digestByte = func() (t [256]uint8) {
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		if t[c] = inDigest; i%4 == 0 {
			t[c] |= endsDigest
		}
	}
	return t
}()

// kindOf interns the names of known kinds.
func kindOf(b []byte) Kind {
	if k, ok := kindNames[string(b)]; ok {
		return k
	}
	return Kind(b)
}

var kindNames = func() map[string]Kind {
	m := make(map[string]Kind, len(needs))
	for k := range needs {
		m[string(k)] = k
	}
	return m
}()

// top finds a field of the header itself, member one of a nested object; nil if absent.
func (h *header) top(key string) *field { return h.find(key, "") }

func (h *header) member(key, sub string) *field { return h.find(key, sub) }

// find searches the fields, which the grammar has in order: by key, and the members of an object after its own marker.
func (h *header) find(key, sub string) *field {
	lo, hi := 0, len(h.fields)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		f := &h.fields[mid]
		if string(f.key) < key || string(f.key) == key && string(f.sub) < sub {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(h.fields) {
		if f := &h.fields[lo]; string(f.key) == key && string(f.sub) == sub {
			return f
		}
	}
	return nil
}

// text and integer return a checked field's value, or the zero value if the field is absent.
func (h *header) text(key string) string {
	if f := h.top(key); f != nil {
		return string(f.str)
	}
	return ""
}

func (h *header) integer(key string) int64 {
	if f := h.top(key); f != nil {
		return f.num
	}
	return 0
}

func (h *header) part(key, sub string) int64 {
	if f := h.member(key, sub); f != nil {
		return f.num
	}
	return 0
}

func (h *header) entry() Entry {
	e := Entry{
		Line: bytes.Clone(h.line), Seq: h.seq, Time: h.time, Prev: string(h.prev), Kind: h.kind, Origin: string(h.origin),
		Fields: make(Object, len(h.fields)),
	}
	if h.ref >= 0 {
		ref := uint64(h.ref)
		e.Ref = &ref
	}
	for _, f := range h.fields {
		var v any
		switch f.typ {
		case 's':
			v = string(f.str)
		case 'i':
			v = f.num
		case 'o':
			v = Object{}
		}
		if f.sub == nil {
			e.Fields[string(f.key)] = v
			continue
		}
		e.Fields[string(f.key)].(Object)[string(f.sub)] = v
		if string(f.key) == "dtl" {
			if e.Dtl == nil {
				e.Dtl = make(map[string]string, 4)
			}
			e.Dtl[string(f.sub)] = string(f.str)
		}
	}
	return e
}

// Text returns a string field of the header, or "".
func (e Entry) Text(name string) string { s, _ := e.Fields[name].(string); return s }

// Int returns an integer field of the header, or 0.
func (e Entry) Int(name string) int64 { n, _ := e.Fields[name].(int64); return n }

// Part returns an integer member of an object field of the header, or 0.
func (e Entry) Part(name, member string) int64 {
	o, _ := e.Fields[name].(Object)
	n, _ := o[member].(int64)
	return n
}
