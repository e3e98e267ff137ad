//go:build js && wasm

package main

import (
	"math"
	"syscall/js"
)

// guard makes a function of JavaScript. A panic becomes one constant text: what it says might come from a secret, and left alone it
// would end the program.
func guard(f func(a arguments) (map[string]any, error)) js.Func {
	return js.FuncOf(func(_ js.Value, a []js.Value) (result any) {
		defer func() {
			if recover() != nil {
				result = failed(errInternal)
			}
		}()
		m, err := f(a)
		if err != nil {
			return failed(err)
		}
		return m
	})
}

func failed(err error) any { return map[string]any{"error": err.Error()} }

// find returns what the first argument stands for.
func find[T any](a arguments, held map[int]T) (v T, err error) {
	h, err := a.number(0)
	if err != nil {
		return v, err
	}
	v, ok := held[int(h)]
	if !ok {
		return v, errHandle
	}
	return v, nil
}

// arguments are what JavaScript passed: anything at all.
type arguments []js.Value

func (a arguments) at(i int) js.Value {
	if i >= len(a) {
		return js.Undefined()
	}
	return a[i]
}

func (a arguments) text(i int) (string, error) {
	if v := a.at(i); v.Type() == js.TypeString {
		return v.String(), nil
	}
	return "", errArguments
}

func (a arguments) number(i int) (int64, error) { return whole(a.at(i)) }

// whole reads a number that JavaScript holds exactly.
func whole(v js.Value) (int64, error) {
	if v.Type() != js.TypeNumber {
		return 0, errArguments
	}
	f := v.Float()
	if f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, errArguments
	}
	return int64(f), nil
}

func (a arguments) numbers(i int) ([]int64, error) {
	v := a.at(i)
	if v.Type() != js.TypeObject || !v.InstanceOf(js.Global().Get("Array")) || v.Length() > 64 {
		return nil, errArguments
	}
	out := make([]int64, v.Length())
	for j := range out {
		var err error
		if out[j], err = whole(v.Index(j)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a arguments) bytes(i int) ([]byte, error) {
	v := a.at(i)
	if v.Type() != js.TypeObject || !v.InstanceOf(js.Global().Get("Uint8Array")) {
		return nil, errArguments
	}
	b := make([]byte, v.Get("length").Int())
	js.CopyBytesToGo(b, v)
	return b, nil
}

func (a arguments) bytesOrNull(i int) ([]byte, error) {
	if v := a.at(i); v.IsNull() || v.IsUndefined() {
		return nil, nil
	}
	return a.bytes(i)
}

func array(b []byte) js.Value {
	v := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(v, b)
	return v
}
