package export

import (
	"errors"
	"strings"
	"testing"

	"jali/audit"
)

func TestCheckAudience(t *testing.T) {
	for name, ok := range map[string]bool{
		"public": true, "citizen": true, "regulator": true, "researcher:a1": true,
		"": false, "researcher": false, "researcher:": false, "public:a1": false, "regulator:": false, "everybody": false, "../x": false,
	} {
		if err := CheckAudience(name); (err == nil) != ok || err != nil && !errors.Is(err, ErrAudience) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := AudienceName("researcher:a1"); got != "researcher" {
		t.Errorf("name with key: %s", got)
	}
}

// Each audience gets what is its own and nothing else: the list says who gets which details of which entry.
func TestChoose(t *testing.T) {
	actor := func(key string) audit.Detail {
		return audit.Detail{Name: "actor", Value: `{"name":"x","key":"` + key + `"}`}
	}
	one, two := uint64(1), uint64(2)
	entries := []struct {
		e  audit.Entry
		ds []audit.Detail
	}{
		{audit.Entry{Seq: 0, Kind: audit.Agreement}, []audit.Detail{{Name: "approver", Value: "b"}, {Name: "party", Value: "Uni"}, {Name: "text", Value: "t"}}},
		{audit.Entry{Seq: 1, Kind: audit.Intent}, []audit.Detail{actor("a1"), {Name: "query", Value: "q"}}},
		{audit.Entry{Seq: 2, Kind: audit.Intent}, []audit.Detail{actor("b2"), {Name: "query", Value: "q"}}},
		{audit.Entry{Seq: 3, Kind: audit.Release, Ref: &two}, []audit.Detail{{Name: "result", Value: "r"}}},
		{audit.Entry{Seq: 4, Kind: audit.Release, Ref: &one}, []audit.Detail{{Name: "result", Value: "r"}}},
		{audit.Entry{Seq: 5, Kind: audit.Replay, Ref: &one}, []audit.Detail{actor("b2")}},
		{audit.Entry{Seq: 6, Kind: audit.Refused}, []audit.Detail{actor("a1"), {Name: "reason", Value: "no"}}},
		{audit.Entry{Seq: 7, Kind: audit.Refused}, []audit.Detail{{Name: "reason", Value: "no"}}},
		{audit.Entry{Seq: 8, Kind: audit.Review}, []audit.Detail{actor("a1")}},
		{audit.Entry{Seq: 9, Kind: audit.Intent}, []audit.Detail{{Name: "actor", Value: "a1"}}},
		{audit.Entry{Seq: 10, Kind: audit.Failure, Ref: &one}, []audit.Detail{{Name: "cause", Value: "out of memory"}}},
	}
	for audience, want := range map[string]string{
		Public:          "",
		Citizen:         "0party",
		"researcher:a1": "1actor 1query 4result 6actor 6reason",
		"researcher:b2": "2actor 2query 3result 5actor",
		"researcher:c3": "",
		Regulator:       "0approver 0party 0text 1actor 1query 2actor 2query 3result 4result 5actor 6actor 6reason 7reason 8actor 9actor :cause", // ":" is the digit after 9
	} {
		r, err := NewReaders(audience)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range entries {
			var ds []string
			for _, d := range c.ds {
				D, err := audit.SealDetail(d)
				if err != nil {
					t.Fatal(err)
				}
				ds = append(ds, D)
			}
			ds, err := r.Choose(c.e, ds)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range ds {
				_, name, _, err := audit.OpenDetail(d)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(rune('0'+c.e.Seq))+name)
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s gets %q, want %q", audience, g, want)
		}
	}
}
