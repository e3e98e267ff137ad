package export

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"jali/audit"
)

// Disclosed is an entry with the disclosures that a reader has of it.
type Disclosed struct {
	Entry   audit.Entry
	Details []string
}

// Profile is the IHE BALP 1.1 profile that a released question with its text conforms to. An event of which that cannot be said (the text is
// withheld, or there was no success) names no profile and is a plain FHIR R4 AuditEvent.
const Profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Query"

// Code systems of FHIR R4 and BALP.
const (
	eventType    = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	interaction  = "http://hl7.org/fhir/restful-interaction"
	dicom        = "http://dicom.nema.org/resources/ontology/DCM"
	participates = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	sourceType   = "http://terminology.hl7.org/CodeSystem/security-source-type"
	entityType   = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	objectRole   = "http://terminology.hl7.org/CodeSystem/object-role"
	duo          = "http://purl.obolibrary.org/obo/duo.owl"
	absent       = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
)

// FHIR writes questions on record (INTENT with its outcome, REFUSED, REPLAY) as a FHIR R4 Bundle of AuditEvents. Each event carries
// number and leaf hash of its entry and the size of the signed checkpoint, so that a reader of the bundle finds it in the log
// and can check it there; the bundle by itself proves nothing. Entries must be whole and in order, disclosures checked.
func FHIR(cp audit.Checkpoint, entries []Disclosed) ([]byte, error) {
	outcomes := map[uint64]audit.Kind{}
	for _, d := range entries {
		if d.Entry.Kind.Outcome() && d.Entry.Ref != nil {
			outcomes[*d.Entry.Ref] = d.Entry.Kind
		}
	}
	intents := map[uint64]audit.Entry{}
	b := bundle{ResourceType: "Bundle", Type: "collection", Entry: []bundled{}}
	for _, d := range entries {
		e := d.Entry
		switch e.Kind {
		case audit.Intent:
			intents[e.Seq] = e
		case audit.Replay, audit.Refused:
		default:
			continue
		}
		event, err := eventOf(cp, d, outcomes, intents)
		if err != nil {
			return nil, fmt.Errorf("write FHIR: entry %d: %w", e.Seq, err)
		}
		if err := event.check(); err != nil {
			return nil, fmt.Errorf("write FHIR: entry %d: %w", e.Seq, err)
		}
		b.Entry = append(b.Entry, bundled{"urn:uuid:" + uuid(audit.LeafHash(e.Line)), event})
	}
	out, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write FHIR: %w", err)
	}
	return append(out, '\n'), nil
}

