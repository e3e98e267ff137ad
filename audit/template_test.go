package audit

import (
	"strconv"
	"strings"
	"testing"
)

// A filled template is byte for byte the header formatted whole.
func TestTemplate(t *testing.T) {
	largest := Object{"ad": int64(MaxInt), "ar": int64(MaxInt), "pd": int64(MaxInt), "pr": int64(MaxInt)}
	o := intentAfter(1, 2, 3, "v", 1, "o", "seq:", "seq", int64(MaxInt), "t", int64(MaxInt), "prev", strings.Repeat("A", 43), "k", Intent,
		"bud0", largest, "bud1", largest, "dtl", Object{"seq": strings.Repeat("A", 43), "t": strings.Repeat("A", 43)})
	tmpl, err := NewTemplate(o.Fields(), "t", "seq", "prev", "bud1", "bud0")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{0, 7, 123456, MaxInt} {
		want := Object{}
		for k, v := range o {
			want[k] = v
		}
		bal := Object{"ad": n, "ar": n, "pd": n, "pr": n}
		want["seq"], want["t"], want["prev"], want["bud0"], want["bud1"] = n, n, strings.Repeat("B", 42)+"A", bal, bal
		line, err := FormatEntry(want)
		if err != nil {
			t.Fatal(err)
		}
		value := func(dst []byte, slot string) []byte {
			switch slot {
			case "seq", "t":
				return strconv.AppendInt(dst, n, 10)
			case "prev":
				return appendString(dst, strings.Repeat("B", 42)+"A")
			}
			dst, _ = appendFields(dst, bal.Fields(), false, nil)
			return dst
		}
		got := tmpl.Append(nil, value)
		if string(got) != string(line) {
			t.Errorf("got  %s\nwant %s", got, line)
		}
		once, err := NewTemplate(o.Fields(), "t", "seq", "prev", "bud1", "bud0")
		if err != nil {
			t.Fatal(err)
		}
		if filled := once.Fill(value); string(filled) != string(line) {
			t.Errorf("filled in place: %s\nwant %s", filled, line)
		}
	}
	if _, err := NewTemplate(o.Fields(), "absent"); err == nil {
		t.Error("a slot that is not there was accepted")
	}
}
