package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/catalog"
	"jali/gateway/engine"
)

// StudyOrder registers a study population.
type StudyOrder struct {
	Agreement, Dataset, ID string // Dataset may be empty when the agreement has one
	Persons                []byte // parsePersons
	Approver               string
}

// RegisterStudy makes a list of persons the study population of an id under an agreement, in place of an earlier list of that id: questions
// quoted before are refused as stale. Whether the persons are in the data is not looked at, told or shown by anything.
//
// The file lies complete and synced in the state directory before the entry that makes it active; a crash in between leaves a sealed
// file that nothing opens and the next start or registration removes. The file of an earlier version goes after the entry.
func (g *Gateway) RegisterStudy(ctx context.Context, o StudyOrder) (Activated, error) {
	g.registering.Lock()
	defer g.registering.Unlock()
	s, persons, err := g.studyOf(&o)
	if err != nil {
		return Activated{}, err
	}
	register, err := engine.OpenRegister(g.layout.Data(s.dataset))
	if err != nil {
		return Activated{}, invalid("study "+s.id, err)
	}
	s.population.register = register.Name()
	for _, id := range persons {
		s.population.tags = append(s.population.tags, register.Tag(id))
	}
	if s.ordinals, err = register.Ordinals(ctx, s.population.tags); err != nil {
		return Activated{}, invalid("study "+s.id, err)
	}
	record, err := g.storeStudy(s)
	if err != nil {
		g.operator.Error("study not stored", "err", err)
		return Activated{}, &Refusal{Code: Unavailable, Message: "the list could not be stored", Hint: "check disk space and modes of the state directory"}
	}
	appended, err := g.log.Append(ctx, s.item("active", audit.Detail{Name: "actor", Value: o.Approver}, audit.Detail{Name: "what", Value: record}))
	if err != nil {
		return Activated{}, errors.Join(g.unrecorded(err), os.Remove(g.layout.Study(s.file)))
	}
	s.entry = appended.Seq
	g.mu.Lock()
	old := g.studies[s.pin()]
	g.studies[s.pin()] = s
	g.mu.Unlock()
	g.removeStudy(old)
	g.sweepStudies()
	return Activated{Seq: appended.Seq, Digest: hex.EncodeToString(s.mapping[:])}, nil
}

// studyOf checks an order against agreement, catalogue and log.
func (g *Gateway) studyOf(o *StudyOrder) (*study, []string, error) {
	bad := func(text, hint string) error { return &Refusal{Code: Invalid, Message: text, Hint: hint} }
	if !catalog.ValidID(o.ID) {
		return nil, nil, bad("the study's id is not a name", "use a-z, 0-9, _ and -; it is public, so do not make it of names")
	}
	a := g.agreement(o.Agreement)
	if a == nil {
		return nil, nil, bad("no agreement of this id is registered", "register it first: jali-gateway agreement add")
	}
	if !slices.Contains(a.Kinds, "encrypted") {
		return nil, nil, bad("the agreement does not open encrypted questions", "add the kind encrypted in a new version of the agreement")
	}
	if o.Dataset == "" && len(a.Datasets) == 1 {
		o.Dataset = a.Datasets[0].ID
	}
	d := g.dataset(o.Dataset)
	if d == nil || !a.covers(o.Dataset) {
		return nil, nil, bad("the agreement covers no active dataset of this id", "name one with --dataset: "+strings.Join(a.datasetIDs(), ", "))
	}
	persons, err := parsePersons(o.Persons, !engine.TextPersons(d.catalog))
	if err != nil {
		return nil, nil, invalid("study "+o.ID, err)
	}
	s := &study{id: o.ID, agreement: o.Agreement, dataset: o.Dataset, mapping: studyMapping(o.Agreement, o.ID, persons)}
	if s.version, err = g.studyVersion(s.pin()); err != nil {
		return nil, nil, unavailable()
	}
	s.version++
	return s, persons, nil
}

// studyVersion is the last version of a study, ended or not; 0: there was none.
func (g *Gateway) studyVersion(pin string) (int64, error) {
	_, seq, _ := g.log.Active(pin)
	if seq == 0 {
		return 0, nil
	}
	line, err := g.log.Entry(seq)
	if err != nil {
		return 0, err
	}
	e, err := audit.ParseEntry(line)
	return e.Int("sv"), err
}