// uuid is a version 8 UUID (RFC 9562) made of a hash.
func uuid(h [32]byte) string {
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	s := hex.EncodeToString(h[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func eventOf(cp audit.Checkpoint, d Disclosed, outcomes map[uint64]audit.Kind, intents map[uint64]audit.Entry) (*auditEvent, error) {
	e, known := d.Entry, map[string]string{}
	for _, disclosed := range d.Details {
		det, err := audit.VerifyDetail(e, disclosed)
		if err != nil {
			return nil, err
		}
		known[det.Name] = det.Value
	}
	of := e // the entry that says agreement, data set and purpose
	if e.Kind == audit.Replay && e.Ref != nil {
		of = intents[*e.Ref]
	}
	leaf := audit.LeafHash(e.Line)
	a := &auditEvent{
		ResourceType: "AuditEvent", ID: hex.EncodeToString(leaf[:]), Action: "E",
		Type:     coding{eventType, "rest", "Restful Operation"},
		Subtype:  []coding{{interaction, "search", "search"}},
		Recorded: time.UnixMicro(e.Time).UTC().Format("2006-01-02T15:04:05.000000Z"),
		Source: source{
			Site: e.Origin, Observer: reference{Identifier: &identifier{Value: e.Origin}, Display: "Jali gateway"},
			Type: []coding{{sourceType, "4", "Application Server"}},
		},
	}
	a.Outcome, a.OutcomeDesc = outcome(e, outcomes)
	for code := range strings.SplitSeq(of.Text("pu"), "+") {
		if code == "" {
			continue
		}
		c := concept{Text: code}
		if strings.HasPrefix(code, "DUO:") {
			c.Coding = []coding{{System: duo, Code: code}}
		}
		a.PurposeOfEvent = append(a.PurposeOfEvent, c)
	}
	a.agents(e.Origin, known["actor"])
	query, told := known["query"]
	a.entities(cp, e, of, query, told, leaf)
	if told && a.Outcome == "0" && known["actor"] != "" {
		a.Meta = &meta{Profile: []string{Profile}}
	}
	return a, nil
}

// outcome is the code of FHIR: 0 success, 4 the question was turned away, 8 charged and not answered.
func outcome(e audit.Entry, outcomes map[uint64]audit.Kind) (code, text string) {
	if e.Kind == audit.Refused {
		return "4", "refused: " + e.Text("why")
	}
	if e.Kind == audit.Replay {
		return "0", "the stored answer again"
	}
	switch k := outcomes[e.Seq]; k {
	case audit.Release:
		return "0", ""
	case audit.Failure, audit.Interrupted:
		return "8", strings.ToLower(string(k))
	}
	return "", "no outcome on record yet"
}

// agents are the asker twice, as the person and as the client of BALP, and the gateway. Where they were on the network is
// not in the log.
func (a *auditEvent) agents(origin, actor string) {
	var who struct {
		Name string `json:"name"`
		Org  string `json:"org"`
		Role string `json:"role"`
		Key  string `json:"key"`
	}
	if json.Unmarshal([]byte(actor), &who) != nil {
		who.Name = actor
	}
	person := reference{Display: "withheld"}
	if actor != "" {
		person = reference{Display: strings.TrimSuffix(who.Name+", "+who.Org, ", ")}
	}
	if who.Key != "" {
		person.Identifier = &identifier{System: "urn:jali:client-key", Value: who.Key}
	}
	nowhere := &network{Extension: []extension{{absent, "not-permitted"}}}
	a.Agent = []agent{
		{Type: &concept{Coding: []coding{{participates, "IRCP", "information recipient"}}}, Who: person, Requestor: true},
		{Type: &concept{Coding: []coding{{dicom, "110153", "Source Role ID"}}}, Who: person, Network: nowhere},
		{Type: &concept{Coding: []coding{{dicom, "110152", "Destination Role ID"}}}, Who: reference{Identifier: &identifier{Value: origin}, Display: "Jali gateway"}, Network: nowhere},
	}
}

// entities are the question, and what it was asked about, with the place of the entry in the log.
func (a *auditEvent) entities(cp audit.Checkpoint, e, of audit.Entry, query string, told bool, leaf [32]byte) {
	q := entity{Type: &coding{entityType, "2", "System Object"}, Role: &coding{objectRole, "24", "Query"}}
	if told {
		q.Query = base64.StdEncoding.EncodeToString([]byte(query))
	} else {
		q.NoQuery = &absence{Extension: []extension{{absent, "masked"}}}
	}
	add := func(name, value string) {
		if value != "" {
			q.Detail = append(q.Detail, detail{name, value})
		}
	}
	add("seq", strconv.FormatUint(e.Seq, 10))
	add("kind", string(e.Kind))
	add("leaf-hash", base64.StdEncoding.EncodeToString(leaf[:]))
	add("checkpoint-size", strconv.FormatUint(cp.Size, 10))
	add("agreement", of.Text("ag"))
	add("policy", of.Text("pol"))
	if e.Kind == audit.Intent {
		add("price-nano-rho", strconv.FormatInt(e.Part("cost", "r"), 10))
	}
	a.Entity = []entity{q}
	if ds := of.Text("ds"); ds != "" {
		a.Entity = append(a.Entity, entity{
			What: &reference{Identifier: &identifier{Value: ds}}, Type: &coding{entityType, "2", "System Object"}, Role: &coding{objectRole, "4", "Domain Resource"}, Name: ds,
		})
	}
}

// check holds an event to what FHIR R4 requires of an AuditEvent and, where it names the profile, BALP of a Query.
func (a *auditEvent) check() error {
	lacks := func(what string) error { return fmt.Errorf("%w: AuditEvent lacks %s", ErrInvalid, what) }
	if _, err := time.Parse(time.RFC3339, a.Recorded); err != nil {
		return lacks("an instant in recorded")
	}
	switch {
	case a.Type.System == "" || a.Type.Code == "":
		return lacks("type")
	case !slices.Contains([]string{"", "0", "4", "8", "12"}, a.Outcome):
		return lacks("an outcome of the value set")
	case len(a.Agent) == 0 || !slices.ContainsFunc(a.Agent, func(g agent) bool { return g.Requestor }):
		return lacks("an agent that is the requestor")
	case a.Source.Observer.Display == "" && a.Source.Observer.Identifier == nil:
		return lacks("source.observer")
	case len(a.ID) == 0 || len(a.ID) > 64:
		return lacks("an id of 1 to 64 characters")
	}
	for _, x := range a.Entity {
		if x.Name != "" && (x.Query != "" || x.NoQuery != nil) { // sev-1
			return fmt.Errorf("%w: AuditEvent.entity has both a name and a query", ErrInvalid)
		}
		for _, d := range x.Detail {
			if d.Type == "" || d.Value == "" {
				return lacks("type and value of an entity's detail")
			}
		}
	}
	if a.Meta == nil {
		return nil
	}
	role := func(code string) int {
		n := 0
		for _, g := range a.Agent {
			if g.Type != nil && g.Type.Coding[0] == (coding{dicom, code, g.Type.Coding[0].Display}) && g.Network != nil {
				n++
			}
		}
		return n
	}
	queries := 0
	for _, x := range a.Entity {
		if x.Role != nil && x.Role.Code == "24" && x.Query != "" {
			queries++
		}
	}
	if a.Action != "E" || a.Outcome != "0" || role("110153") != 1 || role("110152") != 1 || queries != 1 || a.Type.Code != "rest" || a.Subtype[0].Code != "search" {
		return lacks("what " + Profile + " requires")
	}
	return nil
}
