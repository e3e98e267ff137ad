package gateway_test

import (
	"testing"
	"time"

	"jali/crypto/cohort"
	"jali/examples"
	"jali/gateway"
)

// Keys are on record for good and, where there is an auditor, files for good. One person makes a day's number of them and no more, also with
// a second certificate; others are not held up, and the next day there are new ones.
func TestKeysAreLimited(t *testing.T) {
	a := newAsker(t, encrypted())
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	later := time.Duration(0)
	g, err := gateway.Open(t.Context(), gateway.Config{Dir: a.dir, Threads: 1, Operator: a.logger(), Now: func() time.Time { return time.Now().Add(later) }})
	if err != nil {
		t.Fatal(err)
	}
	a.Gateway = g
	params := cohort.IDs()[0]
	ask := func() error {
		_, _, err := a.NewKey(a.who, examples.NHEFSAgreementID, params)
		return err
	}
	made := 0
	for range 100 {
		if err := ask(); err != nil {
			if r := refusal(t, err); r.Code != gateway.Rate || r.Hint == "" {
				t.Fatal(err)
			}
			break
		}
		if made++; made%16 == 0 {
			later += 11 * time.Minute // those that were asked for are too old by now
		}
	}
	if made != 64 {
		t.Errorf("%d keys in a day", made)
	}
	again := a.who
	if a.who.Key = again.Key[2:] + "00"; refusal(t, ask()).Code != gateway.Rate {
		t.Error("a second certificate is a second allowance")
	}
	if a.who.Name = "another"; ask() != nil {
		t.Error("a flood of one person's holds up others")
	}
	a.who, later = again, later+24*time.Hour
	if err := ask(); err != nil {
		t.Errorf("the next day: %v", err)
	}
}
