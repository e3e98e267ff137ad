package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"jali/crypto/cohort"
)

// Where an agreement names an auditor, keys and uploads carry an opening that only the auditor can read, and the gateway keeps their bytes:
// one file each, in the directory openings of its state, named by the digest that the record has of it. A file is durable before its entry
// is appended; after a crash there may be one without entry, never an entry without its file. The gateway does not open them, and cannot.
//
// Nothing is ever deleted here: how long openings are kept is the custodian's decision (docs/openings.md).

// auditorOf is the auditor whom the agreement names; nil: none.
func (a *agreement) auditorOf() []byte {
	if a == nil {
		return nil
	}
	return a.Encrypted.Auditor
}

// checkAuditor refuses a key that no client could encrypt to.
func checkAuditor(key []byte) error {
	if key == nil {
		return nil
	}
	_, err := cohort.ParseAuditor(key)
	return err
}

// CohortAuditor is the public key to which keys and uploads under the agreement are opened; nil: to nobody.
func (g *Gateway) CohortAuditor(id string) []byte { return g.agreement(id).auditorOf() }

// keepKey makes the body of a registered key durable, and returns its digest.
func (g *Gateway) keepKey(kd cohort.Digest, p *cohort.Params, crs [32]byte, body []byte) (string, error) {
	head := fmt.Sprintf("jali kept key 1\n%s\n%x\n", p.ID(), crs)
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:]), g.keepOpening(hex.EncodeToString(kd[:])+".key", func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(bytes.NewReader([]byte(head)), bytes.NewReader(body)))
		return err
	})
}

// keepUpload makes the bytes of an upload durable.
func (g *Gateway) keepUpload(u *cohort.Upload) error {
	commit := u.Commit()
	return g.keepOpening(hex.EncodeToString(commit[:])+".upload", func(w io.Writer) error {
		_, err := u.WriteTo(w)
		return err
	})
}

// keepOpening writes a file whole, with its directory entry, before it returns.
func (g *Gateway) keepOpening(name string, write func(io.Writer) error) (err error) {
	dir := g.layout.Openings()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep opening: %w", err)
	}
	temp, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keep opening: %w", err)
	}
	defer os.Remove(temp.Name())
	err = write(temp)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("keep opening: %w", err)
	}
	if err := os.Rename(temp.Name(), filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("keep opening: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keep opening: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// notKept is the refusal when an opening could not be made durable; nothing has been charged.
func (g *Gateway) notKept(err error) *Refusal {
	g.operator.Error("opening not kept", "err", err)
	return unavailable()
}
