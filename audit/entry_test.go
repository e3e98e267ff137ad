package audit

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func base() Object {
	return Object{"v": 1, "o": "log.example/1", "seq": 7, "t": 1000, "prev": strings.Repeat("A", 43), "k": "HEARTBEAT", "open": 0}
}

func with(kv ...any) Object {
	o := base()
	for i := 0; i < len(kv); i += 2 {
		o[kv[i].(string)] = kv[i+1]
	}
	return o
}

func TestFormatEntryRefuses(t *testing.T) {
	many := Object{}
	for i := range 17 {
		many["d"+strings.Repeat("x", i%8)+string(rune('a'+i))] = strings.Repeat("A", 43)
	}
	for name, o := range map[string]Object{
		"2^53":              with("x", int64(1<<53)),
		"negative":          with("x", -1),
		"float":             with("x", 1.5),
		"bool":              with("x", true),
		"null":              with("x", nil),
		"array":             with("x", []string{"a"}),
		"nested twice":      with("x", Object{"a": Object{"b": 1}}),
		"upper-case key":    with("X", 1),
		"key of 17":         with(strings.Repeat("x", 17), 1),
		"empty key":         with("", 1),
		"space":             with("x", "a b"),
		"quote":             with("x", `a"b`),
		"backslash":         with("x", `a\u0041`),
		"non-ASCII":         with("x", "é"),
		"string of 256":     with("x", strings.Repeat("a", 256)),
		"version":           with("v", 2),
		"no version":        {"o": "l", "seq": 7, "t": 1, "prev": strings.Repeat("A", 43), "k": "HEARTBEAT", "open": 0},
		"prev too short":    with("prev", "AA"),
		"prev not base64":   with("prev", strings.Repeat("A", 42)+"."),
		"prev loose bits":   with("prev", strings.Repeat("A", 42)+"B"),
		"empty origin":      with("o", ""),
		"empty kind":        with("k", ""),
		"kind a number":     with("k", 1),
		"required field":    {"v": 1, "o": "l", "seq": 7, "t": 1, "prev": strings.Repeat("A", 43), "k": "HEARTBEAT"},
		"wrong type":        with("open", "0"),
		"unknown value":     with("k", "REFUSED", "dec", "maybe", "why", "policy"),
		"17 details":        with("dtl", many),
		"detail no digest":  with("dtl", Object{"actor": "short"}),
		"detail a number":   with("dtl", Object{"actor": 1}),
		"dtl not an object": with("dtl", "x"),
		"ref a string":      with("ref", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			if line, err := FormatEntry(o); err == nil {
				t.Errorf("accepted as %s", line)
			}
		})
	}
}

func TestParseEntryRefuses(t *testing.T) {
	good, err := FormatEntry(base())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseEntry(good); err != nil {
		t.Fatal(err)
	}
	s := string(good)
	for name, line := range map[string]string{
		"empty":              "",
		"one byte":           "{",
		"array":              "[]",
		"text after":         s + " ",
		"line feed":          s + "\n",
		"space":              strings.Replace(s, ":", ": ", 1),
		"unsorted":           strings.Replace(s, `"k":"HEARTBEAT","o":"log.example/1"`, `"o":"log.example/1","k":"HEARTBEAT"`, 1),
		"duplicate":          strings.Replace(s, `"open":0`, `"open":0,"open":0`, 1),
		"leading zero":       strings.Replace(s, `"seq":7`, `"seq":07`, 1),
		"plus":               strings.Replace(s, `"seq":7`, `"seq":+7`, 1),
		"exponent":           strings.Replace(s, `"seq":7`, `"seq":7e0`, 1),
		"fraction":           strings.Replace(s, `"seq":7`, `"seq":7.0`, 1),
		"2^53":               strings.Replace(s, `"seq":7`, `"seq":9007199254740992`, 1),
		"17 digits":          strings.Replace(s, `"seq":7`, `"seq":10000000000000000`, 1),
		"null":               strings.Replace(s, `"open":0`, `"open":null`, 1),
		"true":               strings.Replace(s, `"open":0`, `"open":true`, 1),
		"escape":             strings.Replace(s, "log", `\u006cog`, 1),
		"non-ASCII":          strings.Replace(s, "log", "lög", 1),
		"trailing comma":     strings.Replace(s, "}", ",}", 1),
		"4097 bytes":         strings.Replace(s, `"open":0`, `"open":0,`+strings.Repeat(`"x":{`, 1)+long(4097-len(s)-6)+`}`, 1),
		"unterminated":       s[:len(s)-1],
		"unterminated value": s[:len(s)-3],
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseEntry([]byte(line))
			if !errors.Is(err, ErrGrammar) {
				t.Errorf("ParseEntry = %v, want ErrGrammar", err)
			}
		})
	}
}

// long fills n bytes with members of a nested object.
func long(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"k` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `":"` + strings.Repeat("a", 200) + `"`)
	}
	return b.String()
}

// The largest header is accepted at 4,096 bytes and refused one byte later.
func TestHeaderLimit(t *testing.T) {
	for _, c := range []struct {
		size int
		ok   bool
	}{{MaxHeader, true}, {MaxHeader + 1, false}} {
		o := base()
		pad := Object{}
		o["x"] = pad
		for i := 0; ; i++ {
			line, err := appendFields(nil, o.Fields(), true, nil)
			if err != nil {
				t.Fatal(err)
			}
			gap := c.size - len(line)
			if gap <= 0 {
				if gap < 0 {
					t.Fatalf("overshot by %d", -gap)
				}
				if _, err := ParseEntry(line); (err == nil) != c.ok {
					t.Errorf("%d bytes: %v", len(line), err)
				}
				break
			}
			key := "k" + string(rune('a'+i))
			over := len(`"ka":"",`)
			if i == 0 {
				over--
			}
			n := min(MaxString, gap-over)
			if rest := gap - over - n; rest > 0 && rest < len(`,"kz":""`) {
				n -= len(`,"kz":""`) // leave room for one more member
			}
			pad[key] = strings.Repeat("a", n)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	for _, e := range loadVector(f).Entries {
		f.Add([]byte(e))
	}
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"a":{"b":"c"},"d":9007199254740991}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseEntry(line)
		if err != nil {
			return
		}
		back, err := appendFields(nil, e.Fields.Fields(), true, nil)
		if err != nil || !bytes.Equal(back, line) {
			t.Fatalf("parse then format: %q, %v, want %q", back, err, line)
		}
		if again, err := ParseEntry(back); err != nil || again.Seq != e.Seq || again.Kind != e.Kind {
			t.Fatalf("parsed again: %v", err)
		}
	})
}

// isDigest accepts exactly what strict decoding does.
func TestIsDigest(t *testing.T) {
	good := []byte(Digest(LeafHash([]byte("x"))))
	for at := range good {
		for c := range 256 {
			b := append([]byte(nil), good...)
			b[at] = byte(c)
			raw, err := b64.DecodeString(string(b))
			want := err == nil && len(raw) == 32 && c != '\n' && c != '\r'
			if isDigest(b) != want {
				t.Fatalf("byte %d = %#x: %v, want %v", at, c, !want, want)
			}
		}
	}
	for _, n := range []int{0, 42, 44, 86} {
		if isDigest(bytes.Repeat([]byte{'A'}, n)) {
			t.Errorf("%d characters", n)
		}
	}
}
