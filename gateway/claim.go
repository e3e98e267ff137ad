package gateway

import (
	"errors"
	"io/fs"
	"os"

	"jali/audit/store"
	"jali/gateway/identity"
)

// Claims is what the gateway holds every ledger to be, exactly, and the size of the log at the same instant: what a
// regulator compares with the log. A researcher sees its own agreement's balance through Budget.
func (g *Gateway) Claims(who identity.Principal) ([]store.Claim, uint64, error) {
	if !overseer(who) {
		return nil, 0, notForYou()
	}
	claims, size, err := g.log.Claims()
	if err != nil {
		g.operator.Error("read ledgers", "err", err)
		return nil, 0, unavailable()
	}
	return claims, size, nil
}

// Bundle is a policy bundle that is or was active, by the digest on record. The digest is a file name here, so it must have
// the form of one (43 characters of base64url, which the wire contract demands too).
func (g *Gateway) Bundle(who identity.Principal, digest string) ([]byte, error) {
	if !overseer(who) {
		return nil, notForYou()
	}
	unknown := &Refusal{Code: NotFound, Message: "no policy bundle of this digest is kept here", Hint: "take the digest from the field pol of an entry"}
	if !isDigest(digest) {
		return nil, unknown
	}
	b, err := os.ReadFile(g.layout.Bundle(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	}
	if err != nil {
		g.operator.Error("read policy bundle", "err", err)
		return nil, unavailable()
	}
	return b, nil
}

func isDigest(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return len(s) == 43
}

// overseer reports whether the principal may see everybody's details.
func overseer(who identity.Principal) bool {
	return who.Role == identity.Regulator || who.Role == identity.Custodian
}

func notForYou() *Refusal {
	return denied("role", "this is for regulators and custodians", "ask the regulator that supervises this gateway")
}
