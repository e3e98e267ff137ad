package sdk

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
)

// liar is a gateway an attacker runs: it speaks the protocol over real TLS and holds the log's real key unless a test takes
// it away, but answers whatever the test makes it answer.
type liar struct {
	jaliv1.UnimplementedQueryServiceServer
	signer note.Signer
	vkey   string

	mu       sync.Mutex
	failures []error // given before the first answer
	asked    []*jaliv1.QueryRequest
	twist    func(*forgery)
}

// forgery is an answer and what its record says.
type forgery struct {
	query    *jaliv1.QueryRequest
	intent   audit.Object
	release  audit.Object
	request  map[string]any
	result   []byte // on record
	answer   *jaliv1.QueryResponse
	signer   note.Signer
	tamper   func(receipt []byte) []byte
	withhold string // detail left out of the receipt
}

const origin = "audit.test/gw/1"

func (l *liar) Query(_ context.Context, q *jaliv1.QueryRequest) (*jaliv1.QueryResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, q)
	if len(l.failures) > 0 {
		err := l.failures[0]
		l.failures = l.failures[1:]
		return nil, err
	}
	return l.forge(q)
}

func (l *liar) forge(q *jaliv1.QueryRequest) (*jaliv1.QueryResponse, error) {
	balance := func(r int64) audit.Object { return audit.Object{"ad": int64(0), "ar": r, "pd": int64(0), "pr": r} }
	f := &forgery{
		query: q, signer: l.signer, result: []byte(recorded),
		intent: audit.Object{
			"k": audit.Intent, "acct": "nrho", "ag": q.GetAgreement(), "agv": int64(1), "bud0": balance(5), "bud1": balance(770_005), "cls": "b",
			"cost": audit.Object{"d": int64(0), "r": int64(770_000)}, "dec": "allow", "ds": "cms10k", "dsv": "v1", "mode": "sql", "pol": "p", "pop": "people", "pu": q.GetPurpose(),
		},
		release: audit.Object{"k": audit.Release, "lvl": int64(1), "mech": "dgauss", "ref": int64(0)},
		request: map[string]any{
			"agreement": q.GetAgreement(), "purpose": q.GetPurpose(), "dataset": "cms10k", "sql": q.GetSql(), "error": q.GetError(),
			"error_for": q.GetErrorFor(), "request_id": q.GetRequestId(), "quote_id": q.GetQuoteId(),
		},
		answer: &jaliv1.QueryResponse{
			Result: []byte(recorded), PricePu: 77, Budget: &jaliv1.Budget{AgreementRemainingPu: 900, PopulationRemainingPu: -1},
			ViewColumns: []*jaliv1.ViewColumn{{Name: "sex", Index: 0}, {Name: "n", Index: 2}}, ViewRows: []int32{0, 1},
			// The typed copy lies: nobody may look at it.
			Columns: []*jaliv1.ResultColumn{{Name: "sex", Role: "group"}, {Name: "n", Role: "measure"}},
			Rows:    []*jaliv1.ResultRow{{Values: []*jaliv1.ResultValue{{}, {Value: &jaliv1.ResultValue_Integer{Integer: 999}}}}},
		},
	}
	if l.twist != nil {
		l.twist(f)
	}
	receipt, err := f.receipt()
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if f.answer.Receipt == nil {
		f.answer.Receipt = receipt
	}
	if f.tamper != nil {
		f.answer.Receipt = f.tamper(f.answer.Receipt)
	}
	return f.answer, nil
}

// receipt makes a log of two entries, signs it and proves both.
func (f *forgery) receipt() ([]byte, error) {
	asked, err := json.Marshal(f.request)
	if err != nil {
		return nil, err
	}
	var r audit.Receipt
	var leaves [2][32]byte
	details := [2][]audit.Detail{
		{{Name: "request", Value: string(asked)}, {Name: "query", Value: f.query.GetSql()}},
		{audit.ResultDetail(f.result, "application/json")},
	}
	for seq, o := range []audit.Object{f.intent, f.release} {
		dtl, shown := audit.Object{}, []string{}
		for _, d := range details[seq] {
			sealed, err := audit.SealDetail(d)
			if err != nil {
				return nil, err
			}
			dtl[d.Name] = audit.DetailDigest(sealed)
			if d.Name != f.withhold {
				shown = append(shown, sealed)
			}
		}
		o["dtl"], o["o"], o["prev"], o["seq"], o["t"], o["v"] = dtl, origin, audit.Digest([32]byte{}), int64(seq), int64(1_700_000_000_000_000+seq), int64(1)
		line, err := audit.FormatEntry(o)
		if err != nil {
			return nil, err
		}
		leaves[seq] = audit.LeafHash(line)
		r.Entries = append(r.Entries, string(line))
		r.Details = append(r.Details, audit.Disclosures{Seq: uint64(seq), D: shown})
	}
	root := sha256.Sum256(bytes.Join([][]byte{{1}, leaves[0][:], leaves[1][:]}, nil))
	checkpoint, err := audit.SignCheckpoint(origin, 2, root, f.signer)
	if err != nil {
		return nil, err
	}
	for i := range leaves {
		r.Proofs = append(r.Proofs, string(audit.FormatProof(uint64(i), [][32]byte{leaves[1-i]}, checkpoint)))
	}
	return audit.FormatReceipt(r)
}

func newLog(t *testing.T, name string) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

// certificates makes a CA with a server and a client certificate, as PEM.
func certificates(t *testing.T, clientUntil time.Time) (ca, serverCert, serverKey, clientCert, clientKey string) {
	t.Helper()
	caPub, caPriv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	issue := func(tmpl, parent *x509.Certificate, pub ed25519.PublicKey) string {
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, caPriv)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	leaf := func(n int64, name string, usage x509.ExtKeyUsage, until time.Time) (string, string) {
		pub, priv, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(priv)
		if err != nil {
			t.Fatal(err)
		}
		cert := issue(&x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-2 * time.Hour), NotAfter: until,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, root, pub)
		return cert, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	ca = issue(root, root, caPub)
	serverCert, serverKey = leaf(2, "gateway", x509.ExtKeyUsageServerAuth, now.Add(time.Hour))
	clientCert, clientKey = leaf(3, "alice", x509.ExtKeyUsageClientAuth, clientUntil)
	return
}

func (l *liar) serve(t *testing.T) Config {
	t.Helper()
	ca, serverCert, serverKey, clientCert, clientKey := certificates(t, time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair([]byte(serverCert), []byte(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca))
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})))
	jaliv1.RegisterQueryServiceServer(server, l)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	if l.signer == nil {
		l.signer, l.vkey = newLog(t, origin)
	}
	return Config{
		Endpoint: "https://" + listener.Addr().String(), CA: ca, Cert: clientCert, Key: clientKey, VKeys: l.vkey,
		Timeout: 10 * time.Second, Backoff: time.Millisecond,
	}
}
