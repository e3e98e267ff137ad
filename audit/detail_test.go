package audit

import (
	"errors"
	"strings"
	"testing"
)

func TestDetail(t *testing.T) {
	for _, d := range []Detail{{"actor", "r-0042"}, {"query", "SELECT \"ä\" <&> \u2028 \x00 'x'"}, {"empty", ""}} {
		D, err := SealDetail(d)
		if err != nil {
			t.Fatal(err)
		}
		_, name, value, err := OpenDetail(D)
		if err != nil || name != d.Name || value != d.Value {
			t.Errorf("opened %q %q %v, want %+v", name, value, err, d)
		}
		if again, _ := SealDetail(d); again == D {
			t.Error("two seals of one detail are equal: the salt is not fresh")
		}
		e := Entry{Seq: 5, Dtl: map[string]string{d.Name: DetailDigest(D)}}
		if got, err := VerifyDetail(e, D); err != nil || got != d {
			t.Errorf("VerifyDetail = %+v, %v", got, err)
		}
		other, _ := SealDetail(d)
		var at *EntryError
		if _, err := VerifyDetail(e, other); !errors.Is(err, ErrDetailMismatch) || !errors.As(err, &at) || at.Seq != 5 {
			t.Errorf("another salt: %v, want a mismatch at entry 5", err)
		}
		if _, err := VerifyDetail(Entry{}, D); !errors.Is(err, ErrDetailMismatch) {
			t.Errorf("foreign detail: %v", err)
		}
	}
	for name, d := range map[string]Detail{
		"name": {"Actor", "x"}, "empty name": {"", "x"}, "UTF-8": {"actor", "\xff"}, "too long": {"actor", strings.Repeat("x", MaxDisclosure)},
	} {
		if _, err := SealDetail(d); !errors.Is(err, ErrDetail) {
			t.Errorf("%s: %v, want ErrDetail", name, err)
		}
	}
}

func TestOpenDetailRefuses(t *testing.T) {
	salt := strings.Repeat("A", 43)
	for name, raw := range map[string]string{
		"object": `{}`, "two": `["` + salt + `","a"]`, "four": `["` + salt + `","a","b","c"]`, "number": `["` + salt + `","a",1]`,
		"null": `["` + salt + `","a",null]`, "short salt": `["AAAA","a","b"]`, "name": `["` + salt + `","A","b"]`, "after": `["` + salt + `","a","b"] x`,
		"two arrays": `["` + salt + `","a","b"]["` + salt + `","a","b"]`, "invalid UTF-8": "[\"" + salt + "\",\"a\",\"\xff\"]",
	} {
		if _, _, _, err := OpenDetail(b64.EncodeToString([]byte(raw))); !errors.Is(err, ErrDetail) {
			t.Errorf("%s: %v, want ErrDetail", name, err)
		}
	}
	good := b64.EncodeToString([]byte(`["` + salt + `","a","b"]`))
	if _, _, _, err := OpenDetail(good); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{good + "=", good[:4] + "\n" + good[4:], good + "!", ""} {
		if _, _, _, err := OpenDetail(d); !errors.Is(err, ErrDetail) {
			t.Errorf("%q: %v, want ErrDetail", d, err)
		}
	}
}

func FuzzParseDetail(f *testing.F) {
	f.Add(loadVector(f).Actor)
	f.Add(b64.EncodeToString([]byte(`["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","a","\ud800"]`)))
	f.Fuzz(func(t *testing.T, d string) {
		salt, name, value, err := OpenDetail(d)
		if err != nil {
			return
		}
		D, err := sealDetail(Detail{name, value}, [SaltSize]byte(salt))
		if err != nil {
			if len(d) > MaxDisclosure/2 {
				return // an escape-free spelling may be refused only for its length
			}
			t.Fatal(err)
		}
		if s, n, v, err := OpenDetail(D); err != nil || string(s) != string(salt) || n != name || v != value {
			t.Fatalf("sealed again: %q %q %v", n, v, err)
		}
	})
}

func TestCheckResult(t *testing.T) {
	d := ResultDetail([]byte("abc"), "application/json")
	if err := CheckResult(d.Value, []byte("abc")); err != nil {
		t.Error(err)
	}
	for _, b := range []string{"abd", "", "abcd"} {
		if err := CheckResult(d.Value, []byte(b)); !errors.Is(err, ErrDetailMismatch) {
			t.Errorf("%q: %v", b, err)
		}
	}
	if err := CheckResult("42 bytes", nil); !errors.Is(err, ErrDetail) {
		t.Errorf("foreign value: %v", err)
	}
}
