package attacks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	jaliv1 "jali/proto/jali/v1"
)

// hears collects what the gateway says.
type hears struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *hears) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(p)
}

var listening = regexp.MustCompile(`PostgreSQL clients on (127\.0\.0\.1:[0-9]+)`)

// wire is where PostgreSQL's clients connect.
func (x *arena) wire(t *testing.T) string {
	t.Helper()
	for range 200 {
		x.said.mu.Lock()
		m := listening.FindStringSubmatch(x.said.b.String())
		x.said.mu.Unlock()
		if m != nil {
			return m[1]
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the gateway did not say where PostgreSQL clients connect")
	return ""
}

// identity is mallory's side of TLS.
func (x *arena) identity(t *testing.T) *tls.Config {
	t.Helper()
	dir := filepath.Dir(x.mallory.Profile())
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}, ServerName: "127.0.0.1"}
	c.RootCAs.AppendCertsFromPEM(authority)
	return c
}

// watched counts what comes over the network, as who watches the line would: below TLS.
type watched struct {
	net.Conn
	read *atomic.Int64
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.read.Add(int64(n))
	return n, err
}

// payloads remembers what the last message took on the wire of gRPC.
type payloads struct {
	last atomic.Pointer[stats.InPayload]
}

func (p *payloads) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (p *payloads) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (p *payloads) HandleConn(context.Context, stats.ConnStats)                       {}

func (p *payloads) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InPayload); ok {
		p.last.Store(in)
	}
}

// door asks one question and says how many bytes its answer took.
type door func(t *testing.T, q *jaliv1.QueryRequest) int

// doors are the ways to an answer. bare hears what each message would have been without padding.
func (x *arena) doors(t *testing.T, bare func(door string, n int)) map[string]door {
	t.Helper()
	received := &payloads{}
	conn, err := grpc.NewClient(strings.TrimPrefix(x.Endpoint, "https://"), grpc.WithTransportCredentials(credentials.NewTLS(x.identity(t))), grpc.WithStatsHandler(received))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	service := jaliv1.NewQueryServiceClient(conn)
	without := func(m *jaliv1.QueryResponse) *jaliv1.QueryResponse {
		c := proto.Clone(m).(*jaliv1.QueryResponse)
		c.Padding, c.JsonBytes, c.Receipt, c.Budget, c.Decision = nil, 0, nil, nil, 0
		return c
	}
	out := map[string]door{
		"gRPC": func(t *testing.T, q *jaliv1.QueryRequest) int {
			answer, err := service.Query(t.Context(), q, grpc.UseCompressor(gzip.Name))
			if status.Code(err) == codes.Unimplemented { // it does not even read what is compressed
				answer, err = service.Query(t.Context(), q)
			}
			if err != nil {
				t.Fatal(err)
			}
			wire := received.last.Load()
			if wire == nil || wire.CompressedLength != proto.Size(answer) {
				t.Errorf("gRPC answers %+v: it is compressed", wire)
				return 0
			}
			bare("gRPC", proto.Size(without(answer)))
			return wire.WireLength
		},
	}
	var read atomic.Int64
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: x.identity(t), DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return watched{c, &read}, err
		},
	}}
	t.Cleanup(client.CloseIdleConnections)
	post := func(path, name string, header map[string]string) door {
		return func(t *testing.T, q *jaliv1.QueryRequest) int {
			body, err := protojson.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.Endpoint+path, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			for k, v := range header {
				r.Header.Set(k, v)
			}
			before := read.Load()
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %s (%v)", q.GetSql(), response.StatusCode, text, err)
			}
			n := int(read.Load() - before)
			if e := response.Header.Get("Content-Encoding"); e != "" && e != "identity" || !json.Valid(text) {
				t.Errorf("%s answers compressed (%q) or not in JSON", name, e)
			}
			var answer jaliv1.QueryResponse
			if err := protojson.Unmarshal(text, &answer); err != nil {
				t.Fatal(err)
			}
			plain, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(without(&answer))
			if err != nil {
				t.Fatal(err)
			}
			bare(name, len(plain))
			return n
		}
	}
	out["REST"] = post("/v1/query", "REST", map[string]string{"Accept-Encoding": "gzip, br"})
	out["Connect"] = post("/jali.v1.QueryService/Query", "Connect", map[string]string{"Connect-Protocol-Version": "1", "Accept-Encoding": "gzip"})
	out["PostgreSQL"] = x.pgDoor(t, bare)
	return out
}

