package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"jali/gateway"
	"jali/gateway/allowance"
	"jali/gateway/pgwire"
	"jali/gateway/query"
	"jali/gateway/rpc"
)

func serveCommand() *cobra.Command {
	var dir, listen, pg string
	cmd := &cobra.Command{
		Use:   "serve --dir D",
		Short: "Answer questions until interrupted",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), dir, listen, pg, cmd.OutOrStdout(), told{})
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&listen, "listen", "", "address of the one TLS port (default from config.yaml: 127.0.0.1:8443)")
	cmd.Flags().StringVar(&pg, "pg-addr", "", "address of a TLS port for programs that speak to PostgreSQL (default from config.yaml, listen_pg: none)")
	return cmd
}

// told is who hears where a gateway answers, once it does. Nil: nobody.
type told struct {
	endpoint func(url string)
	postgres func(addr string) // where a port for PostgreSQL clients is open
}

// serve runs the gateway of a state directory until the context ends, then drains.
func serve(ctx context.Context, dir, listen, pg string, out io.Writer, ready told) error {
	// The SQL parser is C and recurses: a small stack would let a question end the process (docs/threat-model.md).
	if err := query.CheckStack(); err != nil {
		return &coded{code: exitFailed, err: err, hint: "run with a stack of at least 8 MiB: ulimit -s 8192"}
	}
	cfg, err := loadConfig(dir)
	if err != nil {
		return err
	}
	if listen != "" {
		cfg.Listen = listen
	}
	if pg != "" {
		cfg.ListenPG = pg
	}
	level := new(slog.LevelVar)
	level.Set(cfg.LogLevel)
	operator := cfg.log(level)
	trust, err := loadTrust(dir, cfg)
	if err != nil {
		return err
	}
	rates, err := allowance.New(cfg.Limits.PerSecond, cfg.Limits.Burst)
	if err != nil {
		return usage("docs/operations.md lists the keys", "config.yaml: limits: %w", err)
	}
	tracer, flush, err := cfg.Traces.tracer(ctx, dir, operator)
	if err != nil {
		return err
	}
	defer flush()
	layout := gateway.Layout(dir)
	if err := vacant(layout, cfg.Listen, cfg.ListenPG); err != nil {
		return &coded{code: exitFailed, err: fmt.Errorf("serve: %w", err), hint: takenHint}
	}
	g, err := gateway.Open(ctx, gateway.Config{Dir: dir, Threads: cfg.Engine.Threads, MemoryLimit: cfg.Engine.Memory, Witness: gateway.WitnessConfig(cfg.Witness), Timestamp: cfg.Timestamp.in(dir), Encrypted: cfg.Encrypted.limits(), Operator: operator})
	if err != nil {
		return err
	}
	defer g.Close()
	os.Remove(layout.Endpoint()) // a gateway that was killed leaves its own
	defer os.Remove(layout.Endpoint())

	counts := pgwire.NewMetrics()
	var others []prometheus.Collector
	if cfg.ListenPG != "" {
		others = append(others, counts)
	}
	group, ctx := errgroup.WithContext(ctx)
	reload := &reloader{dir: dir, running: cfg, trust: trust, rates: rates, level: level, operator: operator}
	group.Go(func() error { reload.watch(ctx); notify("STOPPING=1"); return nil })
	group.Go(func() error { g.Beat(ctx); return nil })
	group.Go(func() error { return g.Verify(ctx) })
	group.Go(func() error { return g.Witness(ctx) })
	group.Go(func() error { g.Timestamps(ctx); return nil })
	socket := make(chan struct{})
	group.Go(func() error { return rpc.ServeAdmin(ctx, layout.Socket(), g, func() { close(socket) }) })
	group.Go(func() error {
		return rpc.Serve(ctx, rpc.Config{
			Gateway: g, Console: true, Listen: cfg.Listen, Metrics: cfg.Metrics, Operator: operator,
			Trust: trust, Connections: cfg.Connections, Rates: rates, Tracer: tracer, Others: others,
			Ready: func(addr string) {
				// Who is told that the gateway listens may give it commands at once: without the socket they would take it for stopped.
				select {
				case <-socket:
				case <-ctx.Done():
					return
				}
				endpoint := "https://" + addr
				if err := os.WriteFile(layout.Endpoint(), []byte(endpoint+"\n"), 0o644); err != nil {
					operator.Error("endpoint file not written", "err", err)
				}
				fmt.Fprintf(out, "listening on %s\n", endpoint)
				notify("READY=1")
				if ready.endpoint != nil {
					ready.endpoint(endpoint)
				}
			},
		})
	})
	if cfg.ListenPG != "" {
		group.Go(func() error {
			return pgwire.Serve(ctx, pgwire.Config{
				Gateway: g, Listen: cfg.ListenPG, Trust: trust, Operator: operator, Rates: rates, Metrics: counts, Tracer: tracer,
				Ready: func(addr string) {
					fmt.Fprintf(out, "PostgreSQL clients on %s\n", addr)
					if ready.postgres != nil {
						ready.postgres(addr)
					}
				},
			})
		})
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
