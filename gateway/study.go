package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"jali/audit"
	"jali/gateway/engine"
	"jali/gateway/identity"
)

// pinStudy + agreement id + "/" + study id names the active version of a study population in the log.
const pinStudy = audit.ActiveStudy

// study is a version of a study population: the persons who take part by their consent, in the order of their slots. It does not hold
// their ids but the tags under which the register of the dataset knows them. It is never changed; what resolves it again makes another.
type study struct {
	id, agreement, dataset string
	version                int64
	entry                  uint64   // the ADMIN entry that registered it
	mapping                [32]byte // digest of the list of ids: which person each slot is
	file                   string   // name of its file
	population             population
	ordinals               []int32 // per slot, in the dataset's versions of now; -1: nobody who was ever imported
}

func (s *study) slots() int  { return len(s.population.tags) }
func (s *study) pin() string { return pinStudy + s.agreement + "/" + s.id }

// value is what the log has under the pin.
func (s *study) value() string { return strconv.FormatInt(s.version, 10) }

// StudyInfo is what a party to the agreement, and the custodian, may know of a study. Nothing in it depends on who has rows.
type StudyInfo struct {
	Agreement, Dataset, ID string
	Version                int64
	Slots                  int
	Mapping                [32]byte // digest of the list, computed again by whoever has the list
	Entry                  uint64
}

func (s *study) info() StudyInfo {
	return StudyInfo{Agreement: s.agreement, Dataset: s.dataset, ID: s.id, Version: s.version, Slots: s.slots(), Mapping: s.mapping, Entry: s.entry}
}

// Study tells a researcher how many slots a study has and which list they follow. It is free, and the list itself is not told: who
// selects from it has it.
func (g *Gateway) Study(ctx context.Context, who identity.Principal, agreement, id string) (StudyInfo, error) {
	a := &ask{who: who, req: Request{Agreement: agreement, SQL: "describe study " + id}}
	if refusal := g.party(who, agreement); refusal != nil {
		return StudyInfo{}, g.refuse(ctx, a, refusal)
	}
	if a.agreement = g.agreement(agreement); !a.agreement.party(who) {
		a.agreement = nil
		return StudyInfo{}, g.refuse(ctx, a, denied("agreement.unknown", "no agreement of this id is open to you", "ask the custodian which agreements you are party to"))
	}
	s, refusal := g.study(agreement, id)
	if refusal != nil {
		return StudyInfo{}, g.refuse(ctx, a, refusal)
	}
	return s.info(), nil
}

// Studies lists the studies that are served, in order of agreement and id.
func (g *Gateway) Studies() []StudyInfo {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var out []StudyInfo
	for _, s := range g.studies {
		out = append(out, s.info())
	}
	slices.SortFunc(out, func(a, b StudyInfo) int {
		return strings.Compare(a.Agreement+"/"+a.ID, b.Agreement+"/"+b.ID)
	})
	return out
}

// study finds the active version of a study under an agreement. A study of another agreement is as unknown as none.
func (g *Gateway) study(agreement, id string) (*study, *Refusal) {
	g.mu.RLock()
	s := g.studies[pinStudy+agreement+"/"+id]
	g.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	value, seq, _ := g.log.Active(pinStudy + agreement + "/" + id)
	switch {
	case value != "":
		return nil, denied("study.unreadable", "the study is registered, but its list cannot be read", "tell the custodian: the list must be registered again")
	case seq != 0:
		return nil, denied("study.ended", "the study has ended", "ask the custodian to register its list again")
	}
	return nil, denied("study.unknown", "no study of this id is registered under the agreement", "ask the custodian to register the list of participants: jali-gateway study register")
}

// record is the detail "what" of the entry that registers a study. The key opens the study's file and nothing else does, so that erasing
// this detail erases the list, wherever copies of the file lie.
type studyRecord struct {
	Study   string `json:"study"`
	Dataset string `json:"dataset"`
	Slots   int    `json:"slots"`
	Mapping string `json:"mapping"`
	File    string `json:"file"`
	Key     string `json:"key"`
}

