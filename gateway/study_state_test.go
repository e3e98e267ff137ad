package gateway_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jali/audit"
	"jali/examples"
	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
)

func (a *asker) slots(t *testing.T, study string) gateway.StudyInfo {
	t.Helper()
	info, err := a.Study(t.Context(), a.who, examples.NHEFSAgreementID, study)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// studyEntries are the ADMIN entries about studies.
func studyEntries(t *testing.T, s *office) (entries []audit.Entry, headers [][]byte) {
	t.Helper()
	all, _, err := s.Entries(t.Context(), clerk, 0, 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all {
		e, err := audit.ParseEntry(line.Header)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == audit.Admin && e.Text("act") == audit.ActStudy {
			entries, headers = append(entries, e), append(headers, line.Header)
		}
	}
	return entries, headers
}

// A study and its order survive a restart; its versions and its end are on record; nothing in the state directory holds an id.
func TestStudyKept(t *testing.T) {
	a := newAsker(t, encrypted())
	list, byID := nhefsStudy(t)
	const marked = 987_654_321_987
	list = append(list, fmt.Sprint(marked))
	register(t, a.office, "arm", list)
	first := a.slots(t, "arm")
	register(t, a.office, "arm", list[1:])
	second := a.slots(t, "arm")
	if first.Version != 1 || second.Version != 2 || first.Slots != len(list) || second.Slots != len(list)-1 || first.Mapping == second.Mapping {
		t.Errorf("%+v, then %+v", first, second)
	}
	files, err := os.ReadDir(gateway.Layout(a.dir).Studies())
	if err != nil || len(files) != 1 {
		t.Errorf("%d files after two versions (%v)", len(files), err)
	}
	write(t, gateway.Layout(a.dir).Study(strings.Repeat("0", 64)), []byte("left by a crash"))
	a.office.reopen(t)
	if got := a.slots(t, "arm"); got != second {
		t.Errorf("after a restart %+v, before %+v", got, second)
	}
	if files, err := os.ReadDir(gateway.Layout(a.dir).Studies()); err != nil || len(files) != 1 {
		t.Errorf("%d files after a restart (%v)", len(files), err)
	}
	clear(a.keys) // keys ended with the process that had them
	m := a.make(t, a.subjects("arm", "count", "", "20"), nil, func() (all []int) {
		for i := range list[1:] {
			all = append(all, i)
		}
		return all
	}()...)
	quiet, err := a.EvaluateQuiet(t.Context(), a.who, m.nonce, m.bytes)
	if err != nil {
		t.Fatal(err)
	}
	want := int64(len(byID) - 1)
	if got := a.decrypt(t, m, quiet); got[0] != want {
		t.Errorf("after a restart %d of %d participants have rows", got[0], want)
	}
	if _, err := a.EndStudy(t.Context(), examples.NHEFSAgreementID, "arm", "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.EndStudy(t.Context(), examples.NHEFSAgreementID, "arm", "test"); refusal(t, err).Code != gateway.NotFound {
		t.Errorf("ended twice: %v", err)
	}
	a.office.reopen(t)
	if _, err := a.Study(t.Context(), a.who, examples.NHEFSAgreementID, "arm"); refusal(t, err).Reasons[0].Code != "study.ended" {
		t.Errorf("ended: %v", err)
	}
	register(t, a.office, "arm", list)
	if got := a.slots(t, "arm"); got.Version != 3 {
		t.Errorf("registered again it is version %d", got.Version)
	}
	entries, headers := studyEntries(t, a.office)
	var states []string
	for i, e := range entries {
		states = append(states, fmt.Sprintf("%s%d", e.Text("st"), e.Int("sv")))
		if bytes.Contains(headers[i], []byte(fmt.Sprint(len(list)))) || e.Text("ds") != "nhefs" || e.Text("ag") != examples.NHEFSAgreementID {
			t.Errorf("header %s", headers[i])
		}
	}
	if got := strings.Join(states, " "); got != "active1 active2 ended2 active3" {
		t.Errorf("entries %s", got)
	}
	err = filepath.WalkDir(a.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(fmt.Sprint(marked))) {
			t.Errorf("%s holds an id", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// opened is how many details of an entry can be read.
func (a *asker) opened(t *testing.T, seq uint64) int {
	t.Helper()
	entries, _, err := a.Entries(t.Context(), clerk, seq, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries[0].Details)
}

func unzip(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A list that cannot be read is not served; what is wrong is told to the operator, and the record is as it was.
func TestStudyLost(t *testing.T) {
	a := newAsker(t, encrypted())
	list, _ := nhefsStudy(t)
	for name, spoil := range map[string]func(t *testing.T, a *asker, file string){
		"file gone": func(t *testing.T, a *asker, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		"file changed": func(t *testing.T, a *asker, file string) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			write(t, file, b)
		},
		"another register": func(t *testing.T, a *asker, _ string) {
			write(t, filepath.Join(gateway.Layout(a.dir).Data("nhefs"), "persons.key"), []byte(strings.Repeat("ab", 32)+"\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			register(t, a.office, "arm", list)
			version := a.slots(t, "arm").Version
			files, err := os.ReadDir(gateway.Layout(a.dir).Studies())
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			spoil(t, a, gateway.Layout(a.dir).Study(files[0].Name()))
			a.office.reopen(t)
			if p := a.Status().Problems; len(p) != 1 || !strings.Contains(p[0], "register its list again") {
				t.Errorf("problems: %q", p)
			}
			_, err = a.QuoteCohort(t.Context(), a.who, a.subjects("arm", "count", "", "20"))
			if r := refusal(t, err); len(r.Reasons) != 1 || r.Reasons[0].Code != "study.unreadable" || r.Decision == 0 {
				t.Errorf("%v", err)
			}
			register(t, a.office, "arm", list)
			if got := a.slots(t, "arm"); got.Version != version+1 {
				t.Errorf("version %d", got.Version)
			}
		})
	}
}

// Persons that a later version brings are found in their slots; a question quoted before is stale.
func TestStudyGrows(t *testing.T) {
	a := newAsker(t, encrypted())
	register(t, a.office, "arm", []string{"233", "70000001", "235"})
	m := a.make(t, a.subjects("arm", "count", "", "20"), nil, 0, 1, 2)
	quiet, err := a.EvaluateQuiet(t.Context(), a.who, m.nonce, m.bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.decrypt(t, m, quiet); got[0] != 2 {
		t.Fatalf("before: %d", got[0])
	}
	a.upload(t, m)
	layout, file := gateway.Layout(a.dir), filepath.Join(t.TempDir(), "nhefs.csv")
	rows := unzip(t, examples.NHEFS)
	line := bytes.SplitN(rows, []byte("\n"), 3)[1]
	_, rest, _ := bytes.Cut(line, []byte(","))
	write(t, file, slices.Concat(bytes.TrimSuffix(rows, []byte("\n")), []byte("\n70000001,"), rest, []byte("\n")))
	cat, err := catalog.Load(layout.Catalog("nhefs"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := engine.Import(t.Context(), engine.ImportConfig{Catalog: cat, Dir: layout.Data("nhefs"), Files: []engine.File{{Path: file}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ActivateDataset(t.Context(), "nhefs", manifest.Encode(), "test"); err != nil {
		t.Fatal(err)
	}
	if r := refusal(t, a.evaluate(t, m)); r.Code != gateway.QuoteStale {
		t.Errorf("quoted before: %v", r)
	}
	m = a.make(t, a.subjects("arm", "count", "", "20"), nil, 0, 1, 2)
	if quiet, err = a.EvaluateQuiet(t.Context(), a.who, m.nonce, m.bytes); err != nil {
		t.Fatal(err)
	}
	if got := a.decrypt(t, m, quiet); got[0] != 3 {
		t.Errorf("after: %d", got[0])
	}
}

// An agreement whose text is erased takes every version of its studies along; a study alone can be erased too.
func TestEraseStudy(t *testing.T) {
	for name, test := range map[string]struct {
		span  func(t *testing.T, a *asker) audit.Span
		ended []string
	}{
		"list": {func(t *testing.T, a *asker) audit.Span {
			entries, _ := studyEntries(t, a.office)
			return audit.Span{From: entries[1].Seq, To: entries[1].Seq, Name: "what"}
		}, nil},
		"agreement": {func(t *testing.T, a *asker) audit.Span {
			all, _, err := a.Entries(t.Context(), clerk, 0, 1000, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range all {
				if e, err := audit.ParseEntry(line.Header); err == nil && e.Kind == audit.Agreement {
					return audit.Span{From: e.Seq, To: e.Seq}
				}
			}
			t.Fatal("no agreement")
			return audit.Span{}
		}, []string{examples.NHEFSAgreementID}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsker(t, encrypted())
			list, _ := nhefsStudy(t)
			register(t, a.office, "arm", list)
			register(t, a.office, "arm", list[2:])
			entries, _ := studyEntries(t, a.office)
			before := a.opened(t, entries[0].Seq)
			if before != 2 {
				t.Fatal(before)
			}
			done, err := a.erase(t, eraseOrder(func(o *gateway.ErasureOrder) { o.Entries = audit.FormatSpans([]audit.Span{test.span(t, a)}) }))
			if err != nil || !slices.Equal(done.Ended, test.ended) {
				t.Fatal(done, err)
			}
			if _, err := a.RegisterStudy(t.Context(), gateway.StudyOrder{Agreement: "none"}); refusal(t, err) == nil {
				t.Error("registered under nothing")
			}
			files, err := os.ReadDir(gateway.Layout(a.dir).Studies())
			if err != nil || len(files) != 0 {
				t.Errorf("%d lists left (%v)", len(files), err)
			}
			for i, e := range entries {
				n := a.opened(t, e.Seq)
				if want := map[bool]int{true: 1, false: 2}[test.ended != nil || i == 1]; n != want {
					t.Errorf("version %d has %d details, want %d", i+1, n, want)
				}
			}
			a.office.reopen(t)
			_, err = a.Study(t.Context(), a.who, examples.NHEFSAgreementID, "arm")
			want := "study.ended"
			if test.ended != nil {
				want = "agreement.unknown"
			}
			if r := refusal(t, err); r.Reasons[0].Code != want {
				t.Errorf("%v", err)
			}
		})
	}
}
