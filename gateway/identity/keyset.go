package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// fresh is how long keys are used without asking again; a key that the provider has withdrawn is refused after it.
	fresh = 5 * time.Minute
	// stale is how long keys are still used while the provider does not answer.
	stale = time.Hour

	askTime    = 5 * time.Second
	maxAnswer  = 1 << 20
	maxKeyings = 32
)

// keySet is the provider's published keys. Unlike the library's own it forgets keys that the provider no longer publishes, and asks at most once in a while whatever key ids strangers
// invent. Discovery is part of every refresh: the address of the keys may move.
type keySet struct {
	config TokenConfig
	client *http.Client
	asking chan struct{} // one refresh at a time

	mu         sync.Mutex
	keys       []jose.JSONWebKey
	places     places
	generation uint64
	got, asked time.Time
}

func newKeySet(config TokenConfig, transport http.RoundTripper) *keySet {
	return &keySet{
		config: config, asking: make(chan struct{}, 1),
		client: &http.Client{
			Transport: limited{transport}, Timeout: askTime,
			// The issuer's name is what is trusted; another place it points to is not.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// current makes sure that keys are there and not too old, and tells which generation they are.
func (k *keySet) current(ctx context.Context) (uint64, error) {
	k.mu.Lock()
	age, have, generation := k.config.now().Sub(k.got), len(k.keys) > 0, k.generation
	k.mu.Unlock()
	if have && age < fresh {
		return generation, nil
	}
	err := k.refresh(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) == 0 || k.config.now().Sub(k.got) >= stale {
		return 0, errors.Join(ErrProvider, err)
	}
	return k.generation, nil
}

// find returns the keys that a token's header may mean. An unknown key id is a reason to ask the provider again: it may have begun to use another key.
func (k *keySet) find(ctx context.Context, id, algorithm string) ([]jose.JSONWebKey, uint64, error) {
	keys, generation := k.matching(id, algorithm)
	if len(keys) == 0 {
		if err := k.refresh(ctx); err != nil && !errors.Is(err, errAsked) {
			return nil, 0, errors.Join(ErrProvider, err)
		}
		keys, generation = k.matching(id, algorithm)
	}
	if len(keys) == 0 {
		return nil, 0, fmt.Errorf("%w: the token is signed with a key that the provider does not publish", ErrNoPrincipal)
	}
	return keys, generation, nil
}

func (k *keySet) matching(id, algorithm string) ([]jose.JSONWebKey, uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []jose.JSONWebKey
	for _, key := range k.keys {
		if (id == "" || key.KeyID == id) && (key.Algorithm == "" || key.Algorithm == algorithm) {
			out = append(out, key)
		}
	}
	return out, k.generation
}

// errAsked: the provider was asked a moment ago.
var errAsked = errors.New("the identity provider was asked a moment ago")

// refresh fetches the keys. One asks, the others wait for it; nobody asks again within the configured wait. The caller's own end does not end the question: its answer is everybody's.
func (k *keySet) refresh(ctx context.Context) error {
	select {
	case k.asking <- struct{}{}:
		defer func() { <-k.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	k.mu.Lock()
	now := k.config.now()
	if !k.asked.IsZero() && now.Sub(k.asked) < k.config.wait {
		k.mu.Unlock()
		return errAsked
	}
	k.asked = now
	k.mu.Unlock()

	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	keys, places, err := k.fetch(ask)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys, k.places, k.got = keys, places, now
	k.generation++
	return nil
}

// places is what else the discovery document says: where people sign in, and what the provider promises of it.
type places struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`                           // OpenID Connect RP-Initiated Logout 1.0
	Names         bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	Challenges    []string `json:"code_challenge_methods_supported"`               // RFC 8414
}

// found is the places as the provider told them last, at most as old as its keys may be.
func (k *keySet) found(ctx context.Context) (places, error) {
	if _, err := k.current(ctx); err != nil {
		return places{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.places, nil
}

func (k *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, places, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.config.Issuer)
	if err != nil { // the text is the provider's
		return nil, places{}, errors.New("discovery failed, or the provider calls itself by another name")
	}
	var found struct {
		Keys string `json:"jwks_uri"`
		places
	}
	if err := provider.Claims(&found); err != nil {
		return nil, places{}, errors.New("the discovery document does not parse")
	}
	if err := k.config.checkPlace(found.Keys); err != nil {
		return nil, places{}, fmt.Errorf("the address of the provider's keys %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, found.Keys, nil)
	if err != nil {
		return nil, places{}, errors.New("the address of the provider's keys is not one")
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, places{}, errors.New("the provider does not give its keys")
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body) // limited bounds it
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, places{}, errors.New("the provider does not give its keys")
	}
	keys, err := readKeys(body)
	return keys, found.places, err
}

// readKeys takes the public signature keys of a JWK set (RFC 7517). Keys of kinds that the library does not know are passed over, as section 5 asks.
func readKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("the provider's keys do not parse")
	}
	if len(set.Keys) > maxKeyings {
		return nil, errors.New("the provider publishes too many keys")
	}
	var out []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(text); err != nil || !key.Valid() || !key.IsPublic() || !slices.Contains([]string{"", "sig"}, key.Use) {
			continue
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, errors.New("the provider publishes no key that signs")
	}
	return out, nil
}
