package protect

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// TestRawNeverPrints plants canaries in a Raw and looks for them in whatever printers, loggers and encoders make of it.
func TestRawNeverPrints(t *testing.T) {
	const canary, number = "CANARY-LABEL", 918273645
	raw := NewRaw(Cells{
		Keys:   [][]catalog.Value{{catalog.StringValue(canary)}},
		Values: [][]*big.Int{{big.NewInt(number)}},
	})
	type holder struct {
		raw Raw
		Raw Raw
		Ptr *Raw
	}
	h := holder{raw, raw, &raw}
	var out bytes.Buffer
	for _, v := range []any{raw, &raw, h, &h, []Raw{raw}, map[string]Raw{"x": raw}, [1]holder{h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		// gob refuses a type without exported fields; whatever it wrote before counts.
		_ = gob.NewEncoder(&out).Encode(v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "raw", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "raw", v)
	}
	func() {
		defer func() { fmt.Fprint(&out, recover()) }()
		panic(h)
	}()
	if out.Len() < 1000 {
		t.Fatal("nothing was printed")
	}
	for _, s := range []string{canary, "CANARY", fmt.Sprint(number), fmt.Sprintf("%x", number)} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(s)) {
			t.Errorf("%q was printed", s)
		}
	}
}
