package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"jali/audit"
)

// Audiences of an export: the same headers, tiles and root for all, and for some the details. What is withheld stays visible as
// a commitment in its header.
const (
	// Public: headers alone.
	Public = "public"
	// Citizen: besides the headers, which say data set, purpose, time and decision of every question, who the parties of the
	// agreements are. No names of people, no texts.
	Citizen = "citizen"
	// Researcher: one researcher's own questions, refusals and answers; of a question that failed no more than it was told.
	// Written "researcher:KEY", KEY being that of the actor on record; it is not part of the export.
	Researcher = "researcher"
	// Regulator: all details.
	Regulator = "regulator"
)

// Audiences are the names of all audiences.
var Audiences = []string{Public, Citizen, Researcher, Regulator}

// ErrAudience: not an audience this version writes.
var ErrAudience = errors.New("unknown audience")

// CheckAudience reports whether an audience can be written for.
func CheckAudience(audience string) error {
	_, err := NewReaders(audience)
	return err
}

// AudienceName is an audience without the key of the researcher: what may stand in a public header.
func AudienceName(audience string) string {
	name, _, _ := strings.Cut(audience, ":")
	return name
}

// Readers choose the details that an audience gets.
type Readers struct {
	name, key string
	own       map[uint64]bool // intents of the researcher
}

// NewReaders reads the name of an audience.
func NewReaders(audience string) (*Readers, error) {
	name, key, _ := strings.Cut(audience, ":")
	switch {
	case name == Researcher && key != "", name == audience && (name == Public || name == Citizen || name == Regulator):
		return &Readers{name, key, map[uint64]bool{}}, nil
	case name == Researcher:
		return nil, fmt.Errorf("%w: whose entries? want %s:KEY, the key of the actor on record", ErrAudience, Researcher)
	}
	return nil, fmt.Errorf("%w: want %s, %s, %s:KEY or %s", ErrAudience, Public, Citizen, Researcher, Regulator)
}

// Choose returns the disclosures of an entry that the audience gets. They must have been checked against the entry. Entries
// come in order: an outcome belongs to whom its intent belongs to.
func (r *Readers) Choose(e audit.Entry, ds []string) ([]string, error) {
	if e.Kind == audit.Timestamp && r.name != Public {
		return ds, nil // tokens name nobody but their authority
	}
	switch r.name {
	case Regulator:
		return ds, nil
	case Citizen:
		if e.Kind != audit.Agreement {
			return nil, nil
		}
		return named(ds, "party")
	case Researcher:
		mine, err := r.mine(e, ds)
		if err != nil || !mine {
			return nil, err
		}
		return ds, nil
	}
	return nil, nil
}

func (r *Readers) mine(e audit.Entry, ds []string) (bool, error) {
	switch e.Kind {
	case audit.Intent, audit.Refused, audit.Replay:
		actor, err := named(ds, "actor")
		if err != nil || len(actor) == 0 {
			return false, err
		}
		_, _, value, err := audit.OpenDetail(actor[0])
		if err != nil {
			return false, err
		}
		var who struct {
			Key string `json:"key"`
		}
		if json.Unmarshal([]byte(value), &who) != nil || who.Key != r.key {
			return false, nil
		}
		if e.Kind == audit.Intent {
			r.own[e.Seq] = true
		}
		return true, nil
	case audit.Release: // not a FAILURE: its cause depends on the data, and the asker was told one constant error
		return e.Ref != nil && r.own[*e.Ref], nil
	}
	return false, nil
}

// named picks the disclosure of a detail.
func named(ds []string, name string) ([]string, error) {
	for _, d := range ds {
		_, n, _, err := audit.OpenDetail(d)
		if err != nil {
			return nil, err
		}
		if n == name {
			return []string{d}, nil
		}
	}
	return nil, nil
}
