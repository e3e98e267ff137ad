package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"jali/gateway"
	"jali/gateway/allowance"
	"jali/gateway/identity"
	"jali/gateway/pgwire"
	"jali/gateway/synth"
)

// wireSuite measures whole queries over the PostgreSQL wire against the same questions of Go's generated gRPC client, at one gateway in one run.
// Response slots are off: they would hide the difference.
func wireSuite() suite {
	return suite{names: []string{"wire/simple", "wire/prepared"}, run: measureWire}
}

func measureWire(ctx context.Context) (rows []result, err error) {
	tmp, err := os.MkdirTemp("", "jali-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	b := &bed{dir: filepath.Join(tmp, "state")}
	stop, err := b.serve(ctx, tmp)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	conn, end, err := b.wire(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()

	simple := func() error {
		_, err := conn.Exec(ctx, b.question(dataOff).SQL).ReadAll()
		return err
	}
	// Parse, Bind, Describe and Execute in one round, as psycopg and JDBC do.
	prepared := func() error {
		return conn.ExecParams(ctx, b.question(dataOff).SQL, nil, nil, nil, nil).Read().Err
	}
	// In turns: what the machine does meanwhile falls on all three.
	const n, turns = 60, 5
	var native, plain, bound time.Duration
	for range turns {
		d, err := b.native(ctx, n)
		if err != nil {
			return nil, err
		}
		native += d
		if d, err = median(n, simple); err != nil {
			return nil, err
		}
		plain += d
		if d, err = median(n, prepared); err != nil {
			return nil, err
		}
		bound += d
	}
	ms := func(d time.Duration) float64 { return float64(d) / turns / float64(time.Millisecond) }
	against := fmt.Sprintf("Go's generated gRPC client: %.2f ms, same run", ms(native))
	simply, prepare := ms(plain)/ms(native), ms(bound)/ms(native)
	return []result{
		{Name: "wire/simple", Value: ms(plain), Unit: "ms p50", Baseline: against, Ratio: &simply, Goal: "<= 1.3"},
		{Name: "wire/prepared", Value: ms(bound), Unit: "ms p50", Baseline: against, Ratio: &prepare, Goal: "<= 1.3"},
	}, nil
}

// wire serves the gateway of the bed on the PostgreSQL wire too, and connects.
func (b *bed) wire(ctx context.Context) (conn *pgconn.PgConn, end func() error, err error) {
	layout := gateway.Layout(b.dir)
	trust, err := identity.LoadTrust(identity.TrustConfig{Certificate: layout.ServerCert(), Key: layout.ServerKey(), ClientCA: layout.CACert()})
	if err != nil {
		return nil, nil, err
	}
	rates, err := allowance.New(1e5, 1e6)
	if err != nil {
		return nil, nil, err
	}
	serving, cancel := context.WithCancel(ctx)
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- pgwire.Serve(serving, pgwire.Config{
			Gateway: b.gateway, Listen: "127.0.0.1:0", Trust: trust, Operator: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Ready: func(addr string) { ready <- addr }, Rates: rates,
		})
	}()
	end = func() error {
		cancel()
		return <-done
	}
	var addr string
	select {
	case addr = <-ready:
	case err := <-done:
		cancel()
		return nil, nil, err
	}
	pair, err := tls.LoadX509KeyPair(b.profile.Cert, b.profile.Key)
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	authority, err := os.ReadFile(b.profile.CA)
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	config, err := pgconn.ParseConfig("postgres://bench@" + addr + "/" + dataOff + "?sslmode=require")
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	config.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}, ServerName: "127.0.0.1"}
	config.TLSConfig.RootCAs.AppendCertsFromPEM(authority)
	config.RuntimeParams = map[string]string{"jali.agreement": synth.AgreementID, "jali.purpose": "DUO:0000006", "jali.error": "1000"}
	if conn, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	stop := end
	return conn, func() error { return errors.Join(conn.Close(ctx), stop()) }, nil
}
