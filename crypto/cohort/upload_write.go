package cohort

import (
	"bytes"
	"fmt"
	"io"
)

// WriteTo writes the upload as it was received, byte for byte.
func (u *Upload) WriteTo(w io.Writer) (int64, error) {
	parts := []io.Reader{bytes.NewReader(u.nonceC[:])}
	for _, b := range u.blocks {
		parts = append(parts, bytes.NewReader(b))
	}
	n, err := io.Copy(w, io.MultiReader(append(parts, bytes.NewReader(u.opening))...))
	if err != nil {
		return n, fmt.Errorf("write upload: %w", err)
	}
	return n, nil
}

// BodyBytes is the exact length of an upload, with its opening if opened is true.
func (l *Layout) BodyBytes(opened bool) int {
	if opened {
		return l.UploadBytes() + l.uploadOpeningBytes()
	}
	return l.UploadBytes()
}

// BodyBytes is the exact length of a registration body, with its opening if opened is true.
func (p *Params) BodyBytes(opened bool) int {
	if opened {
		return p.RegistrationBytes() + registrationOpeningBytes
	}
	return p.RegistrationBytes()
}

// Selected lists the selected entries in order: for the auditor, whom the selection was opened to.
func (s *Selector) Selected() []int {
	var out []int
	for i := range s.n {
		if s.bit(i) == 1 {
			out = append(out, i)
		}
	}
	return out
}
