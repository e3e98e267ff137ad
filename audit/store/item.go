package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Item asks for one entry.
type Item struct {
	Kind   audit.Kind
	Fields audit.Object // header fields of the kind. The store itself adds the common ones, ref, dtl, and: of an INTENT ag, pop, acct, cost, dec, bud0, bud1; of a BUDGET ag, pop, acct, cap, cap0, spent; pol0; dsv0; open
	Ref    *uint64      // the entry this one belongs to: required for outcomes and REPLAY

	// Details are salted, committed to by the header and encrypted at rest under the key of Subject, Class and month.
	Details        []audit.Detail
	Subject, Class string

	Charge *Charge // INTENT, required: charged in the same transaction
	// Pins are what must still be active at the commit, besides the policy, dataset and agreement versions that the INTENT
	// itself names; otherwise a REFUSED why=stale is written in its place.
	Pins []Pin
	// Index finds an INTENT again (Lookup). The first byte is the type: see RequestIndex and QueryIndex.
	Index  []string
	Result []byte     // RELEASE: the released bytes, kept sealed and served again by Outcome
	Budget *SetBudget // BUDGET, required
	// Active are further names that the entry makes active, besides what its header says (audit.Activates). Outcomes, too, may have some.
	Active []Pin

	erasure bool // made by Erase, which alone writes ERASE and ERASED
}

// Charge is the price of an INTENT, to the agreement's ledger on the population and to the population's.
type Charge struct {
	Agreement, Population string
	Rho, Delta            int64 // 1e-9 and 1e-18
	// Most bounds what the agreement may have spent after the charge, below its cap: a condition of the decision. 0: none.
	Most int64
}

// SetBudget sets the cap of an agreement on a population or, with Agreement empty, of the population as a whole.
type SetBudget struct {
	Agreement, Population string
	Rho, Delta            int64
	Spent                 *audit.Amount // only to carry spend into a new log
}

// Pin names a version that is active: {"pol", digest}, {"ds/cms10k", dsv}, {"ag/agr-1", "3"}.
type Pin struct{ Name, Value string }

// Appended is what became of an item.
type Appended struct {
	Seq   uint64
	Time  int64 // microseconds
	Entry []byte
	D     []string // the disclosures of the entry's details, in the order of Item.Details
	// Refused is RefusedBudget or RefusedStale when a REFUSED entry stands in the place of the INTENT; then nothing was
	// charged. Over says which ledger would have been exceeded: OverAgreement (looked at first) or OverPopulation.
	Refused, Over string
}

// Values of Appended.Refused and Appended.Over.
const (
	RefusedBudget  = "budget"
	RefusedStale   = "stale"
	OverAgreement  = "agreement"
	OverPopulation = "population"
)

// RequestIndex and QueryIndex are the index strings of a request id and of a canonical query key.
func RequestIndex(id string) string { return "r" + id }
func QueryIndex(key string) string  { return "q" + key }

// MaxStored is the largest result kept in audit.db; larger ones go to a file beside it.
const MaxStored = 1 << 20

// prepared is an item with everything done that needs neither the sequence number nor the state of the log.
type prepared struct {
	Item
	fields audit.Fields
	tmpl   *audit.Template
	names  []string // of details, parallel to ds
	ds     []string
	dek    *dek
	index  [][]byte // keys of bucket q
	found  [][]byte // parallel to index: the index strings, sealed, so that they can be found again under another key
	result []byte   // as stored in bucket r
	// generation of the keys that all this was sealed with.
	generation uint64
	// work, if set, is done by the writer instead of an entry, in a transaction of audit.db with the journal empty. What it returns is
	// a storage error.
	work func(*bolt.Tx) error
	done chan outcome
}

type outcome struct {
	a   Appended
	err error
}

// prepare checks an item and seals what can be sealed outside the writer. Whatever it accepts, the writer can write.
func (s *Store) prepare(it Item) (*prepared, error) {
	p := &prepared{Item: it, fields: make(audit.Fields, 0, len(it.Fields)+common), generation: s.keys.generation.Load()}
	if !it.Kind.Known() || it.Kind == audit.Genesis || (it.Kind == audit.Erase || it.Kind == audit.Erased) != it.erasure {
		return nil, fmt.Errorf("%w: kind", ErrItem)
	}
	for k, v := range it.Fields {
		switch k {
		case "v", "o", "seq", "t", "prev", "k", "ref", "dtl", "bud0", "bud1", "cap0":
			return nil, fmt.Errorf("%w: field %s is the store's to set", ErrItem, k)
		}
		p.fields = append(p.fields, audit.Field{Name: k, Value: v})
	}
	if err := p.checkMoney(); err != nil {
		return nil, err
	}
	if (it.Kind.Outcome() || it.Kind == audit.Replay || it.Kind == audit.Erased) && it.Ref == nil {
		return nil, fmt.Errorf("%w: %s needs a ref", ErrItem, it.Kind)
	}
	for _, pins := range [...][]Pin{it.Active, it.Pins} {
		for _, a := range pins {
			if a.Name == "" || !audit.ValidString(a.Name) || !audit.ValidString(a.Value) {
				return nil, fmt.Errorf("%w: a pin is not a code", ErrItem)
			}
		}
	}
	if err := p.sealDetails(s); err != nil {
		return nil, err
	}
	if err := p.sealResult(s); err != nil {
		return nil, err
	}
	if err := p.indexKeys(s); err != nil {
		return nil, err
	}
	if err := p.format(s.signer.keys.Origin); err != nil {
		return nil, err
	}
	p.done = waits.Get().(chan outcome)
	return p, nil
}

