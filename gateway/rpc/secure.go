package rpc

import (
	"errors"

	"jali/gateway/identity"
)

// trusted is by what callers are recognised: the one that is given, or one of the three files, without revocation and without tokens.
func trusted(c Config) (*identity.Trust, error) {
	if c.Trust != nil {
		return c.Trust, nil
	}
	if c.Certificate == "" || c.Key == "" || c.ClientCA == "" {
		return nil, errors.New("serve: Trust, or Certificate, Key and ClientCA, are required")
	}
	return identity.LoadTrust(identity.TrustConfig{Certificate: c.Certificate, Key: c.Key, ClientCA: c.ClientCA})
}