// pgDoor asks over the PostgreSQL wire.
func (x *arena) pgDoor(t *testing.T, bare func(door string, n int)) door {
	t.Helper()
	config, err := pgconn.ParseConfig("postgres://mallory@" + x.wire(t) + "/left?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	config.TLSConfig = x.identity(t)
	var read atomic.Int64
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return watched{c, &read}, err
	}
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	run := func(t *testing.T, sql string) ([]*pgconn.Result, int) {
		t.Helper()
		before := read.Load()
		got, err := conn.Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return got, int(read.Load() - before)
	}
	return func(t *testing.T, q *jaliv1.QueryRequest) int {
		run(t, fmt.Sprintf("SET jali.agreement = '%s'; SET jali.purpose = '%s'; SET jali.dataset = '%s'; SET jali.error = '%s'", q.GetAgreement(), q.GetPurpose(), q.GetDataset(), q.GetError()))
		got, n := run(t, q.GetSql())
		digits := 0
		for _, row := range got[0].Rows {
			for _, v := range row {
				digits += 4 + len(v)
			}
		}
		bare("PostgreSQL", digits)
		return n
	}
}

// shapes are questions whose answers have one shape each, and figures that are hidden or not, short or long, or missing.
var shapes = map[string]string{
	"table":      "SELECT note, COUNT(*) AS n, SUM(v) AS s, AVG(v) AS m FROM trial WHERE %s GROUP BY note",
	"having":     "SELECT cell, COUNT(*) AS n FROM trial WHERE %s GROUP BY cell HAVING COUNT(*) > 400 ORDER BY n",
	"prevalence": "SELECT * FROM prevalence(outcome => secret = 1, by => note, of => (SELECT person_id, secret, note FROM trial WHERE %s))",
	"regression": "SELECT * FROM logistic_regression(outcome => secret = 1, terms => category(half), of => (SELECT person_id, secret, half FROM trial WHERE %s))",
}

// responseSize (24): what who watches the encrypted line can count. Over gRPC the message as framed, asked for with gzip, over REST, Connect and PostgreSQL the bytes below TLS: answers of
// one shape have one length, whatever is hidden, how many digits the figures have and how many rows HAVING leaves; a stored answer has that length too. The
// twin is the same answers without what fills them up: there lengths tell.
func responseSize(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left", "right")
	bare, lengths, recorded := map[string]map[int]int{}, map[string]map[int]int{}, map[int]int{}
	note := func(m map[string]map[int]int, key string, n int) {
		if m[key] == nil {
			m[key] = map[int]int{}
		}
		m[key][n]++
	}
	shape := ""
	doors := x.doors(t, func(door string, n int) { note(bare, door+" "+shape, n) })
	ask := func(shape, dataset, where, door string) {
		q := &jaliv1.QueryRequest{Agreement: a, Purpose: "DUO:0000042", Dataset: dataset, Error: "400", Sql: fmt.Sprintf(shapes[shape], where)}
		note(lengths, door+" "+shape, doors[door](t, q))
	}
	// The first answer over a connection comes with the tickets of TLS, and the second with what a setting that changes its length says.
	for _, door := range slices.Sorted(maps.Keys(doors)) {
		ask("table", "left", x.fresh(), door)
	}
	clear(bare)
	clear(lengths)
	for range pick(1, 25) {
		where := x.fresh()
		for _, shape = range slices.Sorted(maps.Keys(shapes)) {
			for _, d := range []string{"left", "right"} {
				for _, filter := range []string{"v > 1000", "v >= 0"} {
					for _, door := range slices.Sorted(maps.Keys(doors)) { // the first is answered, the others replayed
						ask(shape, d, filter+" AND "+where, door)
					}
				}
			}
		}
	}
	service := jaliv1.NewQueryServiceClient(x.mallory.Conn())
	for _, filter := range []string{"v > 1000", "v >= 0"} {
		answer, err := service.Query(t.Context(), &jaliv1.QueryRequest{Agreement: a, Purpose: "DUO:0000042", Dataset: "left", Error: "400", Sql: fmt.Sprintf(shapes["table"], filter)})
		if err != nil {
			t.Fatal(err)
		}
		recorded[len(answer.GetResult())]++
	}
	if len(recorded) != 1 {
		t.Errorf("recorded answers of one shape have %d lengths: %v", len(recorded), recorded)
	}
	told := 0
	for _, key := range slices.Sorted(maps.Keys(lengths)) {
		if len(lengths[key]) != 1 {
			t.Errorf("%s: answers of one shape have %d lengths: %v", key, len(lengths[key]), lengths[key])
		}
		if len(bare[key]) < 2 {
			t.Errorf("control: %s: without padding the lengths are %v", key, bare[key])
		}
		told += len(bare[key])
	}
	report(t, "24", "%d shapes over %d doors: 1 length each; without padding %d", len(shapes), len(doors), told)
}
