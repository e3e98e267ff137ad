//go:build js && wasm

// Command wasm is the verifier for browsers and other JavaScript: the same code that jali-auditor runs, compiled to
// WebAssembly. It defines two functions, each of which returns a JSON text, and jaliLive (live.go), which checks a log as it is read:
//
//	jaliVerifyReceipt(receipt: string, result: Uint8Array | null, vkeys: string)
//	jaliVerifyExport(files: {[name: string]: Uint8Array}, vkeys: string, earlier: string)
//
// vkeys are the log's verifier keys, one per line; for an export they may be empty, and the answer then says that the keys
// were the export's own. earlier is a signed checkpoint that somebody kept, or empty: the log must continue it. The page
// that loads this must be served by somebody other than the gateway: who serves the verifier can serve a lying one.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"syscall/js"

	"jali/audit"
	"jali/audit/export"
)

func main() {
	js.Global().Set("jaliVerifyReceipt", js.FuncOf(receipt))
	js.Global().Set("jaliVerifyExport", js.FuncOf(exported))
	js.Global().Set("jaliLive", live())
	select {} // the functions are called for as long as the page lives
}

// answer is what was found. Only what Checked says was checked.
type answer struct {
	OK       bool     `json:"ok"`
	Error    string   `json:"error,omitempty"`
	Entry    *uint64  `json:"entry,omitempty"`
	Field    string   `json:"field,omitempty"`
	Origin   string   `json:"origin,omitempty"`
	Size     uint64   `json:"size,omitempty"`
	Root     string   `json:"root,omitempty"`
	SignedBy []string `json:"signed_by,omitempty"`
	Checked  []string `json:"checked,omitempty"`
}

func (a answer) text() any {
	b, err := json.Marshal(a)
	if err != nil {
		return `{"ok":false,"error":"the answer cannot be written"}`
	}
	return string(b)
}

func failed(err error) any {
	a := answer{Error: err.Error()}
	var at *audit.EntryError
	if errors.As(err, &at) {
		a.Entry, a.Field = &at.Seq, at.Field
	}
	return a.text()
}

var errArguments = errors.New("wrong arguments")

func receipt(_ js.Value, args []js.Value) any {
	if len(args) != 3 || args[0].Type() != js.TypeString || args[2].Type() != js.TypeString {
		return failed(errArguments)
	}
	keys, err := audit.ReadKeys([]byte(args[2].String()))
	if err != nil {
		return failed(err)
	}
	var result []byte
	if !args[1].IsNull() {
		if result, err = bytesOf(args[1]); err != nil {
			return failed(err)
		}
	}
	rep, err := audit.VerifyReceipt([]byte(args[0].String()), result, keys.VKeys, "")
	if err != nil {
		return failed(err)
	}
	return answer{
		OK: true, Origin: rep.Origin, Size: rep.Size, Root: base64.StdEncoding.EncodeToString(rep.Root[:]), SignedBy: rep.SignedBy, Checked: rep.Checks,
	}.text()
}

func exported(_ js.Value, args []js.Value) any {
	if len(args) != 3 || args[0].Type() != js.TypeObject || args[1].Type() != js.TypeString || args[2].Type() != js.TypeString {
		return failed(errArguments)
	}
	files, err := filesOf(args[0])
	if err != nil {
		return failed(err)
	}
	var keys *audit.Keys
	if text := args[1].String(); text != "" {
		if keys, err = audit.ReadKeys([]byte(text)); err != nil {
			return failed(err)
		}
	}
	var earlier []audit.Checkpoint
	if note := args[2].String(); note != "" {
		if keys == nil {
			return failed(errors.New("an earlier checkpoint needs the keys that it was verified with"))
		}
		cp, err := keys.OpenCheckpoint([]byte(note))
		if err != nil {
			return failed(err)
		}
		earlier = append(earlier, cp)
	}
	rep, err := export.VerifyFS(files, keys, earlier...)
	if err != nil {
		return failed(err)
	}
	return answer{
		OK: true, Origin: rep.Origin, Size: rep.Size, Root: base64.StdEncoding.EncodeToString(rep.Root[:]), SignedBy: rep.SignedBy, Checked: rep.Checks,
	}.text()
}

func bytesOf(v js.Value) ([]byte, error) {
	if v.Type() != js.TypeObject || !v.InstanceOf(js.Global().Get("Uint8Array")) {
		return nil, errArguments
	}
	b := make([]byte, v.Get("length").Int())
	js.CopyBytesToGo(b, v)
	return b, nil
}

func filesOf(v js.Value) (memory, error) {
	out := memory{}
	names := js.Global().Get("Object").Call("keys", v)
	for i := range names.Length() {
		name := names.Index(i).String()
		b, err := bytesOf(v.Get(name))
		if err != nil {
			return nil, err
		}
		out[name] = b
	}
	return out, nil
}
