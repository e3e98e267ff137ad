// Command clib is the client half of encrypted queries as a C library (go build -buildmode=c-shared), for Python, R, Julia and
// whatever else calls C. jali_cohort.h is its documentation; jali_cohort.py wraps it.
//
// Guaranteed: no pointer of the caller is kept after a call, and no Go pointer is passed out: what is returned is C memory of the
// caller's. A handle that is stale, foreign or of the other kind is an error. A fault in this library is an error too, as far as
// Go can catch it.
//
// Not guaranteed: anything about pointers and lengths that are wrong; fork after loading.
//
// cgo declares the exported functions once more next to the header's declarations, so a signature that differs from the header does
// not compile. That is what the const types below are for: Go has no const pointers.
package main

// #include "jali_cohort.h"
// #include <stdlib.h>
// typedef const char const_char;
// typedef const uint8_t const_uint8;
// typedef const uint32_t const_uint32;
// typedef const int64_t const_int64;
import "C"

import (
	"unsafe"

	"jali/crypto/cohort/client"
)

func main() {}

//export jali_cohort_sizes
func jali_cohort_sizes(params *C.const_char, slots, registration, reply, limit *C.int64_t) *C.char {
	return guard(func() error {
		s, err := client.SizesOf(C.GoString((*C.char)(params)))
		if err != nil {
			return err
		}
		*slots, *registration, *reply, *limit = C.int64_t(s.SlotsPerBlock), C.int64_t(s.Registration), C.int64_t(s.Reply), C.int64_t(s.Limit)
		return nil
	})
}

//export jali_cohort_generate
func jali_cohort_generate(params *C.const_char, crs, auditor *C.const_uint8, auditorLen C.size_t, key *C.jali_cohort_key, body **C.uint8_t, bodyLen *C.size_t) *C.char {
	return guard(func() error {
		k, b, err := client.Generate(C.GoString((*C.char)(params)), view(crs, 32), view(auditor, auditorLen))
		if err != nil {
			return err
		}
		give(b, body, bodyLen)
		*key = C.jali_cohort_key(handle(k))
		return nil
	})
}

//export jali_cohort_store
func jali_cohort_store(key C.jali_cohort_key, stored **C.uint8_t, storedLen *C.size_t) *C.char {
	return guard(func() error {
		k, err := find[*client.Key](uintptr(key))
		if err != nil {
			return err
		}
		b, err := k.Store()
		if err != nil {
			return err
		}
		give(b, stored, storedLen)
		clear(b)
		return nil
	})
}

//export jali_cohort_restore
func jali_cohort_restore(stored *C.const_uint8, storedLen C.size_t, key *C.jali_cohort_key) *C.char {
	return guard(func() error {
		k, err := client.Restore(view(stored, storedLen))
		if err != nil {
			return err
		}
		*key = C.jali_cohort_key(handle(k))
		return nil
	})
}

//export jali_cohort_key_id
func jali_cohort_key_id(key C.jali_cohort_key, id *C.uint8_t) *C.char {
	return guard(func() error {
		k, err := find[*client.Key](uintptr(key))
		if err != nil {
			return err
		}
		put(k.ID(), id)
		return nil
	})
}

//export jali_cohort_erase_key
func jali_cohort_erase_key(key C.jali_cohort_key) *C.char {
	return guard(func() error {
		k, err := end[*client.Key](uintptr(key))
		if err != nil {
			return err
		}
		k.Erase()
		return nil
	})
}

//export jali_cohort_encrypt
func jali_cohort_encrypt(key C.jali_cohort_key, question *C.const_uint8, questionLen C.size_t, selected *C.const_uint32, count C.size_t, auditor *C.const_uint8, auditorLen C.size_t, upload *C.jali_cohort_upload, seed *C.uint8_t, blocks, bytes *C.int64_t) *C.char {
	return guard(func() error {
		k, err := find[*client.Key](uintptr(key))
		if err != nil {
			return err
		}
		u, err := k.Encrypt(view(question, questionLen), unsafe.Slice((*uint32)(unsafe.Pointer(selected)), count), view(auditor, auditorLen))
		if err != nil {
			return err
		}
		put(u.Seed(), seed)
		*blocks, *bytes = C.int64_t(u.Blocks()), C.int64_t(u.Bytes())
		*upload = C.jali_cohort_upload(handle(u))
		return nil
	})
}

//export jali_cohort_part
func jali_cohort_part(upload C.jali_cohort_upload, part C.int64_t, bytes **C.uint8_t, length *C.size_t) *C.char {
	return guard(func() error {
		u, err := find[*client.Upload](uintptr(upload))
		if err != nil {
			return err
		}
		b, err := u.Part(int(part))
		if err != nil {
			return err
		}
		give(b, bytes, length)
		return nil
	})
}

//export jali_cohort_commit
func jali_cohort_commit(upload C.jali_cohort_upload, commit *C.uint8_t) *C.char {
	return guard(func() error {
		u, err := find[*client.Upload](uintptr(upload))
		if err != nil {
			return err
		}
		c, err := u.Commit()
		if err != nil {
			return err
		}
		put(c, commit)
		return nil
	})
}

//export jali_cohort_erase_upload
func jali_cohort_erase_upload(upload C.jali_cohort_upload) *C.char {
	return guard(func() error {
		u, err := end[*client.Upload](uintptr(upload))
		if err != nil {
			return err
		}
		u.Erase()
		return nil
	})
}

//export jali_cohort_decrypt
func jali_cohort_decrypt(key C.jali_cohort_key, reply *C.const_uint8, replyLen C.size_t, bounds *C.const_int64, count C.size_t, numbers *C.int64_t, outOfRange *C.int) *C.char {
	return guard(func() error {
		k, err := find[*client.Key](uintptr(key))
		if err != nil {
			return err
		}
		got, out, err := k.Decrypt(view(reply, replyLen), unsafe.Slice((*int64)(unsafe.Pointer(bounds)), count))
		if err != nil {
			return err
		}
		copy(unsafe.Slice((*int64)(unsafe.Pointer(numbers)), count), got)
		clear(got)
		*outOfRange = 0
		if out {
			*outOfRange = 1
		}
		return nil
	})
}

//export jali_cohort_free
func jali_cohort_free(p unsafe.Pointer, length C.size_t) {
	if p == nil {
		return
	}
	clear(unsafe.Slice((*byte)(p), length))
	C.free(p)
}
