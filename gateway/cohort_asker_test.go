package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"math"
	"testing"

	"jali/crypto/cohort"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/identity"
)

// asker is a researcher with a key, who asks encrypted questions of an office.
type asker struct {
	*office
	who  identity.Principal
	keys map[string]*cohort.SecretKey
}

// encrypted are terms that open encrypted questions.
func encrypted() string { return terms("kinds: [aggregate]", "kinds: [aggregate, encrypted]") }

func newAsker(t *testing.T, agreement string) *asker {
	t.Helper()
	s := newOffice(t, agreement, 50_000)
	if _, err := s.SetBudget(t.Context(), examples.NHEFSPopulation, 50_000, 1e12, "test", "test"); err != nil {
		t.Fatal(err)
	}
	return &asker{office: s, who: alice, keys: map[string]*cohort.SecretKey{}}
}

func (a *asker) key(t *testing.T, params string) *cohort.SecretKey {
	t.Helper()
	if k := a.keys[params]; k != nil {
		return k
	}
	crs, _, err := a.NewKey(a.who, examples.NHEFSAgreementID, params)
	if err != nil {
		t.Fatal(err)
	}
	p, err := cohort.ParamsByID(params)
	if err != nil {
		t.Fatal(err)
	}
	k, body, err := cohort.GenerateKey(p, crs, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.RegisterKey(t.Context(), a.who, crs, body)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != k.ID() {
		t.Fatal("the gateway names the key otherwise than its owner")
	}
	a.keys[params] = k
	return k
}

func (a *asker) request(aggregate, measure, e string) gateway.CohortRequest {
	return gateway.CohortRequest{
		Agreement: examples.NHEFSAgreementID, Purpose: examples.Purpose, By: "nhefs.education", Aggregate: aggregate, Measure: measure, Error: e,
	}
}

// made is a question ready to be uploaded.
type made struct {
	offer gateway.CohortOffer
	nonce [32]byte
	bytes []byte
	key   *cohort.SecretKey
}

// sum is the digest that names an upload.
func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// make quotes, with a key of the parameters that the quote names, and encrypts the selection.
func (a *asker) make(t *testing.T, req gateway.CohortRequest, rules []cohort.Rule, selected ...int) made {
	t.Helper()
	free, err := a.QuoteCohort(t.Context(), a.who, req)
	if err != nil {
		t.Fatal(err)
	}
	if !free.Allowed || free.Nonce != nil {
		t.Fatalf("quote without key: %+v", free.Reasons)
	}
	key := a.key(t, free.Params)
	id := key.ID()
	req.Key = id[:]
	offer, err := a.QuoteCohort(t.Context(), a.who, req)
	if err != nil {
		t.Fatal(err)
	}
	m := made{offer: offer, nonce: [32]byte(offer.Nonce), key: key}
	layout, err := cohort.NewLayout(key.Params(), offer.Entries, rules...)
	if err != nil {
		t.Fatal(err)
	}
	selector, err := cohort.NewSelector(offer.Entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range selected {
		if err := selector.Select(i); err != nil {
			t.Fatal(err)
		}
	}
	enc, err := key.Encrypt(cohort.Query{Layout: layout, Table: offer.Table, Nonce: m.nonce}, selector, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Erase()
	var b bytes.Buffer
	if _, err := enc.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if b.Len() != offer.UploadBytes {
		t.Fatalf("upload has %d bytes, quoted were %d", b.Len(), offer.UploadBytes)
	}
	m.bytes = b.Bytes()
	return m
}

func (a *asker) upload(t *testing.T, m made) {
	t.Helper()
	u, err := a.BeginUpload(t.Context(), a.who, m.nonce)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(m.bytes); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Close(); err != nil {
		t.Fatal(err)
	}
}

func (a *asker) decrypt(t *testing.T, m made, reply []byte) []int64 {
	t.Helper()
	var bounds []int64
	for _, g := range m.offer.Aggregates {
		bounds = append(bounds, g.Bound)
	}
	got, err := m.key.Decrypt(reply, bounds)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sql is the answer of the plaintext twin with its half-width.
func (a *asker) sql(t *testing.T, text, e string) (value, half float64) {
	t.Helper()
	answer, err := a.Answer(t.Context(), a.who, question(text, e))
	if err != nil {
		t.Fatal(err)
	}
	row := answer.Released.Rows[0]
	f, _ := row.Values[0].Fixed.Float64()
	h, _ := row.Error95[0].Fixed.Float64()
	scale := math.Pow10(row.Values[0].Dec)
	return f / scale, h / scale
}

// An encrypted answer is that of the plaintext twin. Both are noisy: they differ by more than three times the sum of their
