package main

// #include <stdint.h>
// #include <stdlib.h>
// typedef const uint8_t const_uint8;
import "C"

import (
	"errors"
	"runtime/cgo"
	"unsafe"
)

var (
	errHandle   = errors.New("no such handle: it was erased, or is of another kind")
	errInternal = errors.New("internal error: this is a fault of the library; please report what you called")
)

// guard turns an error into C text. A panic becomes one constant text: what it says might come from a secret.
func guard(f func() error) (text *C.char) {
	defer func() {
		if recover() != nil {
			text = C.CString(errInternal.Error())
		}
	}()
	if err := f(); err != nil {
		return C.CString(err.Error())
	}
	return nil
}

func handle(v any) uintptr { return uintptr(cgo.NewHandle(v)) }

// find returns what a handle stands for.
func find[T any](h uintptr) (v T, err error) {
	defer func() {
		if recover() != nil { // cgo.Handle panics for a number that is none
			err = errHandle
		}
	}()
	v, ok := cgo.Handle(h).Value().(T)
	if !ok {
		return v, errHandle
	}
	return v, nil
}

// end is find, and the handle is none from now on. Of two at once one gets the error.
func end[T any](h uintptr) (v T, err error) {
	defer func() {
		if recover() != nil {
			err = errHandle
		}
	}()
	if v, err = find[T](h); err != nil {
		return v, err
	}
	cgo.Handle(h).Delete()
	return v, nil
}

// view reads the caller's memory in place, during the call.
func view(p *C.const_uint8, n C.size_t) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), n)
}

// give copies bytes to C memory, which the caller frees. Even no bytes get an address, so that NULL stays an error.
func give(b []byte, p **C.uint8_t, n *C.size_t) {
	*p, *n = (*C.uint8_t)(C.CBytes(b)), C.size_t(len(b))
}

func put(b [32]byte, p *C.uint8_t) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(p)), 32), b[:])
}