// storeStudy seals the population into its file and returns the record that can open it.
func (g *Gateway) storeStudy(s *study) (string, error) {
	sealed, key, err := s.population.seal(s.aad())
	if err != nil {
		return "", fmt.Errorf("seal study: %w", err)
	}
	sum := sha256.Sum256(sealed)
	s.file = hex.EncodeToString(sum[:])
	if err := os.MkdirAll(g.layout.Studies(), 0o700); err != nil {
		return "", fmt.Errorf("store study: %w", err)
	}
	if err := errors.Join(writeSynced(g.layout.Study(s.file), sealed), syncDir(g.layout.Studies())); err != nil {
		return "", fmt.Errorf("store study: %w", err)
	}
	record, err := json.Marshal(studyRecord{
		Study: s.id, Dataset: s.dataset, Slots: s.slots(), Mapping: hex.EncodeToString(s.mapping[:]), File: s.file, Key: hex.EncodeToString(key[:]),
	})
	return string(record), err
}

// item is the entry about a study. How many take part is in its details only.
func (s *study) item(state string, details ...audit.Detail) store.Item {
	return store.Item{
		Kind:    audit.Admin,
		Fields:  audit.Object{"act": audit.ActStudy, "ag": s.agreement, "ds": s.dataset, "sid": s.id, "sv": s.version, "st": state},
		Subject: s.agreement, Class: "study", Details: details,
	}
}

// EndStudy ends a study: questions about it are refused from then on, and its list is removed. Registered again, it is a new version.
func (g *Gateway) EndStudy(ctx context.Context, agreement, id, approver string) (Activated, error) {
	g.registering.Lock()
	defer g.registering.Unlock()
	pin := pinStudy + agreement + "/" + id
	_, seq, ok := g.log.Active(pin)
	if !ok {
		return Activated{}, &Refusal{Code: NotFound, Message: "no study of this id is registered under the agreement", Hint: "see which are: jali-gateway study list"}
	}
	return g.endStudy(ctx, pin, seq, approver)
}

// endStudy records the end of the study that an entry has registered, readable or not. The caller holds g.registering.
func (g *Gateway) endStudy(ctx context.Context, pin string, seq uint64, approver string) (Activated, error) {
	line, err := g.log.Entry(seq)
	if err != nil {
		return Activated{}, unavailable()
	}
	e, err := audit.ParseEntry(line)
	if err != nil {
		return Activated{}, unavailable()
	}
	s := &study{id: e.Text("sid"), agreement: e.Text("ag"), dataset: e.Text("ds"), version: e.Int("sv")}
	appended, err := g.log.Append(ctx, s.item("ended", audit.Detail{Name: "actor", Value: approver}))
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	g.mu.Lock()
	old := g.studies[pin]
	delete(g.studies, pin)
	g.mu.Unlock()
	g.removeStudy(old)
	return Activated{Seq: appended.Seq}, nil
}

// removeStudy removes the file of a version that is active no longer. One that stays is sealed, and goes at the next start.
func (g *Gateway) removeStudy(s *study) {
	if s == nil {
		return
	}
	if err := os.Remove(g.layout.Study(s.file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.operator.Error("list of an earlier study version not removed", "err", err)
	}
}

// sweepStudies removes files that no served study has, when all that are registered are served: what a crash left behind, and lists that
// could not be read. No registration may be under way but the caller's own.
func (g *Gateway) sweepStudies() {
	g.mu.RLock()
	defer g.mu.RUnlock()
	known := map[string]bool{}
	for _, s := range g.studies {
		known[s.file] = true
	}
	if len(known) != len(g.log.ActiveNames(pinStudy)) {
		return
	}
	files, err := os.ReadDir(g.layout.Studies())
	if err != nil {
		return // there are none
	}
	for _, f := range files {
		if !known[f.Name()] {
			if err := os.Remove(filepath.Join(g.layout.Studies(), f.Name())); err != nil {
				g.operator.Error("unused list of a study not removed", "err", err)
			}
		}
	}
}
