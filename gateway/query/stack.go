package query

/*
#include <pthread.h>

// The stack size a new thread gets by default: what the Go runtime gives the threads that run C code.
static unsigned long jali_thread_stack(void) {
	pthread_attr_t a;
	size_t n = 0;
	if (pthread_attr_init(&a) != 0) return 0;
	if (pthread_attr_getstacksize(&a, &n) != 0) n = 0;
	pthread_attr_destroy(&a);
	return n;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrStack says that the C parser could overflow its stack on a text within the limits of the scanner.
var ErrStack = errors.New("thread stack is too small")

// minStack is what the limits of scan.go were measured with (disclosure-control.md section 12.1).
const minStack = 8 << 20

// CheckStack returns ErrStack when a thread that parses SQL may have a stack below 8 MiB. A gateway must not serve then:
// an overflow in C kills the process and cannot be caught. Both sizes count: the main thread's is the resource limit, every
// other thread's is the C library's default (128 KiB with musl, 2 MiB with glibc when the limit is "unlimited").
func CheckStack() error {
	if n := uint64(C.jali_thread_stack()); n < minStack {
		return fmt.Errorf("%w: threads get %d KiB, 8192 needed (start the process with `ulimit -s 8192`)", ErrStack, n>>10)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &limit); err != nil {
		return fmt.Errorf("%w: read the stack limit: %w", ErrStack, err)
	}
	if uint64(limit.Cur) < minStack {
		return fmt.Errorf("%w: the limit is %d KiB, 8192 needed (start the process with `ulimit -s 8192`)", ErrStack, uint64(limit.Cur)>>10)
	}
	return nil
}
