package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress reports how many rows of what are done, on a terminal, and nothing elsewhere. An empty name clears the line.
func progress(w io.Writer) func(what string, rows int64) {
	f, ok := w.(*os.File)
	if !ok {
		return func(string, int64) {}
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(string, int64) {}
	}
	var mu sync.Mutex
	var last time.Time
	return func(what string, rows int64) {
		mu.Lock()
		defer mu.Unlock()
		if what == "" {
			fmt.Fprint(f, "\r\x1b[K")
			return
		}
		if time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		fmt.Fprintf(f, "\r\x1b[K%-24s %12d rows", what, rows)
	}
}
