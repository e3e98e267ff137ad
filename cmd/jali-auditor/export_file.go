package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"jali/audit"
	"jali/audit/export"
)

// Formats of an export: a directory that can be verified, or one file for other programs.
const (
	exportTiles = "tiles"
	exportJSONL = "jsonl"
	exportFHIR  = "fhir"
)

var exportFormats = []string{exportTiles, exportJSONL, exportFHIR}

// exportFile writes a record as one file. Nothing is written unless the whole record gives the root that its log has signed.
func (a *app) exportFile(ctx context.Context, out, audience, form string) error {
	readers, err := export.NewReaders(audience)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("export to %s: %w", out, export.ErrExists)
	}
	ctx, cancel := context.WithTimeout(ctx, a.from.timeout)
	defer cancel()
	rec, err := a.openRecord(ctx, audience != export.Public)
	if err != nil {
		return err
	}
	defer rec.close()
	have := rec.audience
	if a.from.export != "" {
		have = audienceIn(a.from.export, audience)
	}
	if err := checkEntitled(audience, have); err != nil {
		return err
	}
	if rec.signed == nil {
		return hintedError{errors.New("this record carries no signed checkpoint"), "start and stop the gateway once"}
	}
	entries, err := disclosedTo(ctx, rec, readers)
	if err != nil {
		return err
	}
	var text []byte
	if form == exportFHIR {
		text, err = export.FHIR(*rec.signed, entries)
	} else {
		text, err = jsonLines(entries)
	}
	if err != nil {
		return err
	}
	if err := writeNew(out, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: from %d entries, for the audience %s; %s\n", out, len(entries), export.AudienceName(audience), rec.signature())
	return err
}

// disclosedTo reads a record up to what is signed, with the details that its readers get.
func disclosedTo(ctx context.Context, rec *record, readers *export.Readers) ([]export.Disclosed, error) {
	var out []export.Disclosed
	err := rec.walk(ctx, 0, func(e audit.Entry, ds []string) error {
		for _, d := range ds {
			if _, err := audit.VerifyDetail(e, d); err != nil {
				return err
			}
		}
		ds, err := readers.Choose(e, ds)
		out = append(out, export.Disclosed{Entry: e, Details: ds})
		return err
	})
	return out, err
}

// jsonLines is one entry per line: header as it was hashed, details as they were disclosed.
func jsonLines(entries []export.Disclosed) ([]byte, error) {
	rd := newReader(true)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, d := range entries {
		r, err := rd.read(entry{d.Entry.Seq, d.Entry.Line, d.Details})
		if err != nil {
			return nil, err
		}
		r.outcome = "" // of an intent it is known later only: outcomes are lines of their own
		if err := enc.Encode(r.json()); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// writeNew writes a file that must not exist, complete or not at all.
func writeNew(path string, text []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	err := os.Link(tmp, path) // unlike a rename it replaces nothing
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("export to %s: %w", path, export.ErrExists)
	}
	return errors.Join(err, os.Remove(tmp))
}
