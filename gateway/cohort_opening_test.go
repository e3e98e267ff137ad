package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"jali/crypto/cohort"
	"jali/examples"
	"jali/gateway"
)

// Under an agreement with an auditor, keys and uploads are taken with an opening only, are kept, and the auditor finds in them what was
// selected; policy sees that they are opened.
func TestCohortOpened(t *testing.T) {
	secret, err := cohort.GenerateAuditorKey()
	if err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, terms("kinds: [aggregate]", "kinds: [encrypted]\nencrypted: {auditor: "+base64.StdEncoding.EncodeToString(secret.Public())+"}"))
	auditor, err := cohort.ParseAuditor(a.CohortAuditor(examples.NHEFSAgreementID))
	if err != nil {
		t.Fatal(err)
	}
	free, err := a.QuoteCohort(t.Context(), a.who, a.request("count", "", "20"))
	if err != nil || !free.Allowed || !bytes.Equal(free.Auditor, secret.Public()) {
		t.Fatalf("quote %+v, %v", free.Reasons, err)
	}
	params, err := cohort.ParamsByID(free.Params)
	if err != nil {
		t.Fatal(err)
	}
	register := func(to *cohort.Auditor) (*cohort.SecretKey, [32]byte, []byte, error) {
		crs, _, err := a.NewKey(a.who, examples.NHEFSAgreementID, free.Params)
		if err != nil {
			t.Fatal(err)
		}
		key, body, err := cohort.GenerateKey(params, crs, to)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.RegisterKey(t.Context(), a.who, crs, body)
		return key, crs, body, err
	}
	if _, _, _, err := register(nil); refusal(t, err).Code != gateway.UploadMalformed || refusal(t, err).Decision == 0 {
		t.Errorf("a key without opening: %v", err)
	}
	key, crs, body, err := register(auditor)
	if err != nil {
		t.Fatal(err)
	}

	upload := func(to *cohort.Auditor) (cohort.Query, made) {
		req, id := a.request("count", "", "20"), key.ID()
		req.Key, req.Rule = id[:], gateway.SizeRule{Exact: 2}
		offer, err := a.QuoteCohort(t.Context(), a.who, req)
		if err != nil {
			t.Fatal(err)
		}
		layout, err := cohort.NewLayout(params, offer.Entries, cohort.ExactSize(2))
		if err != nil {
			t.Fatal(err)
		}
		s, err := cohort.NewSelector(offer.Entries)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Select(1), s.Select(4)); err != nil {
			t.Fatal(err)
		}
		q := cohort.Query{Layout: layout, Table: offer.Table, Nonce: [32]byte(offer.Nonce)}
		enc, err := key.Encrypt(q, s, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := enc.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return q, made{offer: offer, nonce: q.Nonce, key: key, bytes: b.Bytes()}
	}
	_, bare := upload(nil)
	if err := a.send(t, bare, bare.bytes, false); refusal(t, err).Code != gateway.UploadTruncated {
		t.Errorf("an upload without opening: %v", err)
	}
	q, m := upload(auditor)
	if len(m.bytes) != m.offer.UploadBytes {
		t.Errorf("upload has %d bytes, quoted were %d", len(m.bytes), m.offer.UploadBytes)
	}
	if err := a.send(t, m, m.bytes, true); err != nil {
		t.Fatal(err)
	}

	// What is kept is what was sent, and opens.
	dir, commit, kd := gateway.Layout(a.dir).Openings(), sum(m.bytes), key.ID()
	kept, err := os.ReadFile(filepath.Join(dir, hex.EncodeToString(commit[:])+".upload"))
	if err != nil || !bytes.Equal(kept, m.bytes) {
		t.Errorf("the upload kept is not the one sent: %v", err)
	}
	file, err := os.ReadFile(filepath.Join(dir, hex.EncodeToString(kd[:])+".key"))
	if err != nil || !bytes.HasSuffix(file, body) {
		t.Errorf("the key kept is not the one sent: %v", err)
	}
	opened, err := secret.OpenKey(params, crs, body)
	if err != nil {
		t.Fatal(err)
	}
	u, err := cohort.ReadUpload(bytes.NewReader(kept), q.Layout, true)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := opened.OpenUpload(q, u); err != nil || s.Count() != 2 {
		t.Errorf("opened: %v, %v", s, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files kept, of one key and one upload: %v", len(files), err)
	}
}

// A key that is no auditor's is refused when the agreement is registered.
func TestAuditorOfAgreementChecked(t *testing.T) {
	a := newAsker(t, encrypted())
	junk := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 1216))
	text := terms("version: 1", "version: 2", "kinds: [aggregate]", "kinds: [encrypted]\nencrypted: {auditor: "+junk+"}")
	if _, err := a.AddAgreement(t.Context(), []byte(text), "test"); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("an agreement with a key that is none: %v", err)
	}
}
