package sdktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"jali/crypto/cohort"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// wire speaks CohortService without the client library: what other clients do.
type wire struct {
	jaliv1.CohortServiceClient
	g   *Gateway
	key *cohort.SecretKey
}

func newWire(t *testing.T, g *Gateway) *wire { t.Helper(); return newWireOf(t, g, g.Researcher()) }

// newWireOf registers a key for a client.
func newWireOf(t *testing.T, g *Gateway, c *Client) *wire {
	t.Helper()
	w := &wire{CohortServiceClient: jaliv1.NewCohortServiceClient(c.Conn()), g: g}
	crs, err := w.NewKey(t.Context(), &jaliv1.NewKeyRequest{Agreement: g.Agreement, Params: "ecq1-a"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := cohort.ParamsByID("ecq1-a")
	if err != nil {
		t.Fatal(err)
	}
	key, body, err := cohort.GenerateKey(p, [32]byte(crs.GetCrs()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.RegisterKey(t.Context(), &jaliv1.RegisterKeyRequest{Crs: crs.GetCrs(), Body: body}); err != nil {
		t.Fatal(err)
	}
	w.key = key
	return w
}

// make quotes a count by sex and encrypts a selection of the first entry.
func (w *wire) make(t *testing.T) (nonce, upload []byte) {
	t.Helper()
	id := w.key.ID()
	offer, err := w.Quote(t.Context(), &jaliv1.CohortServiceQuoteRequest{
		Agreement: w.g.Agreement, Purpose: w.g.Purpose, Key: id[:], By: "person.sex", Aggregate: "count", Error: "50",
	})
	if err != nil || !offer.GetAllowed() {
		t.Fatalf("quote: %v, %v", offer.GetReasons(), err)
	}
	layout, err := cohort.NewLayout(w.key.Params(), int(offer.GetEntries()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := cohort.NewSelector(int(offer.GetEntries()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Select(0); err != nil {
		t.Fatal(err)
	}
	e, err := w.key.Encrypt(cohort.Query{Layout: layout, Table: cohort.Digest(offer.GetTable()), Nonce: [32]byte(offer.GetNonce())}, s, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := e.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return offer.GetNonce(), b.Bytes()
}

// Callers that go away half-way leave nothing: with memory for five uploads, ten broken streams do not keep the next one out.
func TestCohortBrokenStreams(t *testing.T) {
	g := start(t, Config{Agreements: []string{schemeAgreement}, Persons: 500, ServerConfig: map[string]string{"upload_mb: 256": "upload_mb: 1"}})
	w := newWire(t, g)
	for range 10 {
		nonce, upload := w.make(t)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := w.Upload(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&jaliv1.UploadRequest{Nonce: nonce, Data: upload[:len(upload)/2]}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // so that most have arrived; whether they have does not matter
		cancel()
	}
	nonce, upload := w.make(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := w.Upload(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&jaliv1.UploadRequest{Nonce: nonce, Data: upload}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatalf("memory was not given back: %v", sdk.FromStatus(err))
	}
	commit := sha256.Sum256(upload)
	answer, err := w.Evaluate(ctx, &jaliv1.EvaluateRequest{Nonce: nonce, Commit: commit[:]})
	if err != nil {
		t.Fatal(sdk.FromStatus(err))
	}
	if _, err := w.key.Decrypt(answer.GetReply(), []int64{1000}); err != nil {
		t.Error(err)
	}
}

// A browser's way: REST, in parts, resumed where the gateway says.
func TestCohortREST(t *testing.T) {
	g := start(t, Config{Agreements: []string{schemeAgreement}, Persons: 500})
	w := newWire(t, g)
	nonce, upload := w.make(t)
	profile, err := sdk.LoadProfile(g.Researcher().Profile())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(profile.Cert, profile.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(profile.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots}}}
	post := func(path string, body map[string]any, into any) int {
		t.Helper()
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Post(g.Endpoint+path, "application/json", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode
	}
	var part struct {
		Received, Want int64 `json:",string"`
	}
	half := len(upload) / 2
	if code := post("/v1/cohort/parts", map[string]any{"nonce": nonce, "data": upload[:half]}, &part); code != 200 || part.Received != int64(half) || part.Want != int64(len(upload)) {
		t.Fatalf("first part: status %d, %+v", code, part)
	}
	if code := post("/v1/cohort/parts", map[string]any{"nonce": nonce}, &part); code != 200 || part.Received != int64(half) {
		t.Fatalf("resume: status %d, %+v", code, part)
	}
	if code := post("/v1/cohort/parts", map[string]any{"nonce": nonce, "offset": part.Received, "data": upload[half:]}, &part); code != 200 {
		t.Fatalf("second part: status %d", code)
	}
	commit := sha256.Sum256(upload)
	var answer struct {
		Reply    []byte
		Replayed bool
	}
	for try := range 2 {
		if code := post("/v1/cohort/evaluate", map[string]any{"nonce": nonce, "commit": commit[:]}, &answer); code != 200 || answer.Replayed != (try == 1) {
			t.Fatalf("evaluate: status %d, replayed %v", code, answer.Replayed)
		}
		if _, err := w.key.Decrypt(answer.Reply, []int64{1000}); err != nil {
			t.Error(err)
		}
	}
	var refused struct{ Message string }
	if code := post("/v1/cohort/evaluate", map[string]any{"nonce": make([]byte, 32), "commit": commit[:]}, &refused); code != 400 || refused.Message == "" {
		t.Errorf("an unknown nonce: status %d, %q", code, refused.Message)
	}
}
