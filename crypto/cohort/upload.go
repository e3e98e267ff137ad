package cohort

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

var (
	// ErrTruncated: the upload ended before its fixed length.
	ErrTruncated = errors.New("upload is truncated")
	// ErrOversized: the upload goes on after its fixed length.
	ErrOversized = errors.New("upload is too long")
	// ErrUpload: the upload was refused before and cannot go on.
	ErrUpload = errors.New("bad upload")
)

// Intake receives an upload in pieces of any size and checks each block as it completes. Its length follows from the layout
// alone. Memory grows with the bytes received, never with a promise of them. Not safe for concurrent use.
type Intake struct {
	layout  *Layout
	opened  bool
	got     int
	want    int
	head    []byte
	blocks  [][]byte
	tail    []byte
	scratch []uint64
	sum     hash.Hash
	err     error
}

// NewIntake waits for an upload of the layout; opened says whether the agreement asks for an opening.
func NewIntake(l *Layout, opened bool) *Intake {
	in := &Intake{layout: l, opened: opened, want: l.UploadBytes(), sum: sha256.New(), scratch: make([]uint64, l.params.n())}
	if opened {
		in.want += l.uploadOpeningBytes()
	}
	return in
}

// Received is the number of bytes taken so far: where an interrupted upload resumes. Want is how many there must be.
func (in *Intake) Received() int { return in.got }

// Want is the exact length of the upload.
func (in *Intake) Want() int { return in.want }

// Write takes the next bytes. An error is final, and means the nonce is burnt.
func (in *Intake) Write(b []byte) (int, error) {
	if in.err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUpload, in.err)
	}
	if len(b) > in.want-in.got {
		in.err = fmt.Errorf("%w: it has %d bytes exactly, with these parameters and this table", ErrOversized, in.want)
		return 0, in.err
	}
	taken := len(b)
	in.sum.Write(b)
	for len(b) > 0 {
		n, err := in.take(b)
		if err != nil {
			in.err = err
			return 0, err
		}
		b = b[n:]
		in.got += n
	}
	return taken, nil
}

// take puts the next bytes where they belong and checks a block that they complete.
func (in *Intake) take(b []byte) (int, error) {
	size := in.layout.params.elementBytes()
	at := in.got - nonceBytes
	switch {
	case at < 0:
		n := min(len(b), -at)
		in.head = append(in.head, b[:n]...)
		return n, nil
	case at >= in.layout.blocks*size:
		in.tail = append(in.tail, b...)
		return len(b), nil
	}
	j, off := at/size, at%size
	if off == 0 {
		in.blocks = append(in.blocks, make([]byte, 0, size))
	}
	n := min(len(b), size-off)
	in.blocks[j] = append(in.blocks[j], b[:n]...)
	if off+n == size {
		return n, in.check(j)
	}
	return n, nil
}

func (in *Intake) check(j int) error {
	p := in.layout.params
	for i, q := range p.q {
		if err := unpackChecked(in.scratch, in.blocks[j][i*p.limbBytes():(i+1)*p.limbBytes()], p.width, q); err != nil {
			return fmt.Errorf("%w: block %d, limb %d: %w", ErrUpload, j, i, err)
		}
	}
	return nil
}

// Close ends the upload and returns it if it is whole.
func (in *Intake) Close() (*Upload, error) {
	if in.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpload, in.err)
	}
	if in.got != in.want {
		return nil, fmt.Errorf("%w: %d of %d bytes came", ErrTruncated, in.got, in.want)
	}
	in.err = errors.New("it is complete")
	return &Upload{layout: in.layout, nonceC: [nonceBytes]byte(in.head), blocks: in.blocks, opening: in.tail, commit: Digest(in.sum.Sum(nil))}, nil
}

// ReadUpload reads a whole upload, and not a byte more than one beyond it.
func ReadUpload(r io.Reader, l *Layout, opened bool) (*Upload, error) {
	in := NewIntake(l, opened)
	if _, err := io.Copy(struct{ io.Writer }{in}, io.LimitReader(r, int64(in.want)+1)); err != nil {
		return nil, err
	}
	return in.Close()
}

// Upload is a checked upload, still packed. It is read-only.
type Upload struct {
	layout  *Layout
	nonceC  [nonceBytes]byte
	blocks  [][]byte
	opening []byte
	commit  Digest
}

// Commit is SHA-256 over all bytes of the upload, for the record and to tell a retry from a second question.
func (u *Upload) Commit() Digest { return u.commit }

// Opening is what the auditor can open; empty if there is none.
func (u *Upload) Opening() []byte { return u.opening }

// Bytes is the length of the upload.
func (u *Upload) Bytes() int { return u.layout.UploadBytes() + len(u.opening) }
