package gateway

import (
	"bytes"
	"context"
	"math/big"

	"jali/crypto/cohort"
	"jali/crypto/noise"
	"jali/gateway/identity"
	"jali/gateway/protect"
)

// EvaluateQuiet evaluates an upload as Evaluate does, over the same vectors and through the same cipher, but without charge and record, and
// with noise that is 0 but for a probability below 10^-200: it is for tests of exactness, and not part of the gateway.
func (g *Gateway) EvaluateQuiet(ctx context.Context, who identity.Principal, nonce [32]byte, body []byte) ([]byte, error) {
	q, refusal := g.cohorts.find(g.now(), who, nonce)
	if refusal != nil {
		return nil, refusal
	}
	a := q.again()
	key, refusal := g.cohorts.key(g.now(), who, a.agreement, a.blind.key)
	if refusal != nil {
		return nil, refusal
	}
	upload, err := cohort.ReadUpload(bytes.NewReader(body), a.blind.layout, false)
	if err != nil {
		return nil, err
	}
	s, release := g.slots.take(a)
	defer release()
	if err := g.whole(a); err != nil {
		return nil, err
	}
	vectors, err := g.vectors(ctx, a, s)
	if err != nil {
		return nil, err
	}
	for i := range a.spec.Items {
		a.spec.Items[i].Sigma2 = noise.Variance{Num: big.NewInt(1), Den: big.NewInt(1000)}
	}
	return protect.EvaluateBlind(ctx, vectors, a.blind.spec, a.spec.Items, protect.BlindQuestion{
		Key: key, Query: cohort.Query{Layout: a.blind.layout, Table: a.blind.table, Nonce: nonce}, Upload: upload,
	})
}
