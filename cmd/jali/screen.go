package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
)

// ink colours text, or leaves it alone: colour is for terminals only, and never with NO_COLOR set (https://no-color.org).
type ink bool

func (on ink) bold(s string) string  { return on.paint("1", s) }
func (on ink) faint(s string) string { return on.paint("2", s) }

func (on ink) paint(code, s string) string {
	if !on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

type screen struct {
	out, err ink
	progress bool // standard error is a terminal
}

func newScreen(stdout, stderr io.Writer) screen {
	colour := os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return screen{
		out: ink(colour && terminal(stdout)), err: ink(colour && terminal(stderr)),
		progress: terminal(stderr) && os.Getenv("TERM") != "dumb",
	}
}

// terminal reports whether w is a character device other than the null device.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// printable makes text from elsewhere safe to show: control characters, which could drive a terminal, and invisible format
// characters, which could reorder what is read, become their escapes.
func printable(s string) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
	}
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("\n  ") // a message of several lines: the rest is indented, so it cannot pass for a line of ours
		case r == '\t':
			b.WriteByte(' ')
		case bad(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cell is printable text of one line.
func cell(s string) string { return strings.ReplaceAll(printable(s), "\n", " ") }

// waiting shows on a terminal that a call is under way, once it takes longer than a moment. The returned func ends it.
func (a *app) waiting(what string) (done func()) {
	return a.waitingFor(func() string { return what })
}

// waitingFor is waiting for something of several steps: what says which.
func (a *app) waitingFor(what func() string) (done func()) {
	if !a.screen.progress {
		return func() {}
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		start := time.Now()
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				fmt.Fprint(a.stderr, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprintf(a.stderr, "\r\x1b[K%s", a.screen.err.faint(fmt.Sprintf("%s ... %.1f s", what(), time.Since(start).Seconds())))
			}
		}
	}()
	return func() { close(quit); <-gone }
}
