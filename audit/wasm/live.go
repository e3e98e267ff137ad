//go:build js && wasm

package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall/js"

	"jali/audit"
	"jali/audit/export"
)

// A log that is read page by page is checked as it comes: jaliLive is one object whose functions return a JSON text.
//
//	open(vkeys: string, final: string, earlier: string)   {"ok", "log"}: begins at entry 0
//	feed(log: number, lines: string)                      checks the next headers, one per line
//	check(log: number, checkpoint: string)                the entries so far are what the log has signed
//	close(log: number)
//	entry(vkeys: string, line: string, proof: string)     one entry stands in the log
//	fhir(vkeys: string, checkpoint: string, entries: string)   {"ok", "text"}; entries is [{"line", "details"}]
//
// earlier is a checkpoint that somebody kept, or empty: the log must continue it. After an error a log must be closed.
func live() js.Value {
	api := js.Global().Get("Object").New()
	for name, f := range map[string]func(args []js.Value) (any, error){
		"open": openLog, "feed": feedLog, "check": checkLog, "close": closeLog, "entry": oneEntry, "fhir": writeFHIR,
	} {
		api.Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any {
			out, err := f(args)
			if err != nil {
				return failed(err)
			}
			b, err := json.Marshal(out)
			if err != nil {
				return failed(err)
			}
			return string(b)
		}))
	}
	return api
}

// reading is a log of which some entries have been checked.
type reading struct {
	keys  *audit.Keys
	chain *audit.Chain
}

// Calls come one at a time, from the one thread there is. Numbers are never used twice.
var (
	readings = map[int]*reading{}
	lastLog  int
)

func texts(args []js.Value, n int) ([]string, error) {
	if len(args) != n {
		return nil, errArguments
	}
	out := make([]string, n)
	for i, a := range args {
		if a.Type() != js.TypeString {
			return nil, errArguments
		}
		out[i] = a.String()
	}
	return out, nil
}

func readingOf(args []js.Value, n int) (*reading, error) {
	if len(args) != n || args[0].Type() != js.TypeNumber {
		return nil, errArguments
	}
	r := readings[args[0].Int()]
	if r == nil {
		return nil, errors.New("no such log: it was closed")
	}
	return r, nil
}

func openLog(args []js.Value) (any, error) {
	in, err := texts(args, 3)
	if err != nil {
		return nil, err
	}
	keys, err := audit.ReadKeys([]byte(in[0]))
	if err != nil {
		return nil, err
	}
	r := &reading{keys: keys, chain: audit.NewChain(keys.Origin, keys.VKeys, []byte(in[1]))}
	if in[2] != "" {
		cp, err := keys.OpenCheckpoint([]byte(in[2]))
		if err != nil {
			return nil, err
		}
		r.chain.Expect(cp)
	}
	lastLog++
	readings[lastLog] = r
	return map[string]any{"ok": true, "log": lastLog}, nil
}

func feedLog(args []js.Value) (any, error) {
	r, err := readingOf(args, 2)
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(args[1].String(), "\n"), "\n") {
		if err := r.chain.Next([]byte(line)); err != nil {
			return nil, err
		}
	}
	return map[string]any{"ok": true, "size": r.chain.Size()}, nil
}

func checkLog(args []js.Value) (any, error) {
	r, err := readingOf(args, 2)
	if err != nil {
		return nil, err
	}
	cp, err := r.keys.OpenCheckpoint([]byte(args[1].String()))
	if err != nil {
		return nil, err
	}
	root, err := r.chain.Root()
	switch {
	case err != nil:
		return nil, err
	case cp.Size != r.chain.Size():
		return nil, fmt.Errorf("the checkpoint is of %d entries, %d were read", cp.Size, r.chain.Size())
	case root != cp.Root:
		return nil, errors.New("the entries do not give the root that the log has signed")
	}
	if err := r.chain.Unmet(); err != nil {
		return nil, err
	}
	checks := []string{
		fmt.Sprintf("the checkpoint of %d entries is signed by the log with %s", cp.Size, strings.Join(cp.SignedBy, ", ")),
		fmt.Sprintf("%d entries hashed and chained from the genesis on; their root is the one signed", r.chain.Size()),
		fmt.Sprintf("%d budget ledgers follow from the entries, no spend above its cap", len(r.chain.Ledgers())),
		fmt.Sprintf("every question has one outcome, but %d still open", len(r.chain.Open())),
		"every decision names the policy, agreement and data that were active",
	}
	return answer{OK: true, Origin: cp.Origin, Size: cp.Size, Root: base64.StdEncoding.EncodeToString(root[:]), SignedBy: cp.SignedBy, Checked: checks}, nil
}

func closeLog(args []js.Value) (any, error) {
	if _, err := readingOf(args, 1); err != nil {
		return nil, err
	}
	delete(readings, args[0].Int())
	return map[string]any{"ok": true}, nil
}

func oneEntry(args []js.Value) (any, error) {
	in, err := texts(args, 3)
	if err != nil {
		return nil, err
	}
	keys, err := audit.ReadKeys([]byte(in[0]))
	if err != nil {
		return nil, err
	}
	e, err := audit.ParseEntry([]byte(in[1]))
	if err != nil {
		return nil, err
	}
	p, err := audit.ParseProof([]byte(in[2]))
	if err != nil {
		return nil, err
	}
	cp, err := keys.OpenCheckpoint(p.Checkpoint)
	if err != nil {
		return nil, err
	}
	if p.Index != e.Seq {
		return nil, &audit.EntryError{Seq: e.Seq, Field: "seq", Err: audit.ErrProof}
	}
	if err := audit.VerifyInclusion(audit.LeafHash(e.Line), p.Index, cp.Size, p.Path, cp.Root); err != nil {
		return nil, err
	}
	return answer{OK: true, Origin: cp.Origin, Size: cp.Size, Root: base64.StdEncoding.EncodeToString(cp.Root[:]), SignedBy: cp.SignedBy}, nil
}

func writeFHIR(args []js.Value) (any, error) {
	in, err := texts(args, 3)
	if err != nil {
		return nil, err
	}
	keys, err := audit.ReadKeys([]byte(in[0]))
	if err != nil {
		return nil, err
	}
	cp, err := keys.OpenCheckpoint([]byte(in[1]))
	if err != nil {
		return nil, err
	}
	var given []struct {
		Line    string   `json:"line"`
		Details []string `json:"details"`
	}
	if err := json.Unmarshal([]byte(in[2]), &given); err != nil {
		return nil, errArguments
	}
	entries := make([]export.Disclosed, len(given))
	for i, g := range given {
		e, err := audit.ParseEntry([]byte(g.Line))
		if err != nil {
			return nil, err
		}
		entries[i] = export.Disclosed{Entry: e, Details: g.Details}
	}
	text, err := export.FHIR(cp, entries)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "text": string(text)}, nil
}
