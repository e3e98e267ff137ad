package gateway_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"jali/audit"
	"jali/audit/approval"
	"jali/gateway"
	"jali/gateway/identity"
)

// Two different people who may must have signed exactly what is erased. Whatever else is given, nothing is erased and nothing is on
// record but that they signed can be checked by anyone afterwards.
func TestEraseApprovals(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	a, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs", "30"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) FROM nhefs WHERE age > 50", "30"))
	if err != nil {
		t.Fatal(err)
	}
	order := eraseOrder(func(o *gateway.ErasureOrder) { o.Query, o.Preview = &a.Decision, true })
	preview, err := s.Erase(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Erase(t.Context(), eraseOrder(func(o *gateway.ErasureOrder) { o.Query, o.Preview = &b.Decision, true }))
	if err != nil {
		t.Fatal(err)
	}
	p := s.people(t)
	strangers, _, err := identity.NewCA("somebody", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	text := preview.Text
	ada, bo := p.approve(text, "ada", identity.Custodian), p.approve(text, "bo", identity.Regulator)
	order.Preview = false
	before := s.Status().Size
	for name, c := range map[string]struct {
		given [][]byte
		says  string
	}{
		"nobody":                  {nil, "two different people"},
		"one":                     {[][]byte{ada}, "two different people"},
		"one twice":               {[][]byte{ada, ada}, "the same person twice"},
		"one with two keys":       {[][]byte{ada, p.approve(text, "ada", identity.Custodian)}, "the same person twice"},
		"a researcher":            {[][]byte{ada, p.approve(text, "eve", identity.Researcher)}, "only custodians and regulators"},
		"of another erasure":      {[][]byte{ada, p.approve(other.Text, "bo", identity.Regulator)}, "number 2: approval not valid: the signature is not of this text"},
		"by another authority":    {[][]byte{ada, people{t, strangers}.approve(text, "bo", identity.Regulator)}, "number 2"},
		"three":                   {[][]byte{ada, bo, p.approve(text, "cy", identity.Regulator)}, "3 given"},
		"not approvals":           {[][]byte{ada, []byte("{}")}, "number 2"},
		"a name instead of a key": {[][]byte{ada, []byte("bo")}, "not an approval file"},
	} {
		o := order
		o.Approvals = c.given
		if _, err := s.Erase(t.Context(), o); refusal(t, err).Code != gateway.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	if now := s.Status().Size; now != before {
		t.Errorf("%d entries, then %d: something was recorded", before, now)
	}
	order.Approvals = [][]byte{ada, bo}
	done, err := s.Erase(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := s.Entries(t.Context(), clerk, done.Erase, 1, true)
	if err != nil || len(page) != 1 {
		t.Fatal(page, err)
	}
	e, err := audit.ParseEntry(page[0].Header)
	if err != nil {
		t.Fatal(err)
	}
	details := map[string]string{}
	for _, d := range page[0].Details {
		det, err := audit.VerifyDetail(e, d)
		if err != nil {
			t.Fatal(err)
		}
		details[det.Name] = det.Value
	}
	spans, err := audit.ParseSpans(details["list"])
	if err != nil {
		t.Fatal(err)
	}
	again := approval.EraseText(e.Origin, e.Text("scope"), e.Text("law"), details["order"], spans)
	for name, want := range map[string]string{"approver": "ada", "approver2": "bo"} {
		var on struct {
			Name     string
			Approval json.RawMessage
		}
		if err := json.Unmarshal([]byte(details[name]), &on); err != nil {
			t.Fatal(err)
		}
		if cert, err := approval.Verify(on.Approval, again); err != nil || on.Name != want || cert.Subject.CommonName != want {
			t.Errorf("%s on record: %s, %v", name, on.Name, err)
		}
	}
	// An approval ends with its certificate.
	later := time.Now().Add(identity.ClientLife + time.Hour)
	cert, err := approval.Verify(ada, text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.FromCertificate(cert, p.ca.Pool(), later); !errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("after its certificate ended: %v", err)
	}
	if _, err := identity.FromCertificate(cert, nil, time.Now()); !errors.Is(err, identity.ErrNoPrincipal) {
		t.Errorf("without roots: %v", err)
	}
}
