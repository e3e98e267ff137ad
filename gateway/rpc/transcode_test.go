package rpc

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"jali/gateway/identity"
	jaliv1 "jali/proto/jali/v1"
)

func TestREST(t *testing.T) {
	r := start(t, nil)
	client := web(r.tls(t, r.ca, identity.Researcher))
	post := func(path, body string, header ...string) reply {
		t.Helper()
		return r.ask(t, client, http.MethodPost, path, strings.NewReader(body), append([]string{asJSON}, header...)...)
	}

	got := r.ask(t, client, http.MethodGet, "/v1/audit/checkpoint", nil, "Accept-Encoding: gzip")
	var checkpoint struct{ Checkpoint, Origin string }
	if err := json.Unmarshal([]byte(got.body), &checkpoint); err != nil || got.status != http.StatusOK || checkpoint.Origin != "audit.test/rpc/2026" {
		t.Errorf("checkpoint: %+v, %v", got, err)
	}
	for name, want := range map[string]string{"Content-Encoding": "", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"} {
		if value := got.header.Get(name); value != want && !(name == "Content-Encoding" && value == "identity") {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	entries := r.ask(t, client, http.MethodGet, "/v1/audit/entries?from=0&limit=1", nil)
	if entries.status != http.StatusOK || !strings.Contains(entries.body, "GENESIS") {
		t.Errorf("entries: %+v", entries)
	}

	denied := post("/v1/quote", questionJSON)
	var body struct {
		Code    int
		Message string
		Details []map[string]any
	}
	if err := json.Unmarshal([]byte(denied.body), &body); err != nil || denied.status != http.StatusForbidden || body.Code != int(codes.PermissionDenied) {
		t.Errorf("denied: %+v, %v", denied, err)
	}
	if len(body.Details) == 0 || body.Details[0]["reason"] != "POLICY_DENIED" || body.Details[0]["domain"] != "jali" {
		t.Errorf("details: %v", body.Details)
	}

	for name, test := range map[string]struct {
		got  reply
		want int
	}{
		"malformed JSON":    {post("/v1/quote", `{"agreement":`), http.StatusBadRequest},
		"not an object":     {post("/v1/quote", `[]`), http.StatusBadRequest},
		"wrong type":        {post("/v1/quote", `{"agreement":7}`), http.StatusBadRequest},
		"misspelt field":    {post("/v1/quote", strings.Replace(questionJSON, `"error"`, `"eror"`, 1)), http.StatusBadRequest},
		"field too many":    {post("/v1/quote", strings.Replace(questionJSON, `{`, `{"eror":"1",`, 1)), http.StatusBadRequest},
		"twice the field":   {post("/v1/quote", strings.Replace(questionJSON, `{`, `{"error":"1",`, 1)), http.StatusBadRequest},
		"empty body":        {post("/v1/quote", ``), http.StatusBadRequest},
		"rule broken":       {post("/v1/quote", strings.Replace(questionJSON, `"10"`, `""`, 1)), http.StatusBadRequest},
		"unknown parameter": {r.ask(t, client, http.MethodGet, "/v1/audit/entries?form=1", nil), http.StatusBadRequest},
		"negative limit":    {r.ask(t, client, http.MethodGet, "/v1/audit/entries?limit=-1", nil), http.StatusBadRequest},
		"huge limit":        {r.ask(t, client, http.MethodGet, "/v1/audit/entries?limit=99999", nil), http.StatusBadRequest},
		"unknown dataset":   {r.ask(t, client, http.MethodGet, "/v1/datasets/nope", nil), http.StatusNotFound},
		"unknown path POST": {post("/v1/nope", `{}`), http.StatusNotFound},
		"unknown path GET":  {r.ask(t, client, http.MethodGet, "/nope", nil), http.StatusNotFound},
		"root":              {post("/", `{}`), http.StatusNotFound},
		"admin by REST":     {post("/jali.v1.AdminService/Status", `{}`), http.StatusNotFound},
		"admin by Connect":  {post("/jali.v1.AdminService/Status", `{}`, "Connect-Protocol-Version: 1"), http.StatusNotFound},
		"Connect, no mark":  {post("/jali.v1.QueryService/Quote", questionJSON), http.StatusNotFound},
		"compressed":        {post("/v1/quote", questionJSON, "Content-Encoding: gzip"), http.StatusBadRequest},
		"other site's form": {post("/v1/quote", questionJSON, "Sec-Fetch-Site: cross-site", "Origin: https://elsewhere.example"), http.StatusForbidden},
	} {
		if test.got.status != test.want {
			t.Errorf("%s: %d %s, want %d", name, test.got.status, test.got.body, test.want)
		}
	}
	if got := post("/v1/quote", questionJSON, "Sec-Fetch-Site: cross-site", "Origin: https://elsewhere.example"); strings.Contains(got.body, "POLICY_DENIED") {
		t.Error("another site's request reached the gateway")
	}

	// Without saying that it is JSON, or saying otherwise as curl -d does.
	for _, kind := range []string{"", "application/x-www-form-urlencoded", "text/plain", "application/", "application/jsonp"} {
		got := r.ask(t, client, http.MethodPost, "/v1/quote", strings.NewReader(questionJSON), "Content-Type: "+kind)
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, "Content-Type: application/json (curl") {
			t.Errorf("as %q: %d %s", kind, got.status, got.body)
		}
	}
	if got := r.ask(t, client, http.MethodPost, "/v1/quote", strings.NewReader(questionJSON), "Content-Type: Application/JSON; charset=utf-8"); got.status != http.StatusForbidden {
		t.Errorf("JSON spelt otherwise: %d %s", got.status, got.body)
	}

	// Too large, with and without saying so beforehand.
	large := strings.Replace(questionJSON, "SELECT", strings.Repeat(" ", maxRequest+1), 1)
	if got := post("/v1/quote", large); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("oversized: %d", got.status)
	}
	if got := r.ask(t, client, http.MethodPost, "/v1/quote", io.MultiReader(strings.NewReader(large)), asJSON); got.status < 400 || got.status >= 500 {
		t.Errorf("oversized, length unknown: %d %s", got.status, got.body)
	}
}

