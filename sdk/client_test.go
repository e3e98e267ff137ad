package sdk

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"jali/audit"
)

func dial(t *testing.T, config Config) *Client {
	t.Helper()
	client, err := Dial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

var question = Query{
	Agreement: "agr-1", Purpose: "DUO:0000042", Dataset: "cms10k", SQL: "SELECT sex, COUNT(*) AS n FROM t GROUP BY sex",
	Error: "50", ErrorFor: map[string]string{"n": "25"}, QuoteID: "q-1",
}

func TestQueryHandsOverTheRecordedBytes(t *testing.T) {
	l := &liar{}
	client := dial(t, l.serve(t))
	result, err := client.Query(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := result.Float(0, "n"); !ok || n != 1234 {
		t.Errorf("n = %v: not the recorded figure", n)
	}
	if result.Receipt.Intent != 0 || result.Receipt.Release != 1 || !result.Receipt.ResultChecked || result.Receipt.Sealed {
		t.Errorf("receipt = %+v", result.Receipt)
	}
	if result.Budget.PopulationRemainingPU != nil {
		t.Error("a balance the caller may not see is shown")
	}
	if _, err := VerifyReceipt(result.Receipt.Raw, result.Raw, l.vkey); err != nil {
		t.Errorf("the kept receipt does not verify: %v", err)
	}
	flipped := append([]byte{}, result.Raw...)
	flipped[len(flipped)-2] = '0'
	if _, err := VerifyReceipt(result.Receipt.Raw, flipped, l.vkey); !errors.Is(err, ErrReceipt) {
		t.Errorf("other result bytes: %v", err)
	}
	if _, err := VerifyReceipt(result.Receipt.Raw, nil, ""); !errors.Is(err, ErrConfig) {
		t.Errorf("no keys: %v", err)
	}
}

func TestQueryWithholdsWhatDoesNotVerify(t *testing.T) {
	foreign, _ := newLog(t, origin)
	for name, twist := range map[string]func(*forgery){
		"result changed after the record": func(f *forgery) { f.answer.Result = []byte(strings.Replace(recorded, "1234", "1235", 1)) },
		"record of other bytes":           func(f *forgery) { f.result = []byte(strings.Replace(recorded, "1234", "1235", 1)) },
		"signed by another key":           func(f *forgery) { f.signer = foreign },
		"no receipt":                      func(f *forgery) { f.answer.Receipt = []byte{} },
		"no result":                       func(f *forgery) { f.answer.Result, f.result = nil, nil },
		"receipt not JSON":                func(f *forgery) { f.answer.Receipt = []byte("receipt") },
		"entry bit flipped": func(f *forgery) {
			f.tamper = func(b []byte) []byte { return bytes.Replace(b, []byte("people"), []byte("peaple"), 1) }
		},
		"another agreement":             func(f *forgery) { f.intent["ag"] = "agr-2" },
		"another data set":              func(f *forgery) { f.intent["ds"] = "other" },
		"another purpose":               func(f *forgery) { f.intent["pu"] = "DUO:0000004" },
		"another price":                 func(f *forgery) { f.answer.PricePu = 76 },
		"price in another unit":         func(f *forgery) { f.intent["acct"] = "ueps" },
		"another decision":              func(f *forgery) { f.answer.Decision = 9 },
		"another request id":            func(f *forgery) { f.request["request_id"] = "someone-else" },
		"another text":                  func(f *forgery) { f.request["sql"] = "SELECT COUNT(*) FROM t" },
		"another accuracy":              func(f *forgery) { f.request["error"] = "5000" },
		"another accuracy of an output": func(f *forgery) { f.request["error_for"] = map[string]string{"n": "9999"} },
		"another quote":                 func(f *forgery) { f.request["quote_id"] = "" },
		"question withheld":             func(f *forgery) { f.withhold = "request" },
		"result digest withheld":        func(f *forgery) { f.withhold = "result" },
		"release of another intent":     func(f *forgery) { f.release["ref"] = int64(1) },
		"charge does not add up":        func(f *forgery) { f.intent["cost"] = audit.Object{"d": int64(0), "r": int64(769_999)} },
		"replay with a price":           func(f *forgery) { f.answer.Replayed = true },
		"replay of another agreement":   func(f *forgery) { f.answer.Replayed, f.answer.PricePu, f.intent["ag"] = true, 0, "agr-2" },
	} {
		t.Run(name, func(t *testing.T) {
			l := &liar{twist: twist}
			client := dial(t, l.serve(t))
			result, err := client.Query(t.Context(), question)
			var bad *ReceiptError
			if result != nil || !errors.Is(err, ErrReceipt) || !errors.As(err, &bad) {
				t.Fatalf("got %v, %v; want ErrReceipt", result, err)
			}
			if Hint(err) == "" {
				t.Error("no hint")
			}
			if len(l.asked) != 1 {
				t.Errorf("asked %d times", len(l.asked))
			}
		})
	}
}

func TestReplayMayHaveBeenSpeltDifferently(t *testing.T) {
	l := &liar{twist: func(f *forgery) {
		f.answer.Replayed, f.answer.PricePu = true, 0
		f.request["request_id"], f.request["sql"], f.intent["pu"] = "first", "select ...", "DUO:0000007"
	}}
	result, err := dial(t, l.serve(t)).Query(t.Context(), question)
	if err != nil || !result.Replayed {
		t.Fatalf("replay: %v, %v", result, err)
	}
}

func TestViewErrorIsNoAnswer(t *testing.T) {
	l := &liar{twist: func(f *forgery) { f.answer.ViewRows = []int32{77} }}
	if result, err := dial(t, l.serve(t)).Query(t.Context(), question); err == nil || result != nil {
		t.Errorf("a view outside the table gave %v", result)
	}
}

func TestQueryRetriesWithOneRequestID(t *testing.T) {
	down := status.Error(codes.Unavailable, "try later")
	l := &liar{failures: []error{down, down}}
	client := dial(t, l.serve(t))
	q := question
	if _, err := client.Query(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if len(l.asked) != 3 {
		t.Fatalf("asked %d times, want 3", len(l.asked))
	}
	id := l.asked[0].GetRequestId()
	for _, a := range l.asked {
		if a.GetRequestId() != id || len(id) < 20 {
			t.Errorf("request ids differ or are short: %q, %q", id, a.GetRequestId())
		}
	}
	if _, err := client.Query(t.Context(), q); err != nil || l.asked[3].GetRequestId() == id {
		t.Errorf("the next question has the same id (%v)", err)
	}
	q.RequestID = "mine"
	if _, err := client.Query(t.Context(), q); err != nil || l.asked[4].GetRequestId() != "mine" {
		t.Errorf("the caller's id was not used (%v)", err)
	}
}

func TestOnlyUnavailableIsRetried(t *testing.T) {
	for code, want := range map[codes.Code]int{
		codes.Unavailable: 5, codes.Aborted: 1, codes.ResourceExhausted: 1, codes.InvalidArgument: 1, codes.PermissionDenied: 1, codes.Internal: 1, codes.FailedPrecondition: 1,
	} {
		l := &liar{}
		for range 10 {
			l.failures = append(l.failures, status.Error(code, "no"))
		}
		client := dial(t, l.serve(t))
		if _, err := client.Query(t.Context(), question); err == nil || len(l.asked) != want {
			t.Errorf("%v: asked %d times, want %d (%v)", code, len(l.asked), want, err)
		}
	}
}

func TestRetryStopsWithTheContext(t *testing.T) {
	l := &liar{}
	for range 100 {
		l.failures = append(l.failures, status.Error(codes.Unavailable, "no"))
	}
	config := l.serve(t)
	config.Backoff, config.Attempts = 30*time.Second, 100
	client := dial(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := client.Query(ctx, question); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestNothingIsSentWithoutPinnedKeys(t *testing.T) {
	l := &liar{}
	config := l.serve(t)
	config.VKeys = ""
	if _, err := dial(t, config).Query(t.Context(), question); !errors.Is(err, ErrConfig) || len(l.asked) != 0 {
		t.Errorf("got %v after %d requests, want ErrConfig after none", err, len(l.asked))
	}
}

func TestUnreachableGateway(t *testing.T) {
	l := &liar{}
	config := l.serve(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config.Endpoint = "https://" + listener.Addr().String()
	listener.Close()
	config.Attempts = 2
	if _, err := dial(t, config).Query(t.Context(), question); !errors.Is(err, ErrUnavailable) || Hint(err) == "" {
		t.Errorf("got %v (hint %q), want ErrUnavailable", err, Hint(err))
	}
}

// A gateway with a certificate of another CA is never asked.
func TestForeignServerCertificate(t *testing.T) {
	l := &liar{}
	config := l.serve(t)
	config.CA, _, _, _, _ = certificates(t, time.Now().Add(time.Hour))
	_, err := dial(t, config).Query(t.Context(), question)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(Hint(err), "--ca") || len(l.asked) != 0 {
		t.Errorf("got %v (hint %q) after %d requests", err, Hint(err), len(l.asked))
	}
}

// A client certificate of another CA is refused by the gateway, and the error says whose fault it is.
func TestForeignClientCertificate(t *testing.T) {
	l := &liar{}
	config := l.serve(t)
	_, _, _, config.Cert, config.Key = certificates(t, time.Now().Add(time.Hour))
	_, err := dial(t, config).Query(t.Context(), question)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(Hint(err), "client certificate") || len(l.asked) != 0 {
		t.Errorf("got %v (hint %q) after %d requests", err, Hint(err), len(l.asked))
	}
}

func TestDialChecksTheConfiguration(t *testing.T) {
	good := (&liar{}).serve(t)
	_, _, _, oldCert, oldKey := certificates(t, time.Now().Add(-time.Hour))
	dir := t.TempDir()
	open := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(open, []byte(good.Key), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no endpoint":            func(c *Config) { c.Endpoint = "" },
		"http":                   func(c *Config) { c.Endpoint = "http://127.0.0.1:1" },
		"path":                   func(c *Config) { c.Endpoint = "https://127.0.0.1:1/x" },
		"user":                   func(c *Config) { c.Endpoint = "https://u:p@127.0.0.1:1" },
		"no scheme":              func(c *Config) { c.Endpoint = "127.0.0.1:8443" },
		"no certificate":         func(c *Config) { c.Cert = "" },
		"no key":                 func(c *Config) { c.Key = "" },
		"absent certificate":     func(c *Config) { c.Cert = filepath.Join(dir, "absent") },
		"key of another":         func(c *Config) { c.Key = oldKey },
		"expired":                func(c *Config) { c.Cert, c.Key = oldCert, oldKey },
		"key readable by others": func(c *Config) { c.Key = open },
		"CA without certificate": func(c *Config) { c.CA = "-----BEGIN NOTHING-----" },
		"vkeys absent":           func(c *Config) { c.VKeys = filepath.Join(dir, "absent") },
		"vkeys malformed":        func(c *Config) { c.VKeys = good.VKeys + "\nnonsense" },
		"vkeys empty file":       func(c *Config) { c.VKeys = filepath.Join(dir, "empty"); write(t, c.VKeys, "# none\n") },
	} {
		config := good
		change(&config)
		client, err := Dial(t.Context(), config)
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v, %v; want ErrConfig", name, client, err)
			continue
		}
		if Hint(err) == "" {
			t.Errorf("%s: no hint", name)
		}
		if strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: key material in %q", name, err)
		}
	}
	files := good
	for field, name := range map[*string]string{&files.CA: "ca", &files.Cert: "cert", &files.Key: "k", &files.VKeys: "vkeys"} {
		path := filepath.Join(dir, name)
		write(t, path, *field)
		*field = path
	}
	if _, err := Dial(t.Context(), files); err != nil {
		t.Errorf("configuration from files: %v", err)
	}
}

func TestIncompleteQuestionsAreNotSent(t *testing.T) {
	l := &liar{}
	client := dial(t, l.serve(t))
	for name, change := range map[string]func(*Query){
		"agreement": func(q *Query) { q.Agreement = "" }, "purpose": func(q *Query) { q.Purpose = "" },
		"SQL": func(q *Query) { q.SQL = "" }, "accuracy": func(q *Query) { q.Error = "" },
	} {
		q := question
		change(&q)
		_, err := client.Query(t.Context(), q)
		var bad *QueryError
		if !errors.As(err, &bad) || bad.Hint == "" || !strings.Contains(bad.Message, name) || len(l.asked) != 0 {
			t.Errorf("no %s: got %v after %d requests", name, err, len(l.asked))
		}
	}
}
