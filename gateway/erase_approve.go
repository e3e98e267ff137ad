package gateway

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"jali/audit"
	"jali/audit/approval"
	"jali/gateway/identity"
)

// approvers is how many people must approve an erasure.
const approvers = 2

// approved checks the approvals of an erasure: two different people, custodians or regulators by certificates that this gateway accepts
// now, have signed exactly this text. It returns what goes on record of each: who, with certificate and signature, so that
// anybody who may read the details can check them again, against the text that the entry gives.
func (g *Gateway) approved(text []byte, approvals [][]byte) (record []string, who []identity.Principal, err error) {
	fail := func(err error) error {
		return &Refusal{Code: Invalid, Message: "approvals: " + err.Error(), Hint: "erase --preview --text FILE, jali-auditor approve FILE by two people, then erase with --approval twice"}
	}
	if len(approvals) != approvers {
		return nil, nil, fail(fmt.Errorf("%d given, two different people must approve", len(approvals)))
	}
	pem, err := os.ReadFile(g.layout.CACert())
	if err != nil {
		g.operator.Error("authority of client certificates not read", "err", err)
		return nil, nil, unavailable()
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, unavailable()
	}
	for i, a := range approvals {
		cert, err := approval.Verify(a, text)
		if errors.Is(err, approval.ErrApproval) {
			return nil, nil, fail(fmt.Errorf("number %d: %w", i+1, err))
		} else if err != nil {
			return nil, nil, unavailable()
		}
		p, err := identity.FromCertificate(cert, roots, g.now())
		if err != nil {
			return nil, nil, fail(fmt.Errorf("number %d: %w", i+1, err))
		}
		b, err := json.Marshal(struct {
			Name     string          `json:"name"`
			Org      string          `json:"org"`
			Role     identity.Role   `json:"role"`
			Key      string          `json:"key"`
			Approval json.RawMessage `json:"approval"`
		}{p.Name, p.Org, p.Role, p.Key, a})
		if err != nil {
			return nil, nil, fail(fmt.Errorf("number %d: %w", i+1, err))
		}
		record, who = append(record, string(b)), append(who, p)
	}
	if err := identity.Approvers(who); err != nil {
		return nil, nil, fail(err)
	}
	return record, who, nil
}

// eraseText is what the approvers of an order sign.
func (g *Gateway) eraseText(o ErasureOrder, spans []audit.Span) []byte {
	return approval.EraseText(g.log.Origin(), o.Scope, o.Law, o.Order, spans)
}
