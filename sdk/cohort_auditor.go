package sdk

import (
	"bytes"

	"jali/crypto/cohort"
)

// auditor is the one to whom key and upload are opened. The gateway's word is not enough: whoever holds the other half of the key reads
// what is selected, so it must be the key that the caller has from the auditor.
func (q CohortQuery) auditor(named []byte) (*cohort.Auditor, error) {
	switch {
	case len(named) == 0 && len(q.Auditor) == 0:
		return nil, nil
	case len(named) == 0:
		return nil, &QueryError{Code: "AUDITOR", Message: "the agreement opens encrypted questions to nobody, and an auditor was named", Hint: "leave the auditor out, or ask the custodian to add it to the agreement"}
	case len(q.Auditor) == 0:
		return nil, &QueryError{Code: "AUDITOR", Message: "the agreement opens encrypted questions to an auditor, who can read what you select", Hint: "get the auditor's public key from the auditor, not from the gateway, and name it (--auditor FILE)"}
	case !bytes.Equal(named, q.Auditor):
		return nil, &QueryError{Code: "AUDITOR", Message: "the gateway names another auditor than the one you trust", Hint: "ask auditor and custodian which key is right; nothing was sent"}
	}
	a, err := cohort.ParseAuditor(named)
	if err != nil {
		return nil, &QueryError{Code: "AUDITOR", Message: "the auditor's key cannot be read", Hint: "it is what jali-auditor open keygen writes"}
	}
	return a, nil
}
