package audit

import (
	"fmt"
	"strconv"
)

// Names under which entries make versions active: one policy bundle per log, a version per dataset, per agreement, and per study
// population registered under an agreement.
const (
	ActivePolicy    = "pol"
	ActiveDataset   = "ds/"    // + dataset id
	ActiveAgreement = "ag/"    // + agreement id
	ActiveStudy     = "study/" // + agreement id + "/" + study id
)

// ActStudy is the act of an ADMIN entry that registers a version of a study population (st active) or ends it (st ended): fields ag, ds,
// sid, sv. Who is in it stands nowhere in the log.
const ActStudy = "study"

// Activates tells what a POLICY, DATASET or AGREEMENT entry, or an ADMIN about a study, or a HOLD or UNHOLD, makes active, from its header fields. An empty
// value means that the name is active no longer (dataset withdrawn; agreement suspended or ended; study ended).
func Activates(k Kind, text func(string) string, integer func(string) int64) (name, value string, ok bool) {
	switch k {
	case Policy:
		return ActivePolicy, text("pol"), true
	case Dataset:
		if name = ActiveDataset + text("ds"); text("st") == "active" {
			value = text("dsv")
		}
		return name, value, true
	case Agreement:
		if name = ActiveAgreement + text("ag"); text("st") == "active" {
			value = strconv.FormatInt(integer("agv"), 10)
		}
		return name, value, true
	case Admin:
		if text("act") != ActStudy {
			return "", "", false
		}
		if name = ActiveStudy + text("ag") + "/" + text("sid"); text("st") == "active" {
			value = strconv.FormatInt(integer("sv"), 10)
		}
		return name, value, true
	case Hold:
		return holdName(integer("a"), integer("b"), integer("until")), "on", true
	case Unhold:
		return holdName(integer("a"), integer("b"), integer("until")), "", true
	}
	return "", "", false
}

// activate checks that an entry names the version it replaces, then replaces it.
func (c *Chain) activate(h *header) (string, error) {
	name, value, ok := Activates(h.kind, h.text, h.integer)
	if !ok {
		return "", nil
	}
	old, known := c.active[name]
	if before := map[Kind]string{Policy: "pol0", Dataset: "dsv0"}[h.kind]; before != "" && (known || c.first == 0) {
		if h.text(before) != old.Value {
			return before, fmt.Errorf("%w: want the version that this entry replaces", ErrActive)
		}
	}
	c.active[name] = Active{value, h.seq}
	return "", nil
}

// decidedOnActive checks that an INTENT was decided under the policy, dataset and agreement versions active at its place.
func (c *Chain) decidedOnActive(h *header) (string, error) {
	for _, p := range [...]struct{ field, name, value string }{
		{"pol", ActivePolicy, h.text("pol")},
		{"dsv", ActiveDataset + h.text("ds"), h.text("dsv")},
		{"agv", ActiveAgreement + h.text("ag"), strconv.FormatInt(h.integer("agv"), 10)},
	} {
		a, known := c.active[p.name]
		if known && a.Value != p.value || !known && c.first == 0 {
			return p.field, ErrActive
		}
	}
	return "", nil
}

// Active is what the entries so far have made active, by name. Values that are active no longer are empty.
func (c *Chain) Active() map[string]Active { return c.active }
