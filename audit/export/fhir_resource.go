package export

// The parts of FHIR R4 that events use, in the order of the specification. Codes and cardinalities: hl7.org/fhir/R4/auditevent.html.
type (
	bundle struct {
		ResourceType string    `json:"resourceType"`
		Type         string    `json:"type"`
		Entry        []bundled `json:"entry"`
	}
	bundled struct {
		FullURL  string      `json:"fullUrl"`
		Resource *auditEvent `json:"resource"`
	}
	auditEvent struct {
		ResourceType   string    `json:"resourceType"`
		ID             string    `json:"id"`
		Meta           *meta     `json:"meta,omitempty"`
		Type           coding    `json:"type"`
		Subtype        []coding  `json:"subtype,omitempty"`
		Action         string    `json:"action,omitempty"`
		Recorded       string    `json:"recorded"`
		Outcome        string    `json:"outcome,omitempty"`
		OutcomeDesc    string    `json:"outcomeDesc,omitempty"`
		PurposeOfEvent []concept `json:"purposeOfEvent,omitempty"`
		Agent          []agent   `json:"agent"`
		Source         source    `json:"source"`
		Entity         []entity  `json:"entity,omitempty"`
	}
	meta struct {
		Profile []string `json:"profile"`
	}
	coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display,omitempty"`
	}
	concept struct {
		Coding []coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	agent struct {
		Type      *concept  `json:"type,omitempty"`
		Who       reference `json:"who"`
		Requestor bool      `json:"requestor"`
		Network   *network  `json:"network,omitempty"`
	}
	network struct {
		Extension []extension `json:"extension"`
	}
	extension struct {
		URL       string `json:"url"`
		ValueCode string `json:"valueCode"`
	}
	reference struct {
		Identifier *identifier `json:"identifier,omitempty"`
		Display    string      `json:"display,omitempty"`
	}
	identifier struct {
		System string `json:"system,omitempty"`
		Value  string `json:"value"`
	}
	source struct {
		Site     string    `json:"site,omitempty"`
		Observer reference `json:"observer"`
		Type     []coding  `json:"type,omitempty"`
	}
	entity struct {
		What    *reference `json:"what,omitempty"`
		Type    *coding    `json:"type,omitempty"`
		Role    *coding    `json:"role,omitempty"`
		Name    string     `json:"name,omitempty"`
		Query   string     `json:"query,omitempty"`
		NoQuery *absence   `json:"_query,omitempty"`
		Detail  []detail   `json:"detail,omitempty"`
	}
	// absence stands beside a primitive that is withheld.
	absence struct {
		Extension []extension `json:"extension"`
	}
	detail struct {
		Type  string `json:"type"`
		Value string `json:"valueString"`
	}
)
