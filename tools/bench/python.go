package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"jali/gateway/synth"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// pythonSuite measures whole queries of the Python package, which verifies the receipt and makes a DataFrame, against the same questions of Go's generated gRPC
// client, which does neither, at one gateway in one run. Response slots are off: they would hide the difference.
func pythonSuite() suite {
	return suite{names: []string{"python/query", "python/stub"}, run: measurePython}
}

func measurePython(ctx context.Context) (rows []result, err error) {
	tmp, err := os.MkdirTemp("", "jali-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	made := exec.CommandContext(ctx, "tools/python.sh", "sdk/python/requirements.lock")
	made.Stderr = os.Stderr
	python, err := made.Output()
	if err != nil {
		return nil, fmt.Errorf("make the Python environment: %w", err)
	}
	b := &bed{dir: filepath.Join(tmp, "state")}
	stop, err := b.serve(ctx, tmp)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	profile := filepath.Join(tmp, "profile.yaml")
	text := fmt.Sprintf("profiles:\n  bench: {endpoint: %q, ca: %q, cert: %q, key: %q, vkeys: %q}\n", b.profile.Endpoint, b.profile.CA, b.profile.Cert, b.profile.Key, "vkeys")
	err = errors.Join(os.WriteFile(profile, []byte(text), 0o600), os.WriteFile(filepath.Join(tmp, "vkeys"), []byte(b.profile.VKeys), 0o600))
	if err != nil {
		return nil, err
	}

	// Python between two halves of Go: what the machine does meanwhile falls on both.
	const n = 200
	before, err := b.native(ctx, n/2)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, strings.TrimSpace(string(python)), "sdk/python/tools/bench.py", profile, synth.AgreementID, dataOff, "10000", strconv.Itoa(n))
	cmd.Env = append(os.Environ(), "PYTHONPATH=sdk/python/src", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("time the Python package: %w", err)
	}
	var took struct{ Package, Stub float64 }
	if err := json.Unmarshal(out, &took); err != nil {
		return nil, fmt.Errorf("time the Python package: %w", err)
	}
	after, err := b.native(ctx, n/2)
	if err != nil {
		return nil, err
	}
	native := float64((before+after)/2) / float64(time.Millisecond)
	against := fmt.Sprintf("Go's generated gRPC client, no verification: %.2f ms, same run", native)
	whole, stub := took.Package/native, took.Stub/native
	return []result{
		{Name: "python/query", Value: took.Package, Unit: "ms p50", Baseline: against, Ratio: &whole, Goal: "<= 2"},
		{Name: "python/stub", Value: took.Stub, Unit: "ms p50", Baseline: against, Ratio: &stub},
	}, nil
}

// native is the median of queries through the generated client.
func (b *bed) native(ctx context.Context, n int) (time.Duration, error) {
	client, err := sdk.Dial(ctx, b.profile)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	queries := jaliv1.NewQueryServiceClient(client.Conn())
	return median(n, func() error {
		q := b.question(dataOff)
		_, err := queries.Query(ctx, &jaliv1.QueryRequest{Agreement: q.Agreement, Purpose: q.Purpose, Dataset: q.Dataset, Sql: q.SQL, Error: q.Error})
		return err
	})
}