func TestConnect(t *testing.T) {
	r := start(t, nil)
	client := web(r.tls(t, r.ca, identity.Researcher))
	ask := func(method, body string) reply {
		t.Helper()
		return r.ask(t, client, http.MethodPost, method, strings.NewReader(body), asJSON, "Connect-Protocol-Version: 1")
	}
	if got := ask("/jali.v1.AuditService/GetCheckpoint", "{}"); got.status != http.StatusOK || !strings.Contains(got.body, "audit.test/rpc/2026") {
		t.Errorf("checkpoint: %+v", got)
	}
	var failed struct{ Code, Message string }
	got := ask("/jali.v1.QueryService/Quote", questionJSON)
	if err := json.Unmarshal([]byte(got.body), &failed); err != nil || got.status != http.StatusForbidden || failed.Code != "permission_denied" {
		t.Errorf("denied: %+v, %v", got, err)
	}
	if got := ask("/jali.v1.QueryService/Quote", `{"`); got.status != http.StatusBadRequest {
		t.Errorf("malformed: %+v", got)
	}
}

// framed is a gRPC message with its five-byte prefix.
func framed(t *testing.T, m proto.Message) io.Reader {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data)))
	return strings.NewReader(string(prefix) + string(data))
}

func TestWeb(t *testing.T) {
	r := start(t, nil)
	client := web(r.tls(t, r.ca, identity.Researcher))
	got := r.ask(t, client, http.MethodPost, "/jali.v1.AuditService/GetCheckpoint", framed(t, &jaliv1.GetCheckpointRequest{}), "Content-Type: application/grpc-web+proto")
	if got.status != http.StatusOK || !strings.Contains(got.body, "audit.test/rpc/2026") || !strings.Contains(strings.ToLower(got.body), "grpc-status: 0") {
		t.Errorf("checkpoint: %+v", got)
	}
	got = r.ask(t, client, http.MethodPost, "/jali.v1.QueryService/Quote", framed(t, question()), "Content-Type: application/grpc-web+proto")
	if !strings.Contains(strings.ToLower(got.body+fmt.Sprint(got.header)), "grpc-status: 7") && got.header.Get("Grpc-Status") != "7" {
		t.Errorf("denied: %+v", got)
	}
}
