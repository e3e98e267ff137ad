package identity

import "time"

// AtTime gives a configuration a clock, and says how long the provider is left in peace.
func AtTime(c TokenConfig, now func() time.Time, wait time.Duration) TokenConfig {
	c.now, c.wait = now, wait
	return c
}

// CheckClaims reads claims and judges them, without a signature.
func CheckClaims(text []byte) error {
	var c claims
	if err := c.UnmarshalJSON(text); err != nil {
		return err
	}
	config := TokenConfig{Issuer: "https://x", Audience: "x", Groups: []Group{{Name: "a", Role: Researcher, Org: "O"}}}
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	if err := c.inTime(config); err != nil {
		return err
	}
	if err := c.boundTo(nil, false); err != nil {
		return err
	}
	_, err = c.principal(config)
	return err
}

// SignInBy is the sign-in of a configuration, without the files of a Trust.
func SignInBy(c TokenConfig) (*SignIn, error) {
	tokens, err := NewTokens(c)
	if err != nil {
		return nil, err
	}
	return &SignIn{tokens}, nil
}
