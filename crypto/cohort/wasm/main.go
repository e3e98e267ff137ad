//go:build js && wasm

// Command wasm is the client half of encrypted queries for browsers and other JavaScript: the code of crypto/cohort, compiled to
// WebAssembly. It defines one object, jaliCohort, whose functions take and return plain values and Uint8Arrays, and return
// {error: text} when they fail. cohort.mjs wraps them in classes and is what a page uses.
//
// Guaranteed: the same bytes as the native client; nothing is logged; what comes in is copied, and copies of secrets are zeroed
// after use. Not guaranteed: erasure of what JavaScript holds, constant time in a JavaScript engine, and the honesty of whoever
// serves this file: take it from somebody other than the gateway.
package main

import (
	"errors"
	"syscall/js"
	"unsafe"

	"jali/crypto/cohort/client"
)

var (
	errArguments = errors.New("wrong arguments")
	errHandle    = errors.New("no such handle: it was erased, or is of another kind")
	errInternal  = errors.New("internal error: this is a fault of the library; please report what you called")
)

func main() {
	api := js.Global().Get("Object").New()
	for name, f := range map[string]func(a arguments) (map[string]any, error){
		"sizes": sizes, "generate": generate, "restore": restore, "store": store, "eraseKey": eraseKey,
		"encrypt": encrypt, "part": part, "commit": commit, "eraseUpload": eraseUpload, "decrypt": decrypt,
	} {
		api.Set(name, guard(f))
	}
	js.Global().Set("jaliCohort", api)
	select {} // the functions are called for as long as the page lives
}

// Calls come one at a time, from the one thread there is. Handles are never used twice.
var (
	keys    = map[int]*client.Key{}
	uploads = map[int]*client.Upload{}
	last    int
)

func sizes(a arguments) (map[string]any, error) {
	params, err := a.text(0)
	if err != nil {
		return nil, err
	}
	s, err := client.SizesOf(params)
	if err != nil {
		return nil, err
	}
	return map[string]any{"slotsPerBlock": s.SlotsPerBlock, "registration": s.Registration, "reply": s.Reply, "limit": s.Limit}, nil
}

// generate(params, crs, auditor or null)
func generate(a arguments) (map[string]any, error) {
	params, e1 := a.text(0)
	crs, e2 := a.bytes(1)
	auditor, e3 := a.bytesOrNull(2)
	if err := errors.Join(e1, e2, e3); err != nil {
		return nil, errArguments
	}
	k, body, err := client.Generate(params, crs, auditor)
	if err != nil {
		return nil, err
	}
	m := hold(k)
	m["registration"] = array(body)
	return m, nil
}

// restore(stored)
func restore(a arguments) (map[string]any, error) {
	stored, err := a.bytes(0)
	if err != nil {
		return nil, err
	}
	defer clear(stored)
	k, err := client.Restore(stored)
	if err != nil {
		return nil, err
	}
	return hold(k), nil
}

func hold(k *client.Key) map[string]any {
	last++
	keys[last] = k
	id := k.ID()
	return map[string]any{"key": last, "id": array(id[:]), "params": k.Params()}
}

// store(key)
func store(a arguments) (map[string]any, error) {
	k, err := find(a, keys)
	if err != nil {
		return nil, err
	}
	b, err := k.Store()
	if err != nil {
		return nil, err
	}
	defer clear(b)
	return map[string]any{"stored": array(b)}, nil
}

// eraseKey(key)
func eraseKey(a arguments) (map[string]any, error) {
	k, err := find(a, keys)
	if err != nil {
		return nil, err
	}
	k.Erase()
	delete(keys, a[0].Int())
	return map[string]any{}, nil
}

// encrypt(key, question, selected as the bytes of a Uint32Array, auditor or null)
func encrypt(a arguments) (map[string]any, error) {
	k, err := find(a, keys)
	if err != nil {
		return nil, err
	}
	question, e1 := a.text(1)
	raw, e2 := a.bytes(2)
	defer clear(raw)
	auditor, e3 := a.bytesOrNull(3)
	if errors.Join(e1, e2, e3) != nil || len(raw)%4 != 0 {
		return nil, errArguments
	}
	selected := make([]uint32, len(raw)/4)
	defer clear(selected)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(selected))), len(raw)), raw) // both sides are little-endian
	u, err := k.Encrypt([]byte(question), selected, auditor)
	if err != nil {
		return nil, err
	}
	last++
	uploads[last] = u
	seed := u.Seed()
	return map[string]any{"upload": last, "seed": array(seed[:]), "blocks": u.Blocks(), "bytes": u.Bytes()}, nil
}

// part(upload, number)
func part(a arguments) (map[string]any, error) {
	u, err := find(a, uploads)
	if err != nil {
		return nil, err
	}
	i, err := a.number(1)
	if err != nil {
		return nil, err
	}
	b, err := u.Part(int(i))
	if err != nil {
		return nil, err
	}
	return map[string]any{"bytes": array(b)}, nil
}

// commit(upload)
func commit(a arguments) (map[string]any, error) {
	u, err := find(a, uploads)
	if err != nil {
		return nil, err
	}
	c, err := u.Commit()
	if err != nil {
		return nil, err
	}
	return map[string]any{"commit": array(c[:])}, nil
}

// eraseUpload(upload)
func eraseUpload(a arguments) (map[string]any, error) {
	u, err := find(a, uploads)
	if err != nil {
		return nil, err
	}
	u.Erase()
	delete(uploads, a[0].Int())
	return map[string]any{}, nil
}

// decrypt(key, reply, array of bounds)
func decrypt(a arguments) (map[string]any, error) {
	k, err := find(a, keys)
	if err != nil {
		return nil, err
	}
	reply, err := a.bytes(1)
	if err != nil {
		return nil, err
	}
	bounds, err := a.numbers(2)
	if err != nil {
		return nil, err
	}
	got, outOfRange, err := k.Decrypt(reply, bounds)
	if err != nil {
		return nil, err
	}
	numbers := make([]any, len(got))
	for i, v := range got {
		numbers[i] = v // at most 2^44, exact in JavaScript
	}
	return map[string]any{"numbers": numbers, "outOfRange": outOfRange}, nil
}
