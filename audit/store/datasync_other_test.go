//go:build !linux

package store

import (
	"os"
	"time"
)

func datasync(f *os.File) error { return f.Sync() }

// cpu is not measured here.
func cpu() time.Duration { return 0 }
