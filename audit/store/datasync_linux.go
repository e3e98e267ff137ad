package store

import (
	"os"
	"syscall"
)

// noFollow has open fail on a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// datasync makes what was written durable, and of the file's description only what is needed to read it again.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err == syscall.EINTR {
			continue
		}
		return os.NewSyscallError("fdatasync", err)
	}
}
