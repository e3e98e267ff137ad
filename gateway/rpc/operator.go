package rpc

import (
	"context"
	"runtime/debug"
	"time"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

// operators serves OperatorService: how the gateway is, to look at.
type operators struct {
	jaliv1.UnimplementedOperatorServiceServer
	gateway *gateway.Gateway
	callers callers
	started time.Time
}

func (s *operators) GetStatus(ctx context.Context, _ *jaliv1.GetStatusRequest) (*jaliv1.GetStatusResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	o, err := s.gateway.Overview(who)
	if err != nil {
		return nil, err
	}
	out := &jaliv1.GetStatusResponse{
		Started: s.started.Unix(), Origin: o.Origin, Size: o.Size, Policy: o.Policy, Problems: o.Problems, Sealed: o.Sealed, QuorumLost: o.QuorumLost,
	}
	out.Version, out.Go, out.Engine = build()
	for _, d := range o.Datasets {
		out.Datasets = append(out.Datasets, &jaliv1.ServedDataset{Id: d.ID, Version: d.Version, Population: d.Population, Mode: d.Mode})
	}
	for _, w := range o.Witnesses {
		state := &jaliv1.WitnessState{Name: w.Name, Url: w.URL, Verdict: w.Verdict, Size: w.Size}
		if !w.At.IsZero() {
			state.Time = w.At.Unix()
		}
		out.Witnesses = append(out.Witnesses, state)
	}
	return out, nil
}

// build tells the versions of this program, of Go and of the engine that is linked in.
func build() (version, golang, engine string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "unknown", "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/duckdb/duckdb-go-bindings" {
			engine = "DuckDB (duckdb-go-bindings " + d.Version + ")"
		}
	}
	return info.Main.Version, info.GoVersion, engine
}