// checkMoney checks the charge or budget and writes the fields that follow from it.
func (p *prepared) checkMoney() error {
	inRange := func(v ...int64) bool {
		for _, n := range v {
			if n < 0 || n > audit.MaxInt {
				return false
			}
		}
		return true
	}
	if (p.Kind == audit.Intent) != (p.Charge != nil) || (p.Kind == audit.Budget) != (p.Budget != nil) {
		return fmt.Errorf("%w: exactly INTENT has a charge and exactly BUDGET has a budget", ErrItem)
	}
	if p.Result != nil && p.Kind != audit.Release {
		return fmt.Errorf("%w: only RELEASE has a result", ErrItem)
	}
	if len(p.Index) > 0 && p.Kind != audit.Intent {
		return fmt.Errorf("%w: only INTENT is indexed", ErrItem)
	}
	if (p.Charge != nil || p.Budget != nil) && p.fields.Get("acct") == nil {
		p.fields.Set("acct", "nrho")
	}
	switch {
	case p.Charge != nil:
		c := p.Charge
		if !validID(c.Agreement) || !validID(c.Population) || !inRange(c.Rho, c.Delta, c.Most) {
			return fmt.Errorf("%w: charge", ErrItem)
		}
		p.fields.Set("ag", c.Agreement)
		p.fields.Set("pop", c.Population)
		p.fields.Set("dec", "allow")
		p.fields.Set("cost", amount(c.Delta, c.Rho))
	case p.Budget != nil:
		b := p.Budget
		if b.Agreement != "" && !validID(b.Agreement) || !validID(b.Population) || !inRange(b.Rho, b.Delta) {
			return fmt.Errorf("%w: budget", ErrItem)
		}
		if b.Agreement != "" {
			p.fields.Set("ag", b.Agreement)
		}
		p.fields.Set("pop", b.Population)
		p.fields.Set("cap", amount(b.Delta, b.Rho))
		if b.Spent != nil {
			if !inRange(b.Spent.Rho, b.Spent.Delta) {
				return fmt.Errorf("%w: carried spend", ErrItem)
			}
			p.fields.Set("spent", amount(b.Spent.Delta, b.Spent.Rho))
		}
	}
	return nil
}

func amount(delta, rho int64) audit.Fields {
	return audit.Fields{{Name: "d", Value: delta}, {Name: "r", Value: rho}}
}

func (p *prepared) sealDetails(s *Store) error {
	if len(p.Details) > audit.MaxDetails {
		return fmt.Errorf("%w: more than %d details", ErrItem, audit.MaxDetails)
	}
	p.names, p.ds = make([]string, 0, len(p.Details)), make([]string, 0, len(p.Details))
	for _, d := range p.Details {
		D, err := audit.SealDetail(d)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrItem, err)
		}
		if slices.Contains(p.names, d.Name) {
			return fmt.Errorf("%w: detail %s twice", ErrItem, d.Name)
		}
		p.names, p.ds = append(p.names, d.Name), append(p.ds, D)
	}
	if len(p.ds) == 0 && p.Result == nil && len(p.Index) == 0 {
		return nil
	}
	if p.Class == "" {
		p.Class = "details"
	}
	var err error
	p.dek, err = s.keys.dek(p.Subject, p.Class, s.cfg.Now())
	return err
}

func (p *prepared) sealResult(s *Store) error {
	if p.Result == nil {
		return nil
	}
	var err error
	p.result, err = s.storeResult(p.dek, p.Result, *p.Ref)
	return err
}

// storeResult seals a result and returns the value for bucket r.
func (s *Store) storeResult(d *dek, result []byte, intent uint64) ([]byte, error) {
	sealed := d.seal(result, aad(s.signer.keys.Origin, intent, resultName))
	if len(sealed) <= MaxStored {
		return sealed, nil
	}
	// The file is durable before the commit that names it; a crash between leaves a file that nothing names.
	return s.putBlob(sealed)
}