// loadStudy reads the active version of a study from its entry and its file.
func (g *Gateway) loadStudy(ctx context.Context, name string) error {
	value, seq, ok := g.log.Active(pinStudy + name)
	cut := strings.LastIndexByte(name, '/')
	if !ok || cut < 0 {
		return fmt.Errorf("study %s: not registered", name)
	}
	fail := func(err error) error {
		return fmt.Errorf("study %s: %w: register its list again", name, err)
	}
	version, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fail(errStudyFile)
	}
	text, err := g.detail(seq, "what")
	if err != nil {
		return fail(err)
	}
	var r studyRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return fail(errStudyFile)
	}
	key, err := hex.DecodeString(r.Key)
	mapping, err2 := hex.DecodeString(r.Mapping)
	if err := errors.Join(err, err2); err != nil || len(key) != 32 || len(mapping) != 32 || len(r.File) != 64 || strings.ContainsAny(r.File, `/\.`) {
		return fail(errStudyFile)
	}
	s := &study{id: name[cut+1:], agreement: name[:cut], dataset: r.Dataset, version: version, entry: seq, mapping: [32]byte(mapping), file: r.File}
	sealed, err := os.ReadFile(g.layout.Study(r.File))
	if err != nil {
		return fail(errors.New("its file cannot be read"))
	}
	if sum := sha256.Sum256(sealed); hex.EncodeToString(sum[:]) != r.File {
		return fail(errStudyFile)
	}
	if s.population, err = openPopulation(sealed, [32]byte(key), s.aad()); err != nil {
		return fail(err)
	}
	if s.slots() != r.Slots {
		return fail(errStudyFile)
	}
	if s.ordinals, err = g.resolve(ctx, s); err != nil {
		return fail(err)
	}
	g.mu.Lock()
	g.studies[s.pin()] = s
	g.mu.Unlock()
	return nil
}

// resolve finds the ordinals of a study's persons in its dataset's register.
func (g *Gateway) resolve(ctx context.Context, s *study) ([]int32, error) {
	register, err := engine.OpenRegister(g.layout.Data(s.dataset))
	if err != nil {
		return nil, err
	}
	if register.Name() != s.population.register {
		return nil, fmt.Errorf("%w: the dataset numbers its persons anew", engine.ErrRegister)
	}
	return register.Ordinals(ctx, s.population.tags)
}

// resolveStudies finds the persons of a dataset's studies again after a version was activated: it may have brought persons that were not
// there before. A study that cannot be resolved is not served, for it would count them as nobody.
func (g *Gateway) resolveStudies(ctx context.Context, dataset string) {
	g.mu.RLock()
	var mine []*study
	for _, s := range g.studies {
		if s.dataset == dataset {
			mine = append(mine, s)
		}
	}
	g.mu.RUnlock()
	for _, s := range mine {
		next := *s
		ordinals, err := g.resolve(ctx, s)
		next.ordinals = ordinals
		g.mu.Lock()
		if g.studies[s.pin()] == s { // else it was registered anew meanwhile, or has ended
			if g.studies[s.pin()] = &next; err != nil {
				delete(g.studies, s.pin())
				g.problems = append(g.problems, fmt.Sprintf("study %s/%s: %v", s.agreement, s.id, err))
			}
		}
		g.mu.Unlock()
		if err != nil {
			g.operator.Error("study not served", "cause", err)
		}
	}
}

// studyMapping digests which person each slot stands for: the agreement, the study, then the ids in their order, each preceded by its
// length. Clients compute it from their own copy of the list.
func studyMapping(agreement, id string, persons []string) (d [32]byte) {
	h := sha256.New()
	for _, part := range append([]string{"jali cohort subjects 1", agreement, id}, persons...) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Sum(d[:0])
	return d
}