func (p *prepared) indexKeys(s *Store) error {
	p.index, p.found = nil, nil
	for _, x := range p.Index {
		if len(x) < 2 {
			return fmt.Errorf("%w: empty index", ErrItem)
		}
		key, err := s.keys.indexKey(p.Charge.Agreement, true)
		if err != nil {
			return err
		}
		p.index = append(p.index, indexEntry(key, x))
		p.found = append(p.found, p.dek.seal([]byte(x), indexAAD(s.signer.keys.Origin, p.Charge.Agreement)))
	}
	return nil
}

// renew seals anew what was sealed with keys that were retired since the item was prepared. Only the writer calls it.
func (p *prepared) renew(s *Store) error {
	now := s.keys.generation.Load()
	if p.generation == now || p.dek == nil {
		return nil
	}
	p.generation, p.dek = now, s.keys.successor(p.dek)
	if p.Result != nil {
		if err := p.sealResult(s); err != nil {
			return err
		}
	}
	return p.indexKeys(s)
}

// slots are the fields that only the writer knows, by kind: put into o with the longest values that they may get.
func (p *prepared) slots(o *audit.Fields) []string {
	o.Set("seq", mostInt)
	o.Set("t", mostInt)
	o.Set("prev", noDigest)
	switch p.Kind {
	case audit.Intent:
		o.Set("bud0", largest)
		o.Set("bud1", largest)
		return slotsOfIntent
	case audit.Budget:
		o.Set("cap0", audit.Fields{{Name: "d", Value: mostInt}, {Name: "r", Value: mostInt}})
		return slotsOfBudget
	case audit.Policy:
		o.Set("pol0", longest)
		return slotsOfPolicy
	case audit.Dataset:
		o.Set("dsv0", longest)
		return slotsOfDataset
	case audit.Heartbeat:
		o.Set("open", mostInt)
		return slotsOfHeartbeat
	}
	return slotsOfAny
}

var (
	slotsOfIntent    = []string{"seq", "t", "prev", "bud0", "bud1"}
	slotsOfBudget    = []string{"seq", "t", "prev", "cap0"}
	slotsOfPolicy    = []string{"seq", "t", "prev", "pol0"}
	slotsOfDataset   = []string{"seq", "t", "prev", "dsv0"}
	slotsOfHeartbeat = []string{"seq", "t", "prev", "open"}
	slotsOfAny       = []string{"seq", "t", "prev"}

	// Boxed once: they go into every header.
	mostInt  any = int64(audit.MaxInt)
	noDigest any = audit.Digest([32]byte{})
	largest  any = audit.Fields{{Name: "ad", Value: mostInt}, {Name: "ar", Value: mostInt}, {Name: "pd", Value: mostInt}, {Name: "pr", Value: mostInt}}
)

var longest = strings.Repeat("A", audit.MaxString)

// common is about how many fields format adds: v, o, k, ref or dtl, those of a charge, and the slots.
const common = 14

// format makes the template of the header, and completes the fields with what it adds. With the longest values in its slots it
// is valid, so the writer cannot fail.
func (p *prepared) format(origin string) error {
	o := &p.fields
	o.Set("v", 1)
	o.Set("o", origin)
	o.Set("k", p.Kind)
	if p.Ref != nil {
		o.Set("ref", *p.Ref)
	}
	if len(p.ds) > 0 {
		dtl := make(audit.Fields, len(p.ds))
		for i, d := range p.ds {
			dtl[i] = audit.Field{Name: p.names[i], Value: audit.DetailDigest(d)}
		}
		o.Set("dtl", dtl)
	}
	slots := p.slots(o)
	var err error
	if p.tmpl, err = audit.NewTemplate(*o, slots...); err != nil {
		return fmt.Errorf("%w: %w", ErrItem, err)
	}
	return nil
}

// refuse turns an INTENT into the REFUSED that is written in its place: codes that say what was refused and why, and of
// the details only who asked and what.
func (p *prepared) refuse(why, origin string) (*prepared, error) {
	r := &prepared{Item: Item{Kind: audit.Refused}, fields: audit.Fields{{Name: "dec", Value: "deny"}, {Name: "why", Value: why}}, dek: p.dek}
	for _, k := range []string{"ag", "ds", "pu", "pol"} {
		if v := p.fields.Get(k); v != nil {
			r.fields.Set(k, v)
		}
	}
	for i, n := range p.names {
		if n == "actor" || n == "query" {
			r.names, r.ds = append(r.names, n), append(r.ds, p.ds[i])
		}
	}
	return r, r.format(origin)
}

// aad binds sealed bytes to their place in this log.
func aad(origin string, seq uint64, name string) []byte {
	return []byte(origin + "\n" + strconv.FormatUint(seq, 10) + "\n" + name)
}

func indexAAD(origin, agreement string) []byte { return []byte(origin + "\n" + agreement + "\n/index") }

// resultName stands for a stored result in aad; no detail can have this name.
const resultName = "/result"

// micros is the clock of entries.
func micros(t time.Time) int64 { return t.UnixMicro() }
